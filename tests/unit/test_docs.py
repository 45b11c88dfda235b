"""The docs say what the code says."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from docs_blocks import RUNNABLE, SHOWN, blocks_of, pages

ROOT = Path(__file__).parent.parent.parent
PAGES = sorted(
    page
    for page in ROOT.rglob("*.md")
    if not any(part.startswith(".") for part in page.relative_to(ROOT).parts)
)


TOOLS = (
    "draw_states.py",
    "list_checks.py",
    "list_commands.py",
    "list_endpoints.py",
    "list_rules.py",
    "list_settings.py",
    "write_shell_pages.py",
)


@pytest.mark.parametrize("tool", TOOLS)
def test_generated_pages_are_up_to_date(tool):
    """Diagrams, settings, commands, endpoints, man pages and completions are written by the code itself."""
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


# -- blocks ---------------------------------------------------------------------------------------------

BLOCKS = [block for page in pages() for block in blocks_of(page)]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.where)
def test_every_block_is_run_or_says_why_not(block):
    """A language that can be run is run here or on the engine; all else is declared, with a reason or a test."""
    assert block.language, "a block needs its language"
    if "not run" in block.declared:
        assert len(block.declared["not run"]) > len("because"), "say why it is not run"
    elif "run by" in block.declared:
        test = ROOT / block.declared["run by"]
        assert test.is_file()
        page = str(block.page.relative_to(ROOT))
        known = page in test.read_text(encoding="utf-8") or block.page.name in test.read_text(
            encoding="utf-8"
        )
        assert known or test.parent.name == "integration", f"{test.name} does not speak of {page}"
    else:
        assert block.language in (*RUNNABLE, *SHOWN), f"nobody knows how to run {block.language}"


@pytest.mark.parametrize(
    "block", [block for block in BLOCKS if block.language == "toml"], ids=lambda block: block.where
)
def test_a_block_of_toml_is_what_it_says(block, tmp_path):
    """Settings and policies are read as the program reads them; a definition of a runtime has known keys."""
    from orchestrator.config import load_settings
    from orchestrator.guard.policy import parse_policy

    file = tmp_path / "block.toml"
    file.write_text(block.text, encoding="utf-8")
    (kind,) = {"settings", "policy", "runtime", "pyproject"} & set(block.declared)
    if kind == "settings":
        load_settings(file)
    elif kind == "policy":
        parse_policy(block.text, where=block.where, preset="standard")
    elif kind == "pyproject":
        assert "pytest" in tomllib.loads(block.text)["tool"]
    else:
        assert "name" in tomllib.loads(block.text)


@pytest.mark.parametrize(
    "block", [block for block in BLOCKS if block.language in ("json", "yaml")], ids=lambda block: block.where
)
def test_a_block_of_data_is_well_formed(block):
    """JSON and YAML can be read; what looks like a job is one that the service takes."""
    value = json.loads(block.text) if block.language == "json" else yaml.safe_load(block.text)
    if isinstance(value, dict) and {"runtime", "code"} <= set(value):
        from orchestrator.api.schemas import JobIn

        JobIn.model_validate(value)


def test_the_architecture_page_has_the_readmes_picture():
    """One diagram and one table of floors, in two places."""
    page = (ROOT / "docs/design.md").read_text(encoding="utf-8")
    shown = page.partition("<!-- as in README.md -->\n")[2].partition("<!-- end -->")[0].strip()
    assert shown
    assert shown in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_metrics_page_names_every_metric():
    """And none that is not there."""
    page = (ROOT / "docs/metrics.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `(sandbox_orch_\w+)`", page, re.MULTILINE))
    source = (ROOT / "orchestrator/monitoring.py").read_text(encoding="utf-8")
    made = set(re.findall(r'"(sandbox_orch_\w+)"', source))
    assert {name.removesuffix("_total") for name in named} == made
