"""Records docs/tour.svg: real commands on this machine's engine, in a terminal of their own, drawn without outside assets.

.venv/bin/python tools/record_tour.py
"""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from fcntl import ioctl
from pathlib import Path
from termios import TIOCSWINSZ

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).parent.parent
PICTURE = ROOT / "docs" / "tour.svg"
WIDTH = 110
SECONDS = 120
STEPS = (
    """sandbox-orch run examples/math_expression.js --input '{"x": 2, "y": 3, "z": 6}'""",
    "echo 'output = sum(input)' | sandbox-orch run - -r python --input '[1, 2, 3]' --json | cut -c1-96",
    "echo 'while (true) {}' | sandbox-orch run - --runtime node --limit wall_time_ms=200",
    """echo 'import os; output = os.popen("id").read()' > peek.py; sandbox-orch check peek.py""",
    "sandbox-orch doctor --quick | tail -1",
    "sandbox-orch attack --only 115 --mode function 2>/dev/null | tail -5",
)
FRAME = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
    <style>
    .{unique_id}-matrix {{
        font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
        font-size: {char_height}px;
        line-height: {line_height}px;
        font-variant-east-asian: full-width;
    }}
    {styles}
    </style>
    <defs>
    <clipPath id="{unique_id}-clip-terminal">
      <rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
    </clipPath>
    {lines}
    </defs>
    <rect fill="#1e1e1e" x="0" y="0" width="{width}" height="{height}" rx="8"/>
    <g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
    {backgrounds}
    <g class="{unique_id}-matrix">
    {matrix}
    </g>
    </g>
</svg>
"""
"""rich's own frame, without its title bar and without the fonts that it would fetch."""


def main() -> None:
    """Type every step, and draw what the terminal showed."""
    console = Console(width=WIDTH, record=True, file=open(os.devnull, "w"), force_terminal=True)  # noqa: PTH123, SIM115
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "examples", Path(folder) / "examples")
        for step in STEPS:
            console.print(Text.assemble(("$ ", "bold green"), (step, "bold")))
            console.print(Text.from_ansi(typed(step, folder)))
            console.print()
    PICTURE.write_text(
        console.export_svg(title="", code_format=FRAME, unique_id="tour").rstrip() + "\n", encoding="utf-8"
    )


def typed(command: str, folder: str) -> str:
    """What a terminal of WIDTH columns shows of a command, without lines that were written over."""
    ours, theirs = pty.openpty()
    ioctl(theirs, TIOCSWINSZ, struct.pack("HHHH", 50, WIDTH, 0, 0))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SANDBOX_ORCH_")}
    environment |= {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "TERM": "xterm-256color"}
    environment.pop("NO_COLOR", None)
    process = subprocess.Popen(
        ["bash", "-c", command], cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    shown, deadline = b"", time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        if not select.select([ours], [], [], 1.0)[0]:
            continue
        try:
            data = os.read(ours, 65_536)
        except OSError:  # the other end is closed: the command has ended
            break
        shown += data
    process.wait(10)
    os.close(ours)
    text = shown.decode("utf-8").replace("\r\n", "\n")
    # A line that is drawn anew begins with a carriage return and clears itself.
    return re.sub(r"[^\n]*\r\x1b\[K", "", text).rstrip()


if __name__ == "__main__":
    main()
