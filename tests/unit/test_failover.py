"""How soon a silent node counts as lost: presets, and single settings that win over them."""

from typing import Any

import pytest

from components.settings.failover import PRESETS, Preset
from components.settings.load import load
from tests.support.stack_configuration import schema, throw_away_secrets, use

NETWORKS = {"adminCidrs": ["203.0.113.0/24"], "clientCidrs": ["203.0.113.0/24"]}


def times(**changes: Any) -> Preset:
    return load(use(throw_away_secrets() | NETWORKS | changes)).failover_times


@pytest.mark.parametrize(
    ("changes", "token_ms", "delay"),
    [
        ({}, 15000, 15),
        ({"failover": "fast"}, 5000, 15),
        ({"failover": "safe"}, 30000, 30),
        ({"failover": "safe", "corosyncTokenMs": 2000}, 2000, 30),
        ({"failover": "fast", "fencingDelaySeconds": 0}, 5000, 0),
        ({"corosyncTokenMs": "20000", "fencingDelaySeconds": "20"}, 20000, 20),
    ],
)
def test_a_preset_and_what_wins(changes: dict[str, Any], token_ms: int, delay: int) -> None:
    assert times(**changes) == Preset(token_ms, delay)


def test_pauses_that_are_survived() -> None:
    """A silent node counts as lost after its token and a quarter of it, which Azure's pauses are compared with."""
    lost_after = {name: preset.token_ms * 1.25 / 1000 for name, preset in PRESETS.items()}
    # A live migration, most maintenance that keeps the memory, the longest of it: docs/architecture.md.
    assert lost_after["fast"] > 5 and lost_after["balanced"] > 10 and lost_after["safe"] > 30


def test_the_description_has_the_numbers() -> None:
    tokens = ", ".join(str(preset.token_ms) for preset in PRESETS.values())
    assert tokens.replace(", 30000", " or 30000") in schema()["corosyncTokenMs"]["description"]
    for name, preset in PRESETS.items():
        assert f"{name} ({round(preset.token_ms * 1.25 / 1000)} s" in schema()["failover"]["description"]
