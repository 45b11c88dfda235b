"""The site is built without a warning, and needs nobody else when it is read."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
from docs_blocks import ROOT


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The whole site."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "-d", str(folder / "trees"),
         str(ROOT / "docs"), str(folder / "html")],
        cwd=ROOT, env={**os.environ, "SOURCE_DATE_EPOCH": "1767225600"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder / "html"


def test_every_page_is_in_it(site):
    """Also those that nobody thought of naming: one without a place in a toctree is a warning, and those are errors."""
    pages = {page.relative_to(ROOT / "docs").with_suffix(".html") for page in (ROOT / "docs").rglob("*.md")}
    assert pages <= {page.relative_to(site) for page in site.rglob("*.html")}


def test_nothing_is_fetched_from_elsewhere_when_it_is_read(site):
    """No script, style, font or picture of another host."""
    loads = re.compile(
        r"""<(?:script|img|link|iframe|source)\b[^>]*?\b(?:src|href)=["'](?:https?:)?//([^"'/]+)"""
    )
    for page in site.rglob("*.html"):
        assert loads.findall(page.read_text(encoding="utf-8")) == [], page.name
    for sheet in site.rglob("*.css"):
        assert not re.search(
            r"""(?:@import|url\()\s*["']?(?:https?:)?//""", sheet.read_text(encoding="utf-8")
        ), sheet.name


def test_diagrams_have_their_program_beside_them(site):
    """Pages with a diagram load it; the others do not have to."""
    page = (site / "lifecycle.html").read_text(encoding="utf-8")
    assert page.count('<pre class="mermaid">') == 2
    assert "mermaid.min.js" in page
    assert (site / "_static/mermaid.min.js").stat().st_size > 100_000
    assert "mermaid.min.js" not in (site / "tutorial.html").read_text(encoding="utf-8")
