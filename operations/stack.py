"""A stack that can be reached: by the Pulumi CLI, by SSH as its secrets say, and through its endpoint."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from components.settings import sshkeys
from operations.cli import Cli
from operations.error import OperationError
from operations.ssh import Node
from operations.ssh_agent import Agent, lasting_agent


@dataclass(frozen=True)
class Stack:
    """A stack; what of it is asked for is asked of the CLI once.

    Args:
        cli: the Pulumi CLI on it. What reaches its machines and its endpoint is run with the CLI's prefix.
    """

    cli: Cli

    @property
    def update(self) -> tuple[str, ...]:
        """The command that updates it, for a person."""
        return (self.cli.program, "up", "--stack", self.cli.stack)

    @cached_property
    def outputs(self) -> Mapping[str, Any]:
        """The stack's outputs.

        Raises:
            OperationError: there is no cluster; or the CLI refuses.
        """
        outputs = self.cli.outputs()
        if "endpoint" not in outputs:
            raise OperationError(f"stack {self.cli.stack} has no cluster yet; to make it: {' '.join(self.update)}")
        return outputs

    @property
    def authority(self) -> str:
        """The certificate by which clients know the server, PEM.

        Raises:
            OperationError: there is no cluster, or it has been made before there were certificates.
        """
        if authority := self.outputs.get("ca"):
            return str(authority)
        raise OperationError(
            f"the server of stack {self.cli.stack} has no certificate yet; to make it: {' '.join(self.update)}"
        )

    @cached_property
    def settings(self) -> Mapping[str, str]:
        return self.cli.settings()

    @property
    def loopback(self) -> Mapping[str, Any] | None:
        """Host and port by which the endpoint answers on this machine too, where it does."""
        return None

    @property
    def agent(self) -> Agent:
        """An agent with the administrator's keys and the machines' host keys, until this process ends.

        While the administrator's key is changed it has the one before as well.

        Raises:
            OperationError: the stack's file lacks the keys.
        """
        for key in ("sshPrivateKey", "sshHostKeys"):
            if self.settings.get(key, "") in ("", "[]"):
                raise OperationError(
                    f"{self.cli.settings_file.name} has no {key}, so no machine can be reached: restore the file that"
                    " has the stack's secrets"
                )
        keys = (self.settings["sshPrivateKey"], self.settings.get("sshPreviousPrivateKey") or "")
        return lasting_agent(tuple(filter(None, keys)), tuple(host_keys(self.settings).items()))

    @property
    def nodes(self) -> list[Node]:
        return [machine for machine in self.machines if machine.name != self.outputs.get("witness")]

    @property
    def machines(self) -> list[Node]:
        """The nodes, and the witness if there is one."""
        logins: Mapping[str, str] = self.outputs["ssh"]
        return [Node(name, login, self.agent, self.cli.prefix) for name, login in logins.items()]


def host_keys(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the public host key of each machine that a stack may have, by name."""
    cluster = settings["clusterName"]
    names: list[str] = json.loads(settings.get("nodeNames") or "[]") or [f"{cluster}-1", f"{cluster}-2"]
    keys: list[str] = json.loads(settings["sshHostKeys"])
    # A stack from before there was a witness has two.
    pairs = zip([*names, f"{cluster}-witness"], keys, strict=False)
    return {name: sshkeys.parse(key).public for name, key in pairs}
