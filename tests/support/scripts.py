"""The stack's scripts, as the engine has run them, to be run again by a test."""

import os
import subprocess
from dataclasses import dataclass

from lab.engine import Engine
from operations import drift
from operations.ssh import Node


@dataclass(frozen=True)
class Script:
    """A script of the stack, as the engine has run it."""

    name: str
    node: str
    line: str
    text: str
    variables: dict[str, str]

    def run(self, node: Node, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """Run it as the command provider does: its text on standard input, its variables by SSH."""
        return subprocess.run(
            [*node.ssh("-oSendEnv=HA_*"), self.line],
            input=self.text, env={**os.environ, **self.variables}, capture_output=True, text=True, timeout=timeout,
            check=False,
        )  # fmt: skip


def scripts_of(engine: Engine) -> list[Script]:
    """Return the scripts in the stack's state, each after those that it depends on."""
    return [
        Script(script.name, script.node, script.line, script.text, dict(script.variables))
        for script in drift.scripts_of(engine.export())
    ]
