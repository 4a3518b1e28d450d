"""How a node is fenced, as Pacemaker is told: the agent and its parameters. Knows neither Azure nor SSH."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi


@dataclass(frozen=True)
class FenceDevice:
    """One device that can fence every node.

    Args:
        agent: a fence agent's name, such as "fence_azure_arm".
        parameters: what the agent itself is given, by which it can be called by hand too.
        pacemaker_parameters: what Pacemaker is told of the device (pcmk_*, pacemaker-fenced(7)).
        timeout_seconds: longest time that fencing a node takes when it succeeds, in seconds.
        ready: what must be there before a node can fence, by the name of that node.
    """

    agent: str
    parameters: Mapping[str, str]
    pacemaker_parameters: Mapping[str, str]
    timeout_seconds: int
    ready: Mapping[str, Sequence[pulumi.Resource]]
