"""A difference can be taken back, says no more than it must, and names what is in a file of its own."""

import pytest

from tests.golden import parts
from tests.golden.cases import ROOT
from tests.golden.difference import DoesNotFit, difference, patched
from tests.golden.files import rendered

pytestmark = pytest.mark.xdist_group("recorded")

FIRST = "begin() {\n  a\n  b\n  a\n}\nend() {\n  a\n  c\n}\n"


@pytest.mark.parametrize(
    ("second", "said"),
    [
        (FIRST, ""),
        (FIRST.replace("  b\n", "  x\n  y\n"), "@@ begin() {\n-  b\n+  x\n+  y\n"),
        (FIRST.replace("  a\n  c\n", "  c\n"), "@@ end() {\n-  a\n"),
        (FIRST.replace("  b\n  a\n", "  b\n"), "@@ begin() {\n   b\n-  a\n"),
        (f"new\n{FIRST}", "@@\n+new\n"),
        (f"{FIRST}new\n", "@@ end() {\n }\n+new\n"),
        ("", "@@\n" + "".join(f"-{line}\n" for line in FIRST.splitlines())),
    ],
)
def test_difference(second: str, said: str) -> None:
    assert difference(FIRST, second) == said
    assert patched(FIRST, said) == second


def test_a_difference_of_other_texts() -> None:
    with pytest.raises(DoesNotFit):
        patched("one\n", "@@\n-two\n")


def test_a_change_of_both_is_none_of_their_difference() -> None:
    second = FIRST.replace("  c\n", "  d\n")
    assert difference(f"more\n{FIRST}", f"more\n{second}") == difference(FIRST, second)


@pytest.mark.parametrize("part", parts.NAMES)
def test_each_part_is_in_more_than_one_script(part: str) -> None:
    named = [name for name, text in rendered(ROOT).items() if f"included/mysql-lab-1-{part}" in text]
    assert len(named) > 1
