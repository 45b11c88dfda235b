"""Command line: the way of `keys` and `tenants` to the store that `serve` uses, whether it runs or not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from orchestrator.config import Settings
from orchestrator.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from orchestrator.store.store import Store

__all__ = ("data_option", "with_store")

_T = TypeVar("_T")


def data_option(command: Callable[..., _T]) -> Callable[..., _T]:
    """`--data FOLDER`, as `serve` has it, for a command that gets the settings; goes below `click.pass_obj`."""

    @click.option(
        "--data", type=click.Path(path_type=Path, file_okay=False, exists=True), help="Folder of the store."
    )
    @wraps(command)
    def with_data(settings: Settings, /, *arguments: Any, data: Path | None, **options: Any) -> _T:
        if data is not None:
            settings = settings.model_copy(update={"data_folder": data})
        return command(settings, *arguments, **options)

    return with_data


def with_store(settings: Settings, use: Callable[[Store], Awaitable[_T]]) -> _T:
    """What `use` answers for the open store. Raises ConfigurationError or StoreUnavailable."""
    try:
        # Of an extra, and slow to load: other commands need neither.
        from orchestrator.serving import data_folder  # noqa: PLC0415
        from orchestrator.store.store import open_store  # noqa: PLC0415
    except ImportError as error:
        problem = f"the store needs the extra `server` ({error.name} is missing): pip install 'sandbox-orch[server]'"
        raise ConfigurationError(problem) from None
    url = settings.store_url or f"sqlite:///{data_folder(settings) / 'store.sqlite3'}"

    async def run() -> _T:
        async with open_store(url) as store:
            return await use(store)

    return asyncio.run(run())
