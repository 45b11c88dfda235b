"""docs/backup.md for PostgreSQL, as it stands: dumped while it is open, restored into an empty database."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time

from docs_blocks import ROOT, SHELL, blocks_of

from orchestrator.domain.tenant import Scope, Tenant
from orchestrator.store.store import open_store

PAGE = ROOT / "docs/backup.md"


def typed(word: str) -> str:
    """The page's block with that program."""
    (found,) = (
        each.text for each in blocks_of(PAGE) if each.language in SHELL and each.text.startswith(word)
    )
    return found


def run(text: str, url: str, folder) -> None:
    done = subprocess.run(
        ["bash", "-ec", text], cwd=folder, env={**os.environ, "STORE_URL": url}, capture_output=True, text=True,
        check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_a_dump_brings_tenants_and_keys_back(postgresql, tmp_path):
    """What was in the store at the time of the dump is there again; the key opens it."""
    url = postgresql.empty_database()

    async def fill() -> str:
        async with open_store(url) as store:
            await store.put_tenant(Tenant(name="acme", weight=3.0))
            secret = (await store.create_key("acme", frozenset({Scope.READ}), now=time.time()))[1]
            await asyncio.to_thread(run, typed("pg_dump"), url, tmp_path)
            return secret

    secret = asyncio.run(fill())
    empty = postgresql.empty_database()
    run(typed("pg_restore"), empty, tmp_path)

    async def ask() -> Tenant:
        async with open_store(empty) as store:
            principal = await store.authenticate(secret, time.time())
            assert principal is not None
            return principal.tenant

    assert asyncio.run(ask()) == Tenant(name="acme", weight=3.0)
