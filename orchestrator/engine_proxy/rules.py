"""Engine proxy floor: which request may reach the engine, and as what. Pure: default deny, no I/O.

A container's recipe is not looked through for what is dangerous. It is made anew from the few figures that may
differ (`policies/hardening.py`, `backends/host_config.py`), and has to be the same to the last field.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from orchestrator.backends.host_config import container_config
from orchestrator.domain.container import ContainerSpec
from orchestrator.domain.errors import InvalidJob
from orchestrator.domain.limits import Limits
from orchestrator.domain.runtime import Runtime
from orchestrator.engine_proxy.requests import Refused, Request
from orchestrator.policies.hardening import WORK_FOLDER, HardeningSettings, hardened_spec

__all__ = ("LABEL_SCOPE", "OLDEST_API", "Forward", "Rules", "read_json")

LABEL_PREFIX = "org.sandbox-orch."
LABEL_SCOPE = "org.sandbox-orch.scope"
"""Put on every container by the proxy itself: through one proxy only its own can be seen and touched."""
LABELS_NEEDED = ("org.sandbox-orch.instance", "org.sandbox-orch.owner", "org.sandbox-orch.runtime")
MOST_LABELS = 16
MOST_LABEL_LETTERS = 512
MOST_FILTERS = 16
OLDEST_API = 41
"""Of 1.x. An engine that is spoken to in an older version leaves out controls that are younger than that."""
DEEPEST_JSON = 32
MANY_PROCESSES = 1_000_000
WEIGHTS = (2, 262_144)

_NAME = r"(?P<name>[A-Za-z0-9][A-Za-z0-9_.-]{0,127})"
_VERSION = re.compile(r"/v1\.([1-9][0-9])(?=/)")
_NEW_NAME = re.compile(r"sandbox-orch-[A-Za-z0-9_.-]{1,100}")
_LABEL_FILTER = re.compile(r"org\.sandbox-orch\.[a-z-]{1,40}(=[ -~]{0,512})?")
_USER = re.compile(r"([1-9][0-9]{4,9}):\1")
_SIZE_OF_TMPFS = re.compile(r".*,size=([1-9][0-9]{0,17}),.*")
_OWNER_OF_TMPFS = re.compile(r".*,uid=([1-9][0-9]{4,9}),gid=\1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Forward:
    """What the engine is asked. `path` has a `{}` where the full id of `container` or `exec_id` goes."""

    method: str
    path: str
    query: Mapping[str, str]
    body: Any = None
    container: str | None = None
    """Name or id of a container that must be of this scope."""
    exec_id: str | None = None
    """An exec whose container must be of this scope."""
    upgrade: bool = False
    makes_container: bool = False

    def target(self, full_id: str = "") -> str:
        """Path and query as they go to the engine."""
        query = f"?{urlencode(self.query)}" if self.query else ""
        return self.path.replace("{}", full_id) + query


@dataclass(frozen=True, slots=True)
class _Call:
    """One request on its way through the rules."""

    request: Request
    version: str
    """`/v1.41`, or nothing."""
    name: str
    body: Any

    def forward(
        self,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        body: Any = None,
        container: str | None = None,
        exec_id: str | None = None,
        upgrade: bool = False,
    ) -> Forward:
        return Forward(
            method=self.request.method, path=self.version + path, query=query or {}, body=body,
            container=container, exec_id=exec_id, upgrade=upgrade,
        )  # fmt: skip


class Rules:
    """What one deployment of the service may ask: its runtimes, its hardening, its scope."""

    def __init__(
        self,
        *,
        scope: str,
        runtimes: Mapping[str, Runtime],
        profiles: Mapping[str, str],
        hardening: HardeningSettings,
        uid_count: int,
    ) -> None:
        self._scope = scope
        self._by_image = {runtime.image: runtime for runtime in runtimes.values()}
        self._profiles = dict(profiles)
        self._hardening = hardening
        self._uids = range(hardening.init_uid + 1, hardening.init_uid + uid_count)
        self._routes: tuple[tuple[str, re.Pattern[str], Callable[[_Call], Forward]], ...] = (
            ("GET", re.compile("/_ping"), self._plain),
            ("HEAD", re.compile("/_ping"), self._plain),
            ("GET", re.compile("/version"), self._plain),
            ("GET", re.compile("/info"), self._plain),
            ("GET", re.compile("/events"), self._events),
            ("GET", re.compile("/containers/json"), self._list),
            ("GET", re.compile(r"/images/(?P<name>.+)/json"), self._image),
            ("POST", re.compile("/containers/create"), self._create),
            ("POST", re.compile(f"/containers/{_NAME}/(?P<verb>start|pause|unpause)"), self._verb),
            ("POST", re.compile(f"/containers/{_NAME}/update"), self._update),
            ("POST", re.compile(f"/containers/{_NAME}/exec"), self._exec_create),
            ("POST", re.compile(f"/exec/{_NAME}/start"), self._exec_start),
            ("GET", re.compile(f"/exec/{_NAME}/json"), self._exec_inspect),
            ("GET", re.compile(f"/containers/{_NAME}/json"), self._inspect),
            ("GET", re.compile(f"/containers/{_NAME}/stats"), self._stats),
            ("DELETE", re.compile(f"/containers/{_NAME}"), self._remove),
        )

    @property
    def scope(self) -> str:
        """Whose containers these rules are about."""
        return self._scope

    def judge(self, request: Request, body: bytes) -> Forward:
        """What the engine is to be asked. Raises Refused, and that is the answer to everything not named here."""
        match = _VERSION.match(request.path)
        version = match[0] if match else ""
        if match and int(match[1]) < OLDEST_API:
            raise Refused(400, f"engine-proxy: API 1.{match[1]} is older than 1.{OLDEST_API}")
        path = request.path[len(version) :]
        if not version and path not in ("/_ping", "/version"):
            raise Refused(403, f"engine-proxy: {path[:80]} without a version of the API is not allowed")
        for method, pattern, rule in self._routes:
            found = pattern.fullmatch(path)
            if found is not None and method == request.method:
                return rule(_Call(request, version, found.groupdict().get("name", ""), _body(request, body)))
        raise Refused(403, f"engine-proxy: {request.method} {path[:80]} is not allowed")

    # -- reading ----------------------------------------------------------------------------------

    def _plain(self, call: _Call) -> Forward:
        _allow_query(call, ())
        _no_body(call)
        return call.forward(call.request.path[len(call.version) :])

    def _image(self, call: _Call) -> Forward:
        _allow_query(call, ())
        _no_body(call)
        if call.name not in self._by_image:
            raise Refused(403, f"engine-proxy: the image {call.name[:80]} is none of {self._images()}")
        return call.forward(f"/images/{call.name}/json")

    def _list(self, call: _Call) -> Forward:
        _allow_query(call, ("limit", "all", "size", "trunc_cmd", "filters"))
        _no_body(call)
        filters = _read_filters(call, ("label",))
        return call.forward("/containers/json", {"all": "1", "filters": self._with_scope(filters)})

    def _events(self, call: _Call) -> Forward:
        _allow_query(call, ("filters",))
        _no_body(call)
        filters = _read_filters(call, ("label", "type", "event"))
        if filters.get("type") != ["container"]:
            raise Refused(403, "engine-proxy: only events of containers are told, filters.type must say so")
        if not filters.get("event") or not {"die", "oom", "destroy"}.issuperset(filters["event"]):
            raise Refused(403, "engine-proxy: filters.event may name die, oom and destroy")
        return call.forward("/events", {"filters": self._with_scope(filters)})

    def _with_scope(self, filters: dict[str, list[str]]) -> str:
        filters["label"] = [*filters.get("label", ()), f"{LABEL_SCOPE}={self._scope}"]
        # The engine takes all labels together, and of the others any.
        return json.dumps({name: dict.fromkeys(values, True) for name, values in filters.items()})

    def _inspect(self, call: _Call) -> Forward:
        _allow_query(call, ())
        _no_body(call)
        return call.forward("/containers/{}/json", container=call.name)

    def _stats(self, call: _Call) -> Forward:
        _allow_query(call, ("stream", "one-shot"))
        _no_body(call)
        return call.forward(
            "/containers/{}/stats", {"stream": "false", "one-shot": "true"}, container=call.name
        )

    # -- changing -----------------------------------------------------------------------------------

    def _verb(self, call: _Call) -> Forward:
        _allow_query(call, ())
        _no_body(call)
        verb = call.request.path.rpartition("/")[2]
        return call.forward(f"/containers/{{}}/{verb}", container=call.name)

    def _remove(self, call: _Call) -> Forward:
        _allow_query(call, ("v", "link", "force"))
        _no_body(call)
        if call.request.query.get("link", "False") not in ("False", "false", "0"):
            raise Refused(403, "engine-proxy: query.link is not allowed")
        return call.forward("/containers/{}", {"v": "1", "force": "1"}, container=call.name)

    def _update(self, call: _Call) -> Forward:
        _allow_query(call, ())
        body = _object(call)
        if "Memory" in body:
            return self._update_limits(call, body)
        _same({"CpuShares": 0, "NanoCpus": 0}.keys(), body.keys())
        weight, nano = _whole(body, "CpuShares"), _whole(body, "NanoCpus")
        if not WEIGHTS[0] <= weight <= WEIGHTS[1] or not 0 < nano <= round(self._hardening.cpus * 1e9):
            raise Refused(403, "engine-proxy: CpuShares or NanoCpus are out of bounds")
        return call.forward("/containers/{}/update", body=body, container=call.name)

    def _update_limits(self, call: _Call, body: dict[str, Any]) -> Forward:
        """Up to what could have been made: which runtime the container is of is not known here."""
        _same({"Memory": 0, "MemorySwap": 0, "PidsLimit": 0}.keys(), body.keys())
        memory, processes = _whole(body, "Memory"), _whole(body, "PidsLimit")
        most = [self._largest(runtime) for runtime in self._by_image.values()]
        if memory != _whole(body, "MemorySwap"):
            raise Refused(403, "engine-proxy: MemorySwap must be the same as Memory: no swap")
        if not 0 < memory <= max(each.memory_bytes for each in most):
            raise Refused(403, "engine-proxy: Memory is out of bounds")
        if not 0 < processes <= max(each.pids for each in most):
            raise Refused(403, "engine-proxy: PidsLimit is out of bounds")
        return call.forward("/containers/{}/update", body=body, container=call.name)

    def _largest(self, runtime: Runtime) -> ContainerSpec:
        return hardened_spec(
            runtime, self._hardening, job_uid=0, limits=runtime.maximum, seccomp_json="", labels={}
        )

    def _create(self, call: _Call) -> Forward:
        _allow_query(call, ("name",))
        name = call.request.query.get("name", "")
        if _NEW_NAME.fullmatch(name) is None:
            raise Refused(403, "engine-proxy: query.name must begin with sandbox-orch-")
        asked = _object(call)
        made = container_config(self._spec_of(asked))
        if (difference := _difference(made, asked)) is not None:
            raise Refused(403, f"engine-proxy: {difference}")
        made["Labels"][LABEL_SCOPE] = self._scope
        forward = call.forward("/containers/create", {"name": name}, body=made)
        return replace(forward, makes_container=True)

    def _spec_of(self, asked: dict[str, Any]) -> ContainerSpec:
        """The recipe of ours that `asked` says it is, by the few figures that may differ."""
        runtime = self._by_image.get(str(asked.get("Image")))
        if runtime is None:
            raise Refused(403, f"engine-proxy: Image must be one of {self._images()}")
        host = asked.get("HostConfig")
        if not isinstance(host, dict):
            raise Refused(403, "engine-proxy: HostConfig is missing")
        seccomp = self._profiles[runtime.seccomp_profile]
        labels, uid = _read_labels(asked.get("Labels"), runtime), self._job_uid(host)

        def spec_for(limits: Limits) -> ContainerSpec:
            return hardened_spec(
                runtime, self._hardening, job_uid=uid, limits=limits, seccomp_json=seccomp, labels=labels
            )

        # So many that a compiler, which has a number of its own, does not count.
        own = spec_for(Limits(memory_bytes=1, processes=MANY_PROCESSES))
        try:
            limits = Limits(
                memory_bytes=_whole(host, "Memory") - own.memory_bytes + 1,
                processes=_whole(host, "PidsLimit") - own.pids + MANY_PROCESSES,
                disk_bytes=_disk_bytes(host),
            )
        except InvalidJob as error:
            raise Refused(403, f"engine-proxy: below what the runtime itself needs: {error}") from None
        for limit in ("memory_bytes", "processes", "disk_bytes"):
            if getattr(limits, limit) > getattr(runtime.maximum, limit):
                raise Refused(403, f"engine-proxy: {limit} is above the maximum of {runtime.name}")
        return spec_for(limits)

    def _job_uid(self, host: dict[str, Any]) -> int:
        mounts = host.get("Tmpfs")
        options = next(iter(mounts.values()), "") if isinstance(mounts, dict) else ""
        match = _OWNER_OF_TMPFS.fullmatch(str(options)[:512])
        if match is None or int(match[1]) not in self._uids:
            raise Refused(403, "engine-proxy: HostConfig.Tmpfs has no owner of the configured uids")
        return int(match[1])

    def _exec_create(self, call: _Call) -> Forward:
        _allow_query(call, ())
        asked = _object(call)
        user = _USER.fullmatch(str(asked.get("User")))
        if user is None or int(user[1]) not in self._uids:
            raise Refused(403, "engine-proxy: User must be a uid of the configured ones")
        commands = [list(runtime.runner_argv) for runtime in self._by_image.values()]
        if asked.get("Cmd") not in commands:
            raise Refused(403, "engine-proxy: Cmd must be the runner of a runtime")
        made = {
            "User": user[0], "Privileged": False, "Tty": False, "AttachStdin": True, "AttachStdout": True,
            "AttachStderr": True, "Cmd": asked["Cmd"], "WorkingDir": "/work",
        }  # fmt: skip
        # What the SDK says besides: the container once more, which the engine does not read.
        given = {key: value for key, value in asked.items() if key != "Container"}
        if (difference := _difference(made, given)) is not None:
            raise Refused(403, f"engine-proxy: {difference}")
        return call.forward("/containers/{}/exec", body=made, container=call.name)

    def _exec_start(self, call: _Call) -> Forward:
        _allow_query(call, ())
        made = {"Tty": False, "Detach": False}
        if (difference := _difference(made, _object(call))) is not None:
            raise Refused(403, f"engine-proxy: {difference}")
        if not call.request.wants_upgrade:
            raise Refused(403, "engine-proxy: an exec is started with Upgrade: tcp")
        return call.forward("/exec/{}/start", body=made, exec_id=call.name, upgrade=True)

    def _exec_inspect(self, call: _Call) -> Forward:
        _allow_query(call, ())
        _no_body(call)
        return call.forward("/exec/{}/json", exec_id=call.name)

    def _images(self) -> str:
        return ", ".join(sorted(self._by_image))


# -- parts of requests -----------------------------------------------------------------------------------


def read_json(text: bytes, what: str) -> Any:
    """Strict JSON: no key twice, no NaN, not too deep. Raises Refused."""
    depth = deepest = 0
    for byte in text:
        depth += (byte in b"[{") - (byte in b"]}")
        deepest = max(deepest, depth)
    # Brackets in texts count too; a recipe of ours has some ten.
    if deepest > DEEPEST_JSON:
        raise Refused(400, f"engine-proxy: {what} is nested too deep")
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Refused(400, f"engine-proxy: {what} is no JSON: {str(error)[:100]}") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a key comes twice")
    return made


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


def _body(request: Request, body: bytes) -> Any:
    return read_json(body, "the body") if body and request.method == "POST" else body or None


def _no_body(call: _Call) -> None:
    if call.body not in (None, {}):
        raise Refused(403, "engine-proxy: this request has no body")


def _object(call: _Call) -> dict[str, Any]:
    if not isinstance(call.body, dict):
        raise Refused(400, "engine-proxy: the body must be a JSON object")
    return call.body


def _allow_query(call: _Call, names: tuple[str, ...]) -> None:
    for name in call.request.query:
        if name not in names:
            raise Refused(403, f"engine-proxy: query.{name[:40]} is not allowed")


def _read_filters(call: _Call, names: tuple[str, ...]) -> dict[str, list[str]]:
    filters = read_json(call.request.query.get("filters", "{}").encode(), "query.filters")
    if not isinstance(filters, dict):
        raise Refused(400, "engine-proxy: query.filters must be a JSON object")
    for name, values in filters.items():
        if name not in names:
            raise Refused(403, f"engine-proxy: query.filters.{name[:40]} is not allowed")
        if not isinstance(values, list) or len(values) > MOST_FILTERS:
            raise Refused(400, f"engine-proxy: query.filters.{name} must be a short list")
        if not all(isinstance(value, str) for value in values):
            raise Refused(400, f"engine-proxy: query.filters.{name} must be texts")
        if name == "label" and not all(_LABEL_FILTER.fullmatch(value) for value in values):
            raise Refused(403, f"engine-proxy: query.filters.label must name labels of {LABEL_PREFIX}*")
    return filters


def _read_labels(labels: Any, runtime: Runtime) -> dict[str, str]:
    if not isinstance(labels, dict) or len(labels) > MOST_LABELS:
        raise Refused(403, "engine-proxy: Labels must be a few labels")
    for name, value in labels.items():
        is_ours = name.startswith(LABEL_PREFIX) and name != LABEL_SCOPE
        if not is_ours or not isinstance(value, str) or len(value) > MOST_LABEL_LETTERS:
            raise Refused(403, f"engine-proxy: Labels.{name[:60]} is not allowed")
    missing = [name for name in LABELS_NEEDED if name not in labels]
    if missing or labels["org.sandbox-orch.runtime"] != runtime.name:
        raise Refused(403, f"engine-proxy: Labels must say {', '.join(LABELS_NEEDED)} truly")
    return labels


def _disk_bytes(host: dict[str, Any]) -> int:
    mounts = host.get("Tmpfs")
    options = mounts.get(WORK_FOLDER) if isinstance(mounts, dict) else None
    match = _SIZE_OF_TMPFS.fullmatch(str(options)[:512])
    if match is None:
        raise Refused(403, f"engine-proxy: HostConfig.Tmpfs.{WORK_FOLDER} has no size")
    return int(match[1])


def _whole(fields: Mapping[str, Any], name: str) -> int:
    value = fields.get(name)
    if type(value) is not int or not 0 < value < 2**63:
        raise Refused(403, f"engine-proxy: {name} must be a whole number above 0")
    return value


def _same(made: Any, asked: Any) -> None:
    if made != asked:
        raise Refused(403, f"engine-proxy: only {', '.join(sorted(made))} may be given, all of them")


def _difference(made: Any, asked: Any, place: str = "") -> str | None:
    """The first field in which `asked` is not what we would have made; None where there is none."""
    if isinstance(made, dict) and isinstance(asked, dict):
        return next(_differences_of_objects(made, asked, place), None)
    if isinstance(made, list) and isinstance(asked, list) and len(made) == len(asked):
        pairs = enumerate(zip(made, asked, strict=True))
        found = (_difference(ours, theirs, f"{place}.{number}") for number, (ours, theirs) in pairs)
        return next((each for each in found if each is not None), None)
    # Not by == alone: in Python 1 is True, to the engine it is not.
    if type(made) is type(asked) and made == asked:
        return None
    return f"{place} must be {_shown(made)}, not {_shown(asked)}"


def _differences_of_objects(made: dict[str, Any], asked: dict[str, Any], place: str) -> Iterator[str]:
    for name in (*asked, *made):
        where = f"{place}.{name[:60]}" if place else name[:60]
        if name not in made:
            yield f"{where} is not allowed"
        elif name not in asked:
            yield f"{where} is missing"
        elif (found := _difference(made[name], asked[name], where)) is not None:
            yield found


def _shown(value: Any) -> str:
    text = json.dumps(value, default=repr)
    return text if len(text) <= 80 else text[:80] + "…"  # noqa: PLR2004
