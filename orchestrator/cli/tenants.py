"""Command line: `sandbox-orch tenants set|list`, what the operator grants to whom."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import click

from orchestrator.bootstrap import load_policies
from orchestrator.cli.stores import data_option, with_store
from orchestrator.config import Settings
from orchestrator.domain.errors import ConfigurationError, InvalidTenant
from orchestrator.domain.limits import Limits
from orchestrator.domain.tenant import Priority, Recycle, Tenant

if TYPE_CHECKING:
    from orchestrator.store.store import Store

__all__ = ("tenants",)

_AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")


@click.group()
def tenants() -> None:
    """Set and list tenants, on the store of this host's service."""


@tenants.command("set")
@click.argument("name")
@click.option(
    "--policy",
    metavar="NAME",
    help="The validator's preset, or a file of policies_folder; '' for the default.",
)
@click.option("--runtimes", metavar="A,B", help="The runtimes it may use; '' for all.")
@click.option(
    "--ceiling",
    multiple=True,
    metavar="NAME=N",
    help="The most that a job may ask for: wall_time_ms=2000, …; '' for the host's.",
)
@click.option("--weight", type=float, help="Twice the weight, twice the share of a busy host.")
@click.option(
    "--priority-ceiling",
    type=click.Choice([each.value for each in Priority]),
    help="The best class that its jobs may have.",
)
@click.option("--concurrency", type=int, help="Jobs that may run at the same time.")
@click.option("--rate-per-second", type=float, help="Jobs accepted per second, in the long run.")
@click.option("--burst", type=int, help="Jobs accepted at once after a quiet time.")
@click.option("--queue-share", type=float, help="The part of the queue that its jobs may fill, 1 at most.")
@click.option("--retention-seconds", type=int, help="How long its finished jobs are kept.")
@click.option(
    "--recycle",
    type=click.Choice(["", *(each.value for each in Recycle)]),
    help="leak: its containers serve its own next jobs; '' for the deployment's.",
)
@click.option("--keep-code/--drop-code", default=None, help="Whether code and input are kept afterwards.")
@click.option("--debug/--no-debug", default=None, help="Whether its jobs may ask for debug mode.")
@_AS_JSON
@click.pass_obj
@data_option
def set_tenant(settings: Settings, /, name: str, *, as_json: bool, **options: Any) -> None:
    """Make the tenant NAME, or change those settings of it that are named; the others stay."""
    changes = _changes_of(options)
    _require_policy(settings, changes.get("policy"))
    changed = with_store(settings, lambda store: _set(store, name, changes))
    if as_json:
        click.echo(json.dumps(asdict(changed)))
        return
    _show(changed)


def _require_policy(settings: Settings, name: str | None) -> None:
    """An unknown one is an error here, not at the tenant's first job."""
    known = load_policies(settings)
    if name is not None and name not in known:
        raise ConfigurationError(
            f"--policy: no policy {name[:64]!r} on this host; there are {', '.join(known)}"
        )


async def _set(store: Store, name: str, changes: dict[str, Any]) -> Tenant:
    tenant = await store.get_tenant(name) or Tenant(name=name)
    if "ceiling" in changes and changes["ceiling"] is not None:
        # What is not named stays as it was, or as any job may have it.
        most = tenant.ceiling or Limits(**dict.fromkeys(Limits.__dataclass_fields__, sys.maxsize))
        changes["ceiling"] = Limits.from_wire(changes["ceiling"], defaults=most)
    changed = replace(tenant, **changes)
    await store.put_tenant(changed)
    return changed


def _changes_of(options: dict[str, Any]) -> dict[str, Any]:
    """The settings that were named, as values."""
    changes = {name: value for name, value in options.items() if value not in (None, ())}
    if "policy" in changes:
        changes["policy"] = changes["policy"] or None
    if "runtimes" in changes:
        names = tuple(each.strip() for each in changes["runtimes"].split(",") if each.strip())
        changes["runtimes"] = names or None
    if "recycle" in changes:
        changes["recycle"] = Recycle(changes["recycle"]) if changes["recycle"] else None
    if "priority_ceiling" in changes:
        changes["priority_ceiling"] = Priority(changes["priority_ceiling"])
    if "ceiling" in changes:
        changes["ceiling"] = _ceiling_of(changes["ceiling"])
    return changes


def _ceiling_of(pairs: tuple[str, ...]) -> dict[str, object] | None:
    if pairs == ("",):
        return None
    asked: dict[str, object] = {}
    for pair in pairs:
        name, equals, number = pair.partition("=")
        if not equals or not number.isascii() or not number.isdigit() or len(number) > len("9" * 18):
            raise InvalidTenant("ceiling", f"{pair[:60]!r} is not NAME=NUMBER, as in wall_time_ms=2000")
        asked[name] = int(number)
    return asked


@tenants.command("list")
@_AS_JSON
@click.pass_obj
@data_option
def list_tenants(settings: Settings, *, as_json: bool) -> None:
    """List tenants with their settings."""
    found = with_store(settings, lambda store: store.tenants())
    if as_json:
        click.echo(json.dumps([asdict(tenant) for tenant in found]))
        return
    for tenant in found:
        _show(tenant)


def _show(tenant: Tenant) -> None:
    click.secho(tenant.name, bold=True)
    for name, value in asdict(tenant).items():
        if name != "name":
            click.echo(f"  {name:18} {_text(value)}")


def _text(value: object) -> str:
    if value is None:
        return "the deployment's"
    if isinstance(value, dict):
        return ", ".join(f"{name}={number}" for name, number in value.items() if number != sys.maxsize)
    return ", ".join(value) if isinstance(value, tuple) else str(value)
