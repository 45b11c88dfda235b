"""`engine_proxy/rules.py`: what the service asks is let through, and everything else is not."""

from __future__ import annotations

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.backends.host_config import container_config
from orchestrator.backends.runtime_files import images_folder, load_runtimes
from orchestrator.backends.seccomp import load_profile
from orchestrator.domain.limits import MIB, Limits
from orchestrator.engine_proxy.requests import Refused, Request
from orchestrator.engine_proxy.rules import LABEL_SCOPE, Forward, Rules
from orchestrator.policies.hardening import HardeningSettings, hardened_spec

RUNTIMES = load_runtimes(images_folder())
PROFILES = {each.seccomp_profile: load_profile(each.seccomp_profile).json_text for each in RUNTIMES.values()}
HARDENING = HardeningSettings(init_uid=2_000_000, cpus=1.0, open_files=256, cgroup_parent="/sandbox-orch")
RULES = Rules(scope="mine", runtimes=RUNTIMES, profiles=PROFILES, hardening=HARDENING, uid_count=1_000_000)
ID = "a" * 64
LABELS = {
    "org.sandbox-orch.instance": "i",
    "org.sandbox-orch.owner": "h|b|1|2|3|",
    "org.sandbox-orch.number": "1",
    "org.sandbox-orch.runtime": "python",
}


def judge(method: str, path: str, body: object = None, *, upgrade: bool = False, **query: str) -> Forward:
    content = b"" if body is None else json.dumps(body).encode()
    request = Request(method=method, path=path, query=query, body_bytes=len(content), wants_upgrade=upgrade)
    return RULES.judge(request, content)


def refusal(*asked, **more) -> str:
    with pytest.raises(Refused) as caught:
        judge(*asked, **more)
    assert caught.value.status in (400, 403)
    return str(caught.value)


def recipe(runtime: str = "python", *, limits: Limits | None = None) -> dict:
    """The body of a create call, as the service makes it."""
    spec = hardened_spec(
        RUNTIMES[runtime], HARDENING, job_uid=2_000_123, limits=limits or RUNTIMES[runtime].ceiling,
        seccomp_json=PROFILES[RUNTIMES[runtime].seccomp_profile],
        labels={**LABELS, "org.sandbox-orch.runtime": runtime},
    )  # fmt: skip
    return container_config(spec)


def create(body: object, name: str = "sandbox-orch-0123-1") -> Forward:
    return judge("POST", "/v1.41/containers/create", body, name=name)


EXEC = {
    "Container": ID, "User": "2000123:2000123", "Privileged": False, "Tty": False, "AttachStdin": True,
    "AttachStdout": True, "AttachStderr": True, "Cmd": list(RUNTIMES["python"].runner_argv), "WorkingDir": "/work",
}  # fmt: skip


class TestWhatTheServiceAsks:
    @pytest.mark.parametrize("path", ["/_ping", "/version", "/v1.41/version", "/v1.51/info"])
    def test_it_may_look_at_the_engine(self, path):
        """As it is, with nothing added."""
        assert judge("GET", path) == Forward(method="GET", path=path, query={})

    @pytest.mark.parametrize("runtime", RUNTIMES)
    def test_it_may_make_its_own_containers(self, runtime):
        """With the labels that it wants, and the scope that the proxy wants."""
        forward = create(recipe(runtime))
        assert forward.makes_container
        assert forward.target() == "/v1.41/containers/create?name=sandbox-orch-0123-1"
        assert forward.body["Labels"].pop(LABEL_SCOPE) == "mine"
        assert forward.body == recipe(runtime)

    @pytest.mark.parametrize("runtime", RUNTIMES)
    def test_it_may_make_them_to_measure(self, runtime):
        """Up to the maximum of the runtime, and of as little as a job can ask for."""
        limits = RUNTIMES[runtime].maximum
        assert create(recipe(runtime, limits=limits)).body["HostConfig"]["Memory"] > limits.memory_bytes
        least = Limits(memory_bytes=1 * MIB, processes=1, disk_bytes=4096)
        assert create(recipe(runtime, limits=least)).makes_container

    def test_lists_and_events_are_of_its_scope(self):
        """Whatever it asks for, the scope comes on top."""
        listed = judge(
            "GET",
            "/v1.41/containers/json",
            all="1",
            limit="-1",
            filters='{"label": ["org.sandbox-orch.instance"]}',
        )
        wanted = {"label": {"org.sandbox-orch.instance": True, f"{LABEL_SCOPE}=mine": True}}
        assert json.loads(listed.query["filters"]) == wanted
        unfiltered = judge("GET", "/v1.41/containers/json")
        assert json.loads(unfiltered.query["filters"]) == {"label": {f"{LABEL_SCOPE}=mine": True}}
        filters = '{"type": ["container"], "event": ["die", "oom"], "label": []}'
        told = judge("GET", "/v1.41/events", filters=filters)
        assert json.loads(told.query["filters"])["label"] == {f"{LABEL_SCOPE}=mine": True}

    def test_a_container_is_named_by_a_placeholder(self):
        """The full id goes where the name stood: a name may come to mean another container."""
        forward = judge("DELETE", "/v1.41/containers/sandbox-orch-1-2", v="True", link="False", force="True")
        assert (forward.container, forward.target(ID)) == (
            "sandbox-orch-1-2", f"/v1.41/containers/{ID}?v=1&force=1"
        )  # fmt: skip
        started = judge("POST", "/v1.41/exec/abc/start", {"Tty": False, "Detach": False}, upgrade=True)
        assert (started.exec_id, started.container, started.upgrade) == ("abc", None, True)

    def test_an_exec_is_the_runner_under_a_jobs_uid(self):
        """Without what says once more which container it is."""
        forward = judge("POST", f"/v1.41/containers/{ID}/exec", EXEC)
        assert forward.body == {name: value for name, value in EXEC.items() if name != "Container"}

    @pytest.mark.parametrize("verb", ["start", "pause", "unpause"])
    def test_a_container_is_started_and_paused(self, verb):
        """Without a body."""
        assert judge("POST", f"/v1.41/containers/{ID}/{verb}").container == ID
        assert refusal("POST", f"/v1.41/containers/{ID}/{verb}", {"Binds": ["/:/host"]})

    def test_cpu_is_changed_within_bounds(self):
        """Weight and quota, and nothing else of what could be updated."""
        body = {"CpuShares": 512, "NanoCpus": 500_000_000}
        assert judge("POST", f"/v1.41/containers/{ID}/update", body).body == body
        for wrong in (
            {**body, "Memory": 0},
            {"CpuShares": 512},
            {**body, "NanoCpus": 10**10},
            {**body, "CpuShares": True},
        ):
            assert refusal("POST", f"/v1.41/containers/{ID}/update", wrong)

    def test_limits_are_changed_within_bounds(self):
        """Memory without swap and processes, both together, up to what could have been made."""
        body = {"Memory": 80_000_000, "MemorySwap": 80_000_000, "PidsLimit": 20}
        assert judge("POST", f"/v1.41/containers/{ID}/update", body).body == body
        for wrong in (
            {**body, "CpuShares": 512},
            {**body, "MemorySwap": 90_000_000},
            {**body, "MemorySwap": -1},
            {"Memory": -1, "MemorySwap": -1, "PidsLimit": 20},
            {"Memory": 2**50, "MemorySwap": 2**50, "PidsLimit": 20},
            {**body, "PidsLimit": 0},
            {**body, "PidsLimit": -1},
            {**body, "PidsLimit": 100_000},
            {"Memory": 80_000_000},
        ):
            assert refusal("POST", f"/v1.41/containers/{ID}/update", wrong)


class TestPaths:
    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("POST", "/v1.41/build"),
            ("POST", "/v1.41/images/create"),
            ("POST", "/v1.41/images/load"),
            ("DELETE", "/v1.41/images/sandbox-orch/python:3.13-2"),
            ("GET", "/v1.41/images/json"),
            ("GET", "/v1.41/images/debian/json"),
            ("GET", "/v1.41/images/sandbox-orch/python:3.13-2/history"),
            ("GET", f"/v1.41/containers/{ID}/archive"),
            ("PUT", f"/v1.41/containers/{ID}/archive"),
            ("GET", f"/v1.41/containers/{ID}/logs"),
            ("GET", f"/v1.41/containers/{ID}/export"),
            ("POST", f"/v1.41/containers/{ID}/attach"),
            ("GET", f"/v1.41/containers/{ID}/attach/ws"),
            ("POST", f"/v1.41/containers/{ID}/copy"),
            ("POST", f"/v1.41/containers/{ID}/rename"),
            ("POST", f"/v1.41/containers/{ID}/kill"),
            ("POST", "/v1.41/containers/prune"),
            ("POST", "/v1.41/commit"),
            ("GET", "/v1.41/volumes"),
            ("POST", "/v1.41/volumes/create"),
            ("POST", "/v1.41/networks/create"),
            ("GET", "/v1.41/secrets"),
            ("POST", "/v1.41/swarm/init"),
            ("GET", "/v1.41/plugins"),
            ("POST", "/v1.41/auth"),
            ("POST", "/v1.41/session"),
            ("POST", "/v1.41/grpc"),
            ("GET", "/v1.41/system/df"),
            ("POST", "/v1.41/info"),
            ("HEAD", "/v1.41/containers/json"),
            ("OPTIONS", "/v1.41/info"),
            ("GET", "/"),
            ("GET", "/v1.41"),
            ("GET", "/v1.41/"),
            ("GET", "/v1.41/containers/json/"),
            ("GET", "/v1.41/info/v1.41/info"),
            ("GET", "/v1.41/containers/-a/json"),
            ("GET", f"/v1.41/containers/{'a' * 129}/json"),
            ("GET", "/v1.41/containers/a/b/json"),
        ],
    )  # fmt: skip
    def test_everything_else_is_refused(self, method, path):
        """Default deny."""
        assert "not allowed" in refusal(method, path) or "none of" in refusal(method, path)

    @pytest.mark.parametrize("path", ["/info", "/containers/json", "/containers/create", "/events"])
    def test_without_a_version_only_the_version_is_told(self, path):
        """The engine would take its own newest, which nobody has looked at."""
        assert "version" in refusal("GET", path)

    @pytest.mark.parametrize("version", ["v1.24", "v1.40", "v1.9", "v2.0", "v1.041", "v1.4"])
    def test_an_older_api_is_refused(self, version):
        """It would leave out the controls that came later (CgroupnsMode with 1.41)."""
        assert refusal("POST", f"/{version}/containers/create", recipe(), name="sandbox-orch-1")

    @pytest.mark.parametrize(
        ("path", "query"),
        [
            ("/v1.41/containers/json", {"before": "x"}),
            ("/v1.41/info", {"x": "1"}),
            ("/v1.41/events", {"since": "0"}),
            (f"/v1.41/containers/{ID}/json", {"size": "1"}),
        ],
    )
    def test_queries_that_nobody_asks_are_refused(self, path, query):
        """By name."""
        assert "query." in refusal("GET", path, **query)

    @pytest.mark.parametrize(
        "filters",
        [
            "[]", '"x"', "{", '{"label": "x"}', '{"label": {"a": true}}', '{"id": ["x"]}', '{"label": [1]}',
            '{"label": ["com.docker.compose.project"]}', '{"label": ["org.sandbox-orch.instance"], "label": []}',
            '{"label": ' + "[" * 40 + "]" * 40 + "}",
        ],
    )  # fmt: skip
    def test_filters_of_another_shape_are_refused(self, filters):
        """Lists of texts, and labels of ours."""
        assert refusal("GET", "/v1.41/containers/json", filters=filters)

    @pytest.mark.parametrize(
        "filters",
        [
            "{}",
            '{"type": ["image"], "event": ["die"]}',
            '{"type": ["container"]}',
            '{"type": ["container"], "event": ["exec_create"]}',
        ],
    )
    def test_events_of_other_things_are_refused(self, filters):
        """Containers only, and three kinds of events."""
        assert refusal("GET", "/v1.41/events", filters=filters)


def set_in(body: dict, path: str, value: object) -> dict:
    """A copy with one field changed or added; `...` takes it away."""
    changed = copy.deepcopy(body)
    *way, last = path.split(".")
    place = changed
    for step in way:
        place = place[step]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return changed


HOST = recipe()["HostConfig"]
WEAKER = [
    ("HostConfig.Binds", ["/:/host"]),
    ("HostConfig.Binds", []),
    ("HostConfig.Mounts", [{"Type": "bind", "Source": "/", "Target": "/host"}]),
    ("HostConfig.VolumesFrom", ["other"]),
    ("Volumes", {"/host": {}}),
    ("HostConfig.Privileged", True),
    ("HostConfig.Privileged", 0),
    ("HostConfig.Privileged", None),
    ("HostConfig.privileged", True),
    ("hostconfig", {"Privileged": True}),
    ("HostConfig.CapAdd", ["SYS_ADMIN"]),
    ("HostConfig.CapDrop", []),
    ("HostConfig.CapDrop", ["NET_RAW"]),
    ("HostConfig.Devices", [{"PathOnHost": "/dev/mem"}]),
    ("HostConfig.DeviceRequests", [{"Count": -1}]),
    ("HostConfig.DeviceCgroupRules", ["a *:* rwm"]),
    ("HostConfig.NetworkMode", "host"),
    ("HostConfig.NetworkMode", "bridge"),
    ("HostConfig.PidMode", "host"),
    ("HostConfig.PidMode", "container:other"),
    ("HostConfig.IpcMode", "host"),
    ("HostConfig.UTSMode", "host"),
    ("HostConfig.UsernsMode", "host"),
    ("HostConfig.CgroupnsMode", "host"),
    ("HostConfig.Cgroup", "container:other"),
    ("HostConfig.CgroupParent", "/"),
    ("HostConfig.CgroupParent", ...),
    ("HostConfig.ReadonlyRootfs", False),
    ("HostConfig.ReadonlyPaths", []),
    ("HostConfig.MaskedPaths", []),
    ("HostConfig.SecurityOpt", ["no-new-privileges:true"]),
    ("HostConfig.SecurityOpt", ["no-new-privileges:true", "seccomp=unconfined"]),
    ("HostConfig.SecurityOpt", ["no-new-privileges:false", HOST["SecurityOpt"][1]]),
    ("HostConfig.SecurityOpt", [*HOST["SecurityOpt"], "apparmor=unconfined"]),
    ("HostConfig.SecurityOpt", [HOST["SecurityOpt"][0], HOST["SecurityOpt"][1] + " "]),
    ("HostConfig.Sysctls", {"kernel.core_pattern": "|/x"}),
    ("HostConfig.Runtime", "other"),
    ("HostConfig.Memory", 0),
    ("HostConfig.Memory", 2**62),
    ("HostConfig.Memory", 1),
    ("HostConfig.Memory", True),
    ("HostConfig.MemorySwap", -1),
    ("HostConfig.PidsLimit", 0),
    ("HostConfig.PidsLimit", 2**40),
    ("HostConfig.NanoCpus", 0),
    ("HostConfig.OomKillDisable", True),
    ("HostConfig.OomScoreAdj", -1000),
    ("HostConfig.Ulimits", []),
    ("HostConfig.Ulimits", None),
    ("HostConfig.Tmpfs", {}),
    ("HostConfig.Tmpfs", {"/work": HOST["Tmpfs"]["/work"], "/etc": HOST["Tmpfs"]["/tmp"]}),
    (
        "HostConfig.Tmpfs",
        {"/work": HOST["Tmpfs"]["/work"].replace("noexec,", ""), "/tmp": HOST["Tmpfs"]["/tmp"]},
    ),
    ("HostConfig.Tmpfs", {name: options.replace("2000123", "0") for name, options in HOST["Tmpfs"].items()}),
    (
        "HostConfig.Tmpfs",
        {name: options.replace("2000123", "70000") for name, options in HOST["Tmpfs"].items()},
    ),
    ("HostConfig.LogConfig", {"Type": "json-file", "Config": {}}),
    ("HostConfig.RestartPolicy", {"Name": "always", "MaximumRetryCount": 0}),
    ("HostConfig.AutoRemove", True),
    ("HostConfig.Init", True),
    ("HostConfig.PortBindings", {"80/tcp": [{"HostPort": "80"}]}),
    ("HostConfig.GroupAdd", ["0"]),
    ("HostConfig.ExtraHosts", ["a:1"]),
    ("HostConfig", None),
    ("HostConfig", ...),
    ("NetworkingConfig", {"EndpointsConfig": {"bridge": {}}}),
    ("NetworkDisabled", False),
    ("Image", "debian:trixie"),
    ("Image", "sandbox-orch/debian:trixie"),
    ("Image", "sandbox-orch/python"),
    ("Image", RUNTIMES["node"].image),
    ("Image", None),
    ("Entrypoint", ["/bin/sh"]),
    ("Entrypoint", "/pause"),
    ("Cmd", ["x"]),
    ("User", "0:0"),
    ("User", "root"),
    ("Env", ["LD_PRELOAD=/work/x.so"]),
    ("WorkingDir", "/work"),
    ("Tty", True),
    ("OpenStdin", True),
    ("Healthcheck", {"Test": ["CMD", "/bin/sh"]}),
    ("StopTimeout", 1),
    ("Labels", {}),
    ("Labels", None),
    ("Labels", {**LABELS, LABEL_SCOPE: "other"}),
    ("Labels", {**LABELS, "com.docker.compose.project": "other"}),
    ("Labels", {**LABELS, "org.sandbox-orch.runtime": "node"}),
    ("Labels", {**LABELS, "org.sandbox-orch.number": 1}),
]


class TestRecipes:
    @pytest.mark.parametrize(("path", "value"), WEAKER)
    def test_a_container_of_another_recipe_is_refused(self, path, value):
        """One field changed, added or left out, and nothing is made."""
        assert refusal(
            "POST", "/v1.41/containers/create", set_in(recipe(), path, value), name="sandbox-orch-1"
        )

    def test_no_field_of_the_recipe_may_be_missing(self):
        """All of them are controls."""
        body = recipe()
        names = [name for name in body if name != "HostConfig"]
        for path in (*names, *(f"HostConfig.{name}" for name in body["HostConfig"])):
            assert refusal("POST", "/v1.41/containers/create", set_in(body, path, ...), name="sandbox-orch-1")

    @pytest.mark.parametrize("name", ["", "x", "sandbox-orch-", "sandbox-orch-/x", "other-1"])
    def test_a_name_that_is_not_ours_is_refused(self, name):
        """Nobody's container can be shadowed."""
        with pytest.raises(Refused, match="sandbox-orch-"):
            create(recipe(), name)

    @pytest.mark.parametrize("body", [None, [], "x", 1, {}, {"Image": "sandbox-orch/python:3.13-2"}])
    def test_a_body_of_another_shape_is_refused(self, body):
        """An object, whole."""
        assert refusal("POST", "/v1.41/containers/create", body, name="sandbox-orch-1")

    @pytest.mark.parametrize(
        "text",
        [
            b"{",
            b"[" * 100_000,
            b'{"a": NaN}',
            b'{"a": 1, "a": 2}',
            b"\xff\xfe",
            b"{} {}",
            b'{"Image": "a", "Image": "b"}',
        ],
    )
    def test_what_is_no_json_is_refused(self, text):
        """Nor is a key that comes twice: the engine would take the last one, or another spelling."""
        request = Request(
            method="POST", path="/v1.41/containers/create", query={"name": "sandbox-orch-1"},
            body_bytes=len(text), wants_upgrade=False,
        )  # fmt: skip
        with pytest.raises(Refused) as caught:
            RULES.judge(request, text)
        assert caught.value.status == 400

    def test_a_refusal_names_the_field(self):
        """One line, with what would be right."""
        said = refusal(
            "POST",
            "/v1.41/containers/create",
            set_in(recipe(), "HostConfig.Privileged", True),
            name="sandbox-orch-1",
        )
        assert said == "engine-proxy: HostConfig.Privileged must be false, not true"

    def test_more_than_the_runtime_may_have_is_refused(self):
        """Whatever the settings of the service say."""
        limits = Limits(memory_bytes=RUNTIMES["python"].maximum.memory_bytes + MIB)
        assert "maximum" in refusal(
            "POST", "/v1.41/containers/create", recipe(limits=limits), name="sandbox-orch-1"
        )

    @given(st.data())
    def test_any_change_of_any_field_is_refused_or_is_a_figure_that_may_differ(self, data):
        """Whatever is let through is a recipe that the settings make."""
        body = recipe()
        fields = [*body, *(f"HostConfig.{name}" for name in body["HostConfig"])]
        path = data.draw(st.sampled_from(fields))
        value = data.draw(
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.text(max_size=8),
                lambda inner: (
                    st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2)
                ),
                max_leaves=4,
            )
        )
        changed = set_in(body, path, value)
        try:
            forward = create(changed)
        except Refused:
            return
        assert changed == body or path in ("HostConfig.Memory", "HostConfig.PidsLimit", "Labels")
        assert forward.body["HostConfig"]["CapDrop"] == ["ALL"]


class TestExecs:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("Privileged", True), ("User", "0"), ("User", "0:0"), ("User", "root"), ("User", "2000123"), ("User", "2000123:0"),
            ("User", "2000000:2000000"), ("User", "99999999:99999999"), ("Cmd", ["/bin/sh"]), ("Cmd", "/bin/sh"), ("Cmd", None),
            ("Env", ["A=b"]), ("Tty", True), ("AttachStdin", False), ("WorkingDir", "/"), ("ConsoleSize", [1, 2]), ("DetachKeys", "a"),
        ],
    )  # fmt: skip
    def test_another_exec_is_refused(self, name, value):
        """Only the runner, only as a job's user, only as the service does it."""
        assert refusal("POST", f"/v1.41/containers/{ID}/exec", {**EXEC, name: value})

    def test_an_exec_is_started_in_one_way(self):
        """Attached, with the stream."""
        path = "/v1.41/exec/abc/start"
        assert refusal("POST", path, {"Tty": False, "Detach": False})
        assert refusal("POST", path, {"Tty": False, "Detach": True}, upgrade=True)
        assert refusal("POST", path, upgrade=True)
