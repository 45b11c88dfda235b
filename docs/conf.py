"""The site: `sphinx-build -W -b html docs FOLDER`, with the extra `docs`. Nothing is fetched when a page is viewed."""

from __future__ import annotations

import base64
import hashlib
import html
import io
import re
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

HERE = Path(__file__).parent
PACKAGE = HERE.parent / "orchestrator" / "__init__.py"

project = "sandbox-orch"
copyright = "the sandbox-orch developers"  # noqa: A001 - Sphinx' name for it
release = re.search(r'__version__ = "(.+)"', PACKAGE.read_text(encoding="utf-8"))[1]  # type: ignore[index]
version = release
language = "en"

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_static"]
myst_heading_anchors = 4
myst_fence_as_directive = ["mermaid"]

html_theme = "furo"
html_title = f"sandbox-orch {release}"
html_static_path = ["_static"]
html_copy_source = False
html_show_sourcelink = False
# Times of files must not get into pages: the same sources give the same site.
html_last_updated_fmt = None

# -- diagrams -------------------------------------------------------------------------------------------

MERMAID = "12.3.0"
MERMAID_SHA512 = "4113TdXeLAsMruJ79OpFL5O8+LTFXhQqZ260rF3tgUmiNAtRm4Uume04I+65PRN6yZ69J4f8rVYWW8zRk65UYw=="
"""Of the package as npm has it. The site carries the program; no page asks another host for it."""


class Mermaid(SphinxDirective):
    """A ```mermaid block: drawn by the reader's browser, and readable as text without."""

    has_content: ClassVar[bool] = True

    def run(self) -> list[nodes.Node]:
        """The text as it is, in the element that the program looks for."""
        text = html.escape("\n".join(self.content))
        return [nodes.raw("", f'<pre class="mermaid">{text}</pre>', format="html", classes=["mermaid"])]


def load_where_drawn(
    app: Sphinx, _page: str, _template: str, _context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Only pages with a diagram load the program."""
    if doctree is not None and any("mermaid" in node["classes"] for node in doctree.findall(nodes.raw)):
        app.add_js_file("mermaid.min.js")
        app.add_js_file("draw.js")


def fetch_mermaid(_app: Sphinx | None = None) -> Path:
    """The program beside our own files, fetched once by npm and checked. Raises ExtensionError."""
    place = HERE / "_static" / "mermaid.min.js"
    stamp = place.with_suffix(f".{MERMAID}")
    if place.is_file() and stamp.is_file():
        return place
    npm = shutil.which("npm")
    if npm is None:
        raise ExtensionError("npm is needed once, for the diagrams' program: apt-get install npm")
    with tempfile.TemporaryDirectory() as folder:
        command = [npm, "pack", "--silent", f"mermaid@{MERMAID}"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ExtensionError(f"npm pack mermaid@{MERMAID} failed: {done.stderr[-500:]}")
        (package,) = Path(folder).glob("*.tgz")
        data = package.read_bytes()
    if (found := base64.b64encode(hashlib.sha512(data).digest()).decode()) != MERMAID_SHA512:
        raise ExtensionError(f"mermaid {MERMAID} is not what it was: its SHA-512 is {found}")
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        program = archive.extractfile("package/dist/mermaid.min.js")
        assert program is not None  # noqa: S101 - the checksum says so
        place.write_bytes(program.read())
    stamp.touch()
    return place


def fit_to_site(_app: Sphinx, page: str, source: list[str]) -> None:
    """Before a page is read: what is right for a checkout is made right for the site.

    A file of the checkout that is no page becomes a download, and a pattern in the table of contents that no page
    fits (yet) is left out.
    """
    source[0] = re.sub(r"\[([^\]]+)\]\((\.\./[\w./-]+)\)", r"{download}`\1 <\2>`", source[0])
    if page == "index":
        source[0] = re.sub(
            r"^[\w-]+\*$",
            lambda line: line[0] if any(HERE.glob(f"{line[0]}.md")) else "",
            source[0],
            flags=re.MULTILINE,
        )


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_directive("mermaid", Mermaid)
    app.connect("builder-inited", fetch_mermaid)
    app.connect("source-read", fit_to_site)
    app.connect("html-page-context", load_where_drawn)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
