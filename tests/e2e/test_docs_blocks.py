"""What README and docs show is typed as it stands, page by page, on a real engine."""

from __future__ import annotations

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from docs_blocks import ROOT, SHELL, Block, blocks_of, pages
from served import environment

pytestmark = pytest.mark.docker

PAGE_SECONDS = 600
"""Longer than any page takes on a machine that is busy with other things."""


def is_run(block: Block) -> bool:
    """Whether this test runs it."""
    return (
        block.language in (*SHELL, "python")
        and "not run" not in block.declared
        and "run by" not in block.declared
    )


PAGES = [page for page in pages() if any(map(is_run, blocks_of(page)))]


def make_place(place: Path, service) -> Path:
    """Where a reader stands: a folder that has what a checkout has, and takes new files."""
    for name in ("bench", "examples", "images", "seccomp"):
        shutil.copytree(ROOT / name, place / name)
    (place / ".venv").symlink_to(Path(sys.executable).parent.parent)
    (place / "data").symlink_to(service.data)
    return place


def as_typed(block: Block, service) -> str:
    """The block, with the test's own server in the place of the one that the docs speak of."""
    text = block.text.replace("127.0.0.1:8080", f"127.0.0.1:{service.port}")
    return text.replace("/var/lib/sandbox-orch", str(service.data))


def script_of(page: Path, place: Path, service) -> str:
    """All blocks of a page in one shell, each announced on standard error."""
    parts = ["set -euo pipefail"]
    for number, block in enumerate(filter(is_run, blocks_of(page))):
        parts.append(f"echo '@@ {block.where}' >&2")
        parts += [block.declared["before"]] if "before" in block.declared else []
        if block.language == "python":
            (place / f"block{number}.py").write_text(as_typed(block, service), encoding="utf-8")
            parts.append(f"python3 block{number}.py")
        else:
            parts.append(as_typed(block, service))
    return "\n".join(parts)


def type_in(page: Path, place: Path, service) -> subprocess.CompletedProcess[str]:
    """Type a page's blocks into a shell."""
    return subprocess.run(
        ["bash", "-c", script_of(page, make_place(place, service), service)],
        cwd=place,
        env=environment(
            SANDBOX_ORCH_SERVER=service.url,
            SANDBOX_ORCH_KEY=service.key,
            SANDBOX_ORCH_DATA_FOLDER=str(service.data),
        ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PAGE_SECONDS,
        check=False,
    )


@pytest.fixture(scope="module")
def typed(request, service, tmp_path_factory):
    """What came of each page that is asked for. Two readers type at a time: most of it is waiting for interpreters."""
    callspecs = [getattr(item, "callspec", None) for item in request.session.items]
    asked = {each.params["page"] for each in callspecs if each is not None and "page" in each.params} & set(
        PAGES
    )
    with ThreadPoolExecutor(max_workers=2) as readers:
        yield {
            page: readers.submit(type_in, page, tmp_path_factory.mktemp(page.stem), service)
            for page in sorted(asked)
        }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_blocks_of_a_page_work_as_they_stand(page, typed):
    """One after the other in one shell, as a reader types them; the first that fails is named."""
    done = typed[page].result()
    assert done.returncode == 0, f"{done.stderr[-3000:]}\n{done.stdout[-1000:]}"
    assert "Traceback" not in done.stderr, done.stderr[-3000:]
