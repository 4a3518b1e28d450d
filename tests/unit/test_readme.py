"""README and docs say what is so: the settings are Pulumi.yaml's, and what they point to is there."""

import re
from pathlib import Path

import pytest

from components.checkout import CHECKOUT
from tests.docs.reach import Reach
from tests.docs.settings import PAGE, SECTIONS, page, without_reach
from tests.support.stack_configuration import schema

README = CHECKOUT / "README.md"
PAGES = [README, CHECKOUT / "CONTRIBUTING.md", CHECKOUT / "CHANGELOG.md", *sorted((CHECKOUT / "docs").rglob("*.md"))]


def test_page_of_settings_is_of_those_of_the_project() -> None:
    """Less what each reaches, which takes long to compute: tests/docs."""
    assert [key for section in SECTIONS.values() for key in section] == list(schema())
    assert without_reach(PAGE.read_text()) == without_reach(page({key: Reach([], [], False) for key in schema()}))


def _id(page: Path) -> str:
    return str(page.relative_to(CHECKOUT))


@pytest.mark.parametrize("page", PAGES, ids=_id)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]*)(?:#[^)]*)?\)", page.read_text()):
        assert not target or (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=_id)
def test_targets_of_make_are_there(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):.*##", (CHECKOUT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`(?:[a-z ']+\| )?make (?:-s )?([a-z-]+)", page.read_text())) <= targets


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
