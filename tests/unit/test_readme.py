"""The README says what is so: its table of settings is Pulumi.yaml's, and what it points to is there.

`UPDATE_EXPECTED=1 pytest tests/unit/test_readme.py` writes the table anew.
"""

import json
import os
import re
from pathlib import Path

import pytest

from components.checkout import CHECKOUT
from operations.stack_configuration import schema

README = CHECKOUT / "README.md"
BEGIN, END = "<!-- settings: begin -->\n", "<!-- settings: end -->"
PAGES = [README, CHECKOUT / "CONTRIBUTING.md", CHECKOUT / "CHANGELOG.md", *sorted((CHECKOUT / "docs").rglob("*.md"))]


def settings_table() -> str:
    """Return the table of all settings, in Pulumi.yaml's order."""
    rows = ["| setting | default | what it is |", "|---|---|---|"]
    for key, declared in schema().items():
        value = declared["default"]
        text = value if isinstance(value, str) else json.dumps(value)
        shown = "secret" if declared.get("secret") else f"`{text}`" if text else ""
        rows.append(f"| `{key}` | {shown} | {declared['description'].strip().removeprefix('Secret ')} |")
    return "\n".join(rows) + "\n"


def test_settings_are_those_of_the_project() -> None:
    before, rest = README.read_text().split(BEGIN)
    table, after = rest.split(END)
    if os.environ.get("UPDATE_EXPECTED"):
        README.write_text(before + BEGIN + settings_table() + END + after)
        table = settings_table()
    assert table == settings_table()


def _id(page: Path) -> str:
    return str(page.relative_to(CHECKOUT))


@pytest.mark.parametrize("page", PAGES, ids=_id)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]*)(?:#[^)]*)?\)", page.read_text()):
        assert not target or (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=_id)
def test_targets_of_make_are_there(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):.*##", (CHECKOUT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`(?:[a-z ']+\| )?make (?:-s )?([a-z]+)", page.read_text())) <= targets


def test_pages_that_messages_name_are_there() -> None:
    """Scripts, the stack's status and comments send a person to a page of operations."""
    sources = [file for folder in ("components", "configs", "lab") for file in (CHECKOUT / folder).rglob("*.*")]
    texts = [file.read_text() for file in sources if file.suffix in (".py", ".j2", ".yaml")]
    named = {name for text in texts for name in re.findall(r"docs/[a-z/.-]*[a-z]", text)}
    assert "docs/operations/split-brain.md" in named
    assert [name for name in sorted(named) if not (CHECKOUT / name).exists()] == []


def test_readme_is_short() -> None:
    assert len(README.read_text().splitlines()) < 200


def test_operations_are_all_in_their_index() -> None:
    folder = CHECKOUT / "docs" / "operations"
    listed = set(re.findall(r"\]\(([a-z-]+\.md)\)", (folder / "README.md").read_text()))
    assert listed == {page.name for page in folder.glob("*.md")} - {"README.md"}
