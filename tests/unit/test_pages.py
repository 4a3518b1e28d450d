"""How docs/operations is read: which commands a page has, and whether what they print is what it says."""

import pytest

from tests.support.pages import PAGES, Step, fits, steps

WITH_COMMANDS = sorted(page.stem for page in PAGES.glob("*.md") if "```console" in page.read_text())


@pytest.mark.parametrize("page", WITH_COMMANDS)
def test_every_command_has_a_place_to_run(page: str) -> None:
    found = steps(page)
    assert {step.where for step in found} <= {"SERVING", "OTHER", "CLIENT", "HERE"}
    # To wait for nothing in particular would be no wait.
    assert all(step.expected for step in found if step.again)


def test_a_page_is_read() -> None:
    first, standby, moved, *_ = steps("planned-maintenance")
    assert (first.where, first.command, first.again) == ("SERVING", "sudo drbdadm status r0", False)
    assert first.expected[0] == "r0 role:Primary"
    assert standby == Step("SERVING", "sudo crm node standby SERVING")
    assert (moved.where, moved.command, moved.again) == ("OTHER", "sudo crm_mon -1rf", True)


@pytest.mark.parametrize(
    ("expected", "printed", "verdict"),
    [
        (["a b"], "  a \t b\n\n", True),
        (["", "a"], "a\n", True),
        (["a"], "a\nb\n", False),
        (["a"], "", False),
        (["a", "…"], "a\nb\nc\n", True),
        (["…", "c"], "a\nb\nc\n", True),
        (["…", "b"], "a\nb\nc\n", False),
        (["…", "b", "…"], "a\nb\nc\n", True),
        (["a … c"], "a b b c\n", True),
        (["at …"], "at 12:00\n", True),
        (["at …"], "to 12:00\n", False),
        (["1.0 (x)"], "1.0 (x)\n", True),
        (["1.0"], "1x0\n", False),
    ],
)
def test_what_fits(expected: list[str], printed: str, verdict: bool) -> None:
    assert fits(expected, printed) is verdict
