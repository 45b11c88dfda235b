"""The docs say what the code says."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PAGES = sorted(
    page
    for page in ROOT.rglob("*.md")
    if not any(part.startswith(".") for part in page.relative_to(ROOT).parts)
)


@pytest.mark.parametrize("tool", ["draw_states.py", "list_checks.py", "list_rules.py", "list_settings.py"])
def test_generated_pages_are_up_to_date(tool):
    """Diagrams and settings are drawn from the tables and models."""
    done = subprocess.run(
        [sys.executable, f"tools/{tool}", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    """Every relative link of a page names a file or folder that exists."""
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_setting_says_what_it_is_for():
    """No knob without its line."""
    from orchestrator.config import Settings

    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_the_security_page_names_tests_and_programs_that_exist():
    """Every proof in the table is a file of the suite or an attack program."""
    page = (ROOT / "docs/security.md").read_text(encoding="utf-8")
    for path in set(re.findall(r"`((?:tests|orchestrator)/[^`]+)`", page)):
        assert (ROOT / path).exists(), path
    numbers = {
        int(path.name.split("-")[0]) for path in (ROOT / "orchestrator/attack/programs").glob("[0-9]*")
    }
    table = page.partition("## Threat, control, proof")[2].partition("\n## ")[0]
    proofs = [row.split("|")[3] for row in table.splitlines() if row.startswith("| ")][1:]
    for proof in proofs:
        for number in re.findall(r"(?<![-\d])(\d{2,3})(?![-\d])", re.sub(r"`[^`]*`", "", proof)):
            assert int(number) in numbers, number
