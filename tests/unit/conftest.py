"""Nobody waits where nobody has to."""

import pytest
from azure.core.pipeline.policies import RetryPolicy

from components.azure import blobs


@pytest.fixture(autouse=True)
def asked_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Microsoft's clients ask again as often as ever, and without a pause in between."""
    monkeypatch.setattr(RetryPolicy, "BACKOFF_MAX", 0.01)
    monkeypatch.setattr(blobs, "_RETRY_SECONDS", 0)
