"""How soon a silent node counts as lost: presets, in place of numbers that have to fit each other.

docs/architecture.md, "How long a node may be silent", weighs them against Azure's own pauses.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from components.settings.given import choice, given, text
from components.settings.section import Section


@dataclass(frozen=True)
class Preset:
    """Numbers that fit each other.

    Args:
        token_ms: Corosync's token; its consensus is a quarter of that (configs/corosync/corosync.conf.j2).
        fencing_delay_seconds: how long the fencing of the node that serves is put off.
    """

    token_ms: int
    fencing_delay_seconds: int


# The delay has to be longer than a power-off by Azure, which no preset makes shorter.
PRESETS: Mapping[str, Preset] = {
    "fast": Preset(5000, 15),
    "balanced": Preset(15000, 15),
    "safe": Preset(30000, 30),
}


def _preset(value: str) -> Preset:
    return PRESETS[choice(*PRESETS)(value)]


class FailoverSection(Section):
    failover: Annotated[Preset, given(text, _preset)]
