"""Whatever a stack says, it loads, or is told what is wrong: each mistake by its key, in one line, without a secret."""

from collections.abc import Iterable, Iterator
from typing import Any, cast
from unittest.mock import patch

import pulumi
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.settings.load import SettingsError, load
from components.settings.section import UNREADABLE
from tests.support import random_settings
from tests.support.stack_configuration import schema, throw_away_secrets, use

# So that a run is the same each time, which no gate may depend on luck for; the long one looks further.
QUICK = settings(max_examples=150, derandomize=True, deadline=None, database=None)
LONG = settings(
    max_examples=10_000, deadline=None, database=None, print_blob=True, suppress_health_check=random_settings.SLOW
)
BASE = {"adminCidrs": ["203.0.113.0/24"], "clientCidrs": ["203.0.113.0/24"]}
PREFIX = "azure-mysql-ha:"
# Of a secret's text nothing longer is in a message; the first and the last line of a key are no secret.
SHOWN = 12
NO_SECRET = ("-----BEGIN OPENSSH PRIVATE KEY-----", "-----END OPENSSH PRIVATE KEY-----")


@pytest.fixture(scope="module", autouse=True)
def _quick() -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]
    with patch.object(pulumi, "get_stack", lambda: "trial"), patch.object(pulumi.log, "warn"):
        yield


def texts(value: Any) -> Iterator[str]:
    """Yield each line of each text in a value."""
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list):
        for each in cast(list[Any], value):
            yield from texts(each)
    if isinstance(value, str):
        yield from value.splitlines()


def pieces(lines: Iterable[str]) -> set[str]:
    return {line[at : at + SHOWN] for line in lines for at in range(len(line) - SHOWN + 1)}


def check(values: dict[str, Any]) -> None:
    try:
        load(use(values))
    except SettingsError as error:
        assert error.mistakes
        hidden = {key: value for key, value in values.items() if key in random_settings.SECRETS}
        shown = [value for key, value in values.items() if key not in hidden]
        secrets = pieces(texts([*hidden.values()])) - pieces(texts(shown)) - pieces(NO_SECRET)
        for mistake in error.mistakes:
            key, _, text = mistake.removeprefix(PREFIX).partition(": ")
            assert key in schema() or text.startswith("there is no such setting"), mistake
            assert text and text.isprintable() and text != UNREADABLE, repr(mistake)
            assert not pieces([text]) & secrets, mistake


WHOLE = st.deferred(lambda: random_settings.settings(throw_away_secrets() | BASE))


@given(WHOLE)
@QUICK
def test_any_settings(values: dict[str, Any]) -> None:
    check(values)


@pytest.mark.long
@pytest.mark.timeout(3600)
@given(WHOLE)
@LONG
def test_any_settings_for_long(values: dict[str, Any]) -> None:
    check(values)
