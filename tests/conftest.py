"""What all tests have in common."""

import gc

import pytest


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Leave what has been imported by now alone when garbage is looked for: Azure's SDK is a million objects."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 50)
