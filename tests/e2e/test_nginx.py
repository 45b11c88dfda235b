"""docs/proxy.md, as it stands: Debian's nginx with TLS in front of the real service."""

from __future__ import annotations

import json
import re
import shutil
import socket
import ssl
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from checkouts import free_port
from docs_blocks import ROOT, Block, blocks_of

from orchestrator.client import Client, JobRequest

pytestmark = pytest.mark.docker

PAGE = ROOT / "docs/proxy.md"
MAIN = """
pid {folder}/nginx.pid;
error_log {folder}/error.log;
daemon off;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/sites-enabled/*;
}}
"""
MIB = 1024 * 1024


@dataclass(frozen=True)
class Proxy:
    """A running nginx."""

    url: str
    certificate: Path
    place: Path

    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.certificate))


def block(language: str, word: str) -> Block:
    """The page's block of that language with that word in it."""
    (found,) = (each for each in blocks_of(PAGE) if each.language == language and word in each.text)
    return found


@pytest.fixture(scope="module")
def proxy(service, tmp_path_factory):
    """nginx with the page's own server block and certificate, only ports and paths are the test's."""
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    if not Path(program).exists():
        pytest.fail("nginx is not installed (./test installs it; apt-get install nginx)", pytrace=False)
    folder, port = tmp_path_factory.mktemp("nginx"), free_port()

    def ours(text: str) -> str:
        text = text.replace("listen 443 ssl", f"listen 127.0.0.1:{port} ssl").replace("8080", service.port)
        return text.replace("/etc/ssl/certs", str(folder)).replace("/etc/ssl/private", str(folder))

    subprocess.run(
        ["bash", "-ec", ours(block("sh", "openssl").text)], check=True, capture_output=True, timeout=60
    )
    (folder / "sites-enabled").mkdir()
    (folder / "sites-enabled/sandbox-orch").write_text(
        ours(block("nginx", "server {").text), encoding="utf-8"
    )
    (folder / "nginx.conf").write_text(MAIN.format(folder=folder), encoding="utf-8")
    command = [program, "-c", str(folder / "nginx.conf"), "-p", str(folder), "-e", str(folder / "error.log")]
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    running = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        proxy = Proxy(f"https://localhost:{port}", folder / "sandbox-orch.pem", folder)
        _wait_until_it_listens(port, running)
        yield proxy
    finally:
        running.terminate()
        running.wait(30)


def _wait_until_it_listens(port: int, running: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        assert running.poll() is None, "nginx ended"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    pytest.fail("nginx did not listen within 30 s")


@pytest.fixture
def client(proxy, service):
    headers = {"Authorization": f"Bearer {service.key}"}
    with httpx.Client(base_url=proxy.url, headers=headers, verify=proxy.context(), timeout=120) as client:
        yield client


def test_the_pages_curl_line_works(proxy, service):
    """With the certificate that the page makes, verified."""
    text = block("sh", "curl ").text.replace("https://localhost:443", proxy.url)
    text = text.replace("/etc/ssl/certs", str(proxy.place))
    done = subprocess.run(
        ["bash", "-ec", text], env={"PATH": "/usr/bin:/bin", "KEY": service.key}, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["output"] == 42


def test_the_client_speaks_tls(proxy, service, monkeypatch):
    """With the authority that the environment names."""
    monkeypatch.setenv("SSL_CERT_FILE", str(proxy.certificate))
    with Client(proxy.url, key=service.key) as client:
        result = client.execute(JobRequest(runtime="python", code="output = input * 2", input=21))
    assert result.output == 42


def test_events_arrive_as_they_happen(client):
    """Not at the end: the first line is there while the job waits for its second."""
    code = "import time; print('first', flush=True); time.sleep(2); print('second', flush=True)"
    job = {"runtime": "python", "code": code, "limits": {"wall_time_ms": 20_000}}
    job_id = client.post("/v1/jobs", json=job).json()["id"]
    with client.stream("GET", f"/v1/jobs/{job_id}/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for line in answer.iter_lines():
            if "first" in line:
                # Were the answer kept back, the job would be over by now.
                assert client.get(f"/v1/jobs/{job_id}").json()["state"] == "running"
                break
        else:
            pytest.fail("the job's first line never came")


def test_a_request_has_one_id(client):
    """The client's own goes through; where there is none nginx makes one. The answer says which."""
    assert (
        client.get("/readyz", headers={"X-Request-ID": "order-4711"}).headers["x-request-id"] == "order-4711"
    )
    made = client.get("/readyz").headers["x-request-id"]
    assert re.fullmatch(r"[0-9a-f]{32}", made)


def test_bodies_are_bounded_on_both_floors(client, proxy):
    """A large one passes; one above the bound is refused with 413, whoever comes first."""
    job = {"runtime": "python", "code": "output = len(input)", "input": "x" * (4 * MIB)}
    assert client.post("/v1/execute", json=job).json()["output"] == 4 * MIB
    try:
        refused = client.post(
            "/v1/execute", content=b"x" * (17 * MIB), headers={"Content-Type": "application/json"}
        )
    except httpx.WriteError:
        return  # nginx had said no and hung up before all was sent
    assert refused.status_code == 413


def test_what_the_service_refuses_comes_through(client):
    """Problems with their own type, not pages of nginx."""
    answer = client.post("/v1/execute", json={"runtime": "cobol", "code": "1"})
    assert answer.status_code == 422
    assert answer.headers["content-type"].startswith("application/problem+json")


def test_no_plain_http_and_no_old_tls(proxy):
    """A client that trusts nobody is refused by itself; one that speaks plainly gets nothing of the service."""
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{proxy.url}/readyz", timeout=30)
    plain = httpx.get(f"{proxy.url.replace('https', 'http')}/readyz", timeout=30)
    assert plain.status_code == 400
    assert "ready" not in plain.text
