"""Command line: `sandbox-orch keys create|list|revoke`. A secret is printed once, and kept by nobody."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.inputs import seconds_of
from orchestrator.cli.render import harmless
from orchestrator.cli.stores import data_option, with_store
from orchestrator.config import Settings
from orchestrator.domain.errors import InvalidTenant
from orchestrator.domain.tenant import Scope, Tenant

if TYPE_CHECKING:
    from orchestrator.store.keys import KeyInfo
    from orchestrator.store.store import Store

__all__ = ("keys",)

_AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")


@click.group()
def keys() -> None:
    """Create, list and revoke API keys, on the store of this host's service."""


@keys.command()
@click.option("--tenant", required=True, metavar="NAME", help="Who it speaks for; made where it is new.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice([scope.value for scope in Scope]),
    default=(Scope.EXECUTE.value, Scope.READ.value),
    show_default="execute and read",
    help="What it allows; may be given several times.",
)
@click.option("--expires-in", callback=seconds_of, metavar="30d|12h|15m", help="[default: never]")
@click.option("--note", default="", metavar="TEXT", help="What it is for, for the list.")
@_AS_JSON
@click.pass_obj
@data_option
def create(
    settings: Settings,
    *,
    tenant: str,
    scopes: tuple[str, ...],
    expires_in: float | None,
    note: str,
    as_json: bool,
) -> None:
    """Create a key. Its secret goes to standard output, this once; all else to standard error."""
    asked = Tenant(name=tenant), frozenset(Scope(scope) for scope in scopes)
    info, secret = with_store(settings, lambda store: _create(store, *asked, expires_in, note))
    if as_json:
        click.echo(json.dumps({**_wire(info), "secret": secret}))
        return
    click.echo(f"key {info.id} of tenant {tenant}: {_scopes(info)}, {_validity(info, time.time())}", err=True)
    click.echo("This is its secret. Nobody can show it again:", err=True)
    click.echo(secret)


async def _create(
    store: Store, tenant: Tenant, scopes: frozenset[Scope], expires_in: float | None, note: str
) -> tuple[KeyInfo, str]:
    if await store.get_tenant(tenant.name) is None:
        await store.put_tenant(tenant)
    now = time.time()
    expires_at = None if expires_in is None else now + expires_in
    return await store.create_key(tenant.name, scopes, now=now, expires_at=expires_at, note=note)


@keys.command("list")
@click.option("--tenant", metavar="NAME", help="Only keys of this tenant.")
@_AS_JSON
@click.pass_obj
@data_option
def list_keys(settings: Settings, *, tenant: str | None, as_json: bool) -> None:
    """List keys, oldest first, revoked and expired ones too."""
    found = with_store(settings, lambda store: store.keys(tenant))
    if as_json:
        click.echo(json.dumps([_wire(info) for info in found]))
        return
    now = time.time()
    width = max((len(info.tenant) for info in found), default=0)
    for info in found:
        text = f"{info.id}  {info.tenant:{width}}  {_scopes(info):20}  {_validity(info, now):26}  {info.note}"
        click.secho(harmless(text.rstrip()), dim=not info.is_valid(now))


@keys.command()
@click.argument("key_id", metavar="ID")
@_AS_JSON
@click.pass_obj
@data_option
def revoke(settings: Settings, key_id: str, *, as_json: bool) -> None:
    """Revoke the key of this ID (`keys list` has it). A running service notices within seconds."""
    if key_id.startswith("so_"):
        # Somebody pasted the secret: its id is in it.
        key_id = key_id.split("_")[1]
    if not with_store(settings, lambda store: store.revoke_key(key_id, now=time.time())):
        raise InvalidTenant("ID", f"no key {harmless(key_id[:40])!r}; `sandbox-orch keys list` shows them")
    click.echo(json.dumps({"id": key_id, "revoked": True}) if as_json else f"key {key_id} is revoked")


def _wire(info: KeyInfo) -> dict[str, Any]:
    return {**asdict(info), "scopes": sorted(info.scopes)}


def _scopes(info: KeyInfo) -> str:
    return "+".join(sorted(info.scopes))


def _validity(info: KeyInfo, now: float) -> str:
    if info.revoked_at is not None:
        return f"revoked {_day(info.revoked_at)}"
    if info.expires_at is None:
        return "does not expire"
    return f"{'expires' if info.is_valid(now) else 'expired'} {_day(info.expires_at)}"


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%MZ")
