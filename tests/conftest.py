"""Which tests stay together, and begin first, where several run at once; `async def` tests; less garbage collected."""

import asyncio
import gc
import inspect
import logging

import pytest

# What takes longest, nine minutes down to two, so that both workers end together; all else fills the gaps.
LONGEST = ("lab/field/", "lab/prod/", "lab/test_cluster", "lab/test_guests", "lab/test_interrupted", "lab/")

# Until all is imported there is none: to look for it takes a third of that time.
gc.disable()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Keep the tests of a module with one worker, in their order; and those of a folder that share one lab.

    Modules that name a group share what that worker has recorded of the program: "recorded" holds those of the golden
    cases, "recorded apart" those that mostly record what no other does. (At `pytest_collection_modifyitems` xdist has
    read the groups already.)
    """
    if not item.get_closest_marker("xdist_group"):
        shared = item.path.parent.name in ("field", "prod")
        item.add_marker(pytest.mark.xdist_group(str(item.path.parent if shared else item.path)))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the labs begin, the longest first."""

    def place(item: pytest.Item) -> tuple[int, bool]:
        at = next((at for at, name in enumerate(LONGEST) if f"/tests/{name}" in str(item.path)), len(LONGEST))
        return at, item.get_closest_marker("last") is not None

    items.sort(key=place)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Leave what has been imported by now alone when garbage is looked for: Azure's SDK is a million objects.

    Raises:
        pytest.UsageError: xdist has not named the groups, so tests of one lab would run in two workers.
    """
    if getattr(session.config.option, "loadgroup", False) and not all("@" in item.nodeid for item in session.items):
        raise pytest.UsageError("pytest-xdist does not group the tests: do its version and pytest's fit?")
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop() -> None:
    """Look for garbage again; before xdist, in the process too that only hands out the tests."""
    gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test that is `async def`; in the loop of its fixtures, if they have one."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    given = pyfuncitem.funcargs
    test = pyfuncitem.obj(**{name: given[name] for name in inspect.signature(pyfuncitem.obj).parameters})
    loop = given.get("loop")
    if isinstance(loop, asyncio.Runner):
        loop.run(test)
    else:
        asyncio.run(test)
    return True


def pytest_sessionfinish() -> None:
    """Let settings' outputs that no program has waited for go in silence, with the worker that read them."""
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
