"""docs/settings.md is what Pulumi.yaml says and what the program does with each setting.

It takes a run of the program for each setting; the part that takes none is in tests/unit/test_readme.py.
`UPDATE_EXPECTED=1 pytest tests/docs` writes the page anew.
"""

from tests.docs.reach import reach
from tests.docs.settings import PAGE, SECTIONS, page
from tests.support.expected import hold_against


def test_page_is_the_programs() -> None:
    values = {key: another for settings in SECTIONS.values() for key, another in settings.items()}
    hold_against(PAGE, page({key: reach(another) for key, another in values.items()}))
