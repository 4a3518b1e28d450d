"""Which tests stay together where several run at once (`pytest -n 2 --dist loadgroup`)."""

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a module with one worker, in their order; and those of a folder that share one lab."""
    for item in items:
        shared = item.path.parent.name == "field"
        item.add_marker(pytest.mark.xdist_group(str(item.path.parent if shared else item.path)))
