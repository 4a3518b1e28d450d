"""Nobody waits where nobody has to."""

from collections.abc import Iterator

import pytest
from azure.core.pipeline.policies import RetryPolicy

from components.azure import blobs
from tests.support.quick_keys import quick_keys
from tests.support.stack_configuration import throw_away_secrets


@pytest.fixture(autouse=True)
def keys_of_the_shelf() -> Iterator[None]:
    """Let each test make the same keys, which are none of a stack's throw-away ones."""
    throw_away_secrets()
    with quick_keys():
        yield


@pytest.fixture(autouse=True)
def asked_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Microsoft's clients ask again as often as ever, and without a pause in between."""
    monkeypatch.setattr(RetryPolicy, "BACKOFF_MAX", 0.01)
    monkeypatch.setattr(blobs, "_RETRY_SECONDS", 0)
