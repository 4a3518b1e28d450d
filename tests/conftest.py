"""Which tests stay together where several run at once (`pytest -n 2 --dist loadgroup`); and less garbage collected."""

import gc
import logging

import pytest

# Until all is imported there is none: to look for it takes a third of that time.
gc.disable()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Keep the tests of a module with one worker, in their order; and those of a folder that share one lab.

    Modules that name a group of their own, such as "recorded", share what that worker has recorded of the program. (At
    `pytest_collection_modifyitems` xdist has read the groups already.)
    """
    if not item.get_closest_marker("xdist_group"):
        shared = item.path.parent.name == "field"
        item.add_marker(pytest.mark.xdist_group(str(item.path.parent if shared else item.path)))


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Leave what has been imported by now alone when garbage is looked for: Azure's SDK is a million objects.

    Raises:
        pytest.UsageError: xdist has not named the groups, so tests of one lab would run in two workers.
    """
    if getattr(session.config.option, "loadgroup", False) and not all("@" in item.nodeid for item in session.items):
        raise pytest.UsageError("pytest-xdist does not group the tests: do its version and pytest's fit?")
    gc.freeze()
    gc.enable()


def pytest_sessionfinish() -> None:
    """Let settings' outputs that no program has waited for go in silence, with the worker that read them."""
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
