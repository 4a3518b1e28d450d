"""Shows what has been changed by hand on the machines of a stack: `python -m operations.drift --stack STACK`.

It runs the very scripts that the last update has run, as the stack's state has them, each with configs/host/look.sh put
before its last line: the script then tells what it finds otherwise than it should be, and changes nothing.
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, cast

from components.checkout import CONFIGS
from operations.command import Command
from operations.error import OperationError
from operations.ssh import Node
from operations.ssh_agent import Agent, agent
from operations.stack import Stack

_LAST_LINE = "run </dev/null"
"""How configs/host/script.sh.j2 ends: by then the whole script has been read, and nothing has been done."""

_LOOKING_LAST_LINE = "main </dev/null"
"""In its place: lines are not cut, and the first thing that would be changed ends the whole script."""

LOOKING_LINE = "sudo unshare --mount --propagation private bash -s"
"""What look.sh needs; it refuses to work without."""

# The provider's patience with a connection, 15 s. A machine that is silent for 90 s, three times this, has gone.
_SSH_OPTIONS = ("-oConnectTimeout=15", "-oServerAliveInterval=30", "-oSendEnv=HA_*")

_LONGEST_SECONDS = 20 * 60
"""A script may wait 15 minutes for another one of ours (an update at work), and asks for minutes at most."""

_WOULD_STOP = "would stop: "
"""What look.sh begins the line with in which a script would stop, and wait for a person, if it were run again."""

_LEFT_ALONE = "left alone: "
"""What look.sh begins the line with that tells what people have made besides, which is no difference."""

_SSH_FAILED = 255
"""Exit code of ssh for its own failures (ssh(1))."""


class DriftError(OperationError):
    """It cannot be looked; the text says why."""


@dataclass(frozen=True)
class Connection:
    """How a machine is reached by SSH.

    Args:
        private_key: its key, in OpenSSH's form.
        host_key: the machine's public key, in OpenSSH's form.
    """

    host: str
    port: int
    user: str
    private_key: str
    host_key: str


@dataclass(frozen=True)
class Script:
    """A script of a stack, as its last update has run it.

    Args:
        line: what runs it on the machine.
        text: the script, its standard input.
        variables: its environment, HA_*.
        rests_on: URNs of all that has to be done before it.
    """

    name: str
    urn: str
    node: str
    line: str
    text: str
    variables: Mapping[str, str]
    connection: Connection
    rests_on: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Finding:
    """What is not as the stack says, or what there is besides.

    Args:
        repairable: whether the script, run again, puts it right; else the text says what to do.
        besides: whether people have made it besides what the stack has, which leaves it alone.
    """

    script: Script
    text: str
    repairable: bool
    besides: bool = False


def scripts_of(deployment: Mapping[str, Any]) -> list[Script]:
    """Return the scripts of a stack, each after those that it depends on.

    Args:
        deployment: the stack's state, as `pulumi stack export --show-secrets` has it under that name.
    """
    found: list[Script] = []
    resources: list[dict[str, Any]] = deployment.get("resources") or []
    rests_on: dict[str, frozenset[str]] = {}
    for resource in resources:  # each after what it depends on
        direct: list[str] = resource.get("dependencies") or []
        rests_on[resource["urn"]] = frozenset(direct).union(*(rests_on.get(urn, ()) for urn in direct))
        if resource["type"] != "command:remote:Command":
            continue
        inputs: dict[str, Any] = clear(resource["inputs"])
        told = inputs["connection"]
        found.append(
            Script(
                name=resource["urn"].split("::")[-1],
                urn=resource["urn"],
                node=next(line.split()[2] for line in inputs["stdin"].splitlines() if line.startswith("# Node ")),
                line=inputs["create"],
                text=inputs["stdin"],
                variables=inputs.get("environment") or {},
                connection=Connection(
                    told["host"], int(told.get("port", 22)), told["user"], told["privateKey"], told["hostKey"]
                ),
                rests_on=rests_on[resource["urn"]],
            )
        )
    return found


def clear(value: Any) -> Any:
    """Return a value of the exported state without the marks of secrets."""
    if isinstance(value, dict):
        properties = cast(dict[str, Any], value)
        if "plaintext" in properties:
            return json.loads(properties["plaintext"])
        return {key: clear(inner) for key, inner in properties.items()}
    if isinstance(value, list):
        return [clear(inner) for inner in cast(list[Any], value)]
    return value


def secret_lines(value: Any, within: bool = False) -> set[str]:
    """Return every line of every secret of the exported state, but those too short to be one."""
    if isinstance(value, dict):
        properties = cast(dict[str, Any], value)
        if "plaintext" in properties:
            return secret_lines(json.loads(properties["plaintext"]), within=True)
        return set[str]().union(*(secret_lines(inner, within) for inner in properties.values()))
    if isinstance(value, list):
        return set[str]().union(*(secret_lines(inner, within) for inner in cast(list[Any], value)))
    if within and isinstance(value, str):
        return {line.strip() for line in value.splitlines() if len(line.strip()) >= 12}
    return set()


def looking(text: str) -> str:
    """Return a script that looks, made from one that changes what differs.

    Raises:
        DriftError: it is of another make, and would change what it finds.
    """
    lines = text.splitlines()
    if lines.count(_LAST_LINE) != 1 or lines[-1] != _LAST_LINE:
        raise DriftError("the stack's scripts come from another version of this program: run pulumi up first")
    return "\n".join([*lines[:-1], (CONFIGS / "host/look.sh").read_text(), _LOOKING_LAST_LINE, ""])


def look(deployment: Mapping[str, Any], prefix: Sequence[str] = ()) -> Iterator[Finding]:
    """Run every script of a stack, looking: all machines side by side, the scripts of one in their order.

    Args:
        prefix: what to run ssh with, such as `ip netns exec NAME`.

    Yields:
        What is otherwise, by machine.

    Raises:
        OperationError: the stack has no scripts, or others than this program's; or there is no agent for the keys.
    """
    scripts = scripts_of(deployment)
    if not scripts:
        raise DriftError("the stack has no machines: nothing has been made, or it has been destroyed")
    for script in scripts:
        looking(script.text)
    secrets = sorted(secret_lines(deployment["resources"]), key=len, reverse=True)

    def without_secrets(text: str) -> str:
        for secret in secrets:
            text = text.replace(secret, "(secret)")
        return text

    machines = {script.node: script.connection.host_key for script in scripts}
    with (
        agent((script.connection.private_key for script in scripts), machines) as keys,
        ThreadPoolExecutor(len(machines)) as pool,
    ):

        def look_at(machine: str) -> list[Finding]:
            own = [script for script in scripts if script.node == machine]
            return list(_look_at(own, deployment, prefix, keys))

        for findings in pool.map(look_at, machines):
            for finding in findings:
                yield replace(finding, text=without_secrets(finding.text))


def _look_at(
    scripts: Sequence[Script], deployment: Mapping[str, Any], prefix: Sequence[str], keys: Agent
) -> Iterator[Finding]:
    for script in scripts:
        to = script.connection
        node = Node(script.node, f"ssh -p {to.port} {to.user}@{to.host}", keys, tuple(prefix))
        try:
            run = subprocess.run(
                [*node.ssh(*_SSH_OPTIONS), LOOKING_LINE],
                input=looking(script.text), env={**os.environ, **script.variables}, capture_output=True, text=True,
                errors="replace", timeout=_LONGEST_SECONDS, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            yield Finding(script, f"the look did not end within {_LONGEST_SECONDS // 60} minutes", repairable=False)
            return
        if run.returncode == _SSH_FAILED:
            yield Finding(script, _not_reached(script, deployment, run.stderr.strip()), repairable=False)
            return
        lines = run.stdout.splitlines()
        for line in (line for line in lines if line.startswith(_LEFT_ALONE)):
            yield Finding(script, line, repairable=False, besides=True)
        told = "\n".join(line for line in lines if not line.startswith(_LEFT_ALONE))
        if run.returncode != 0:
            told += f"\nthe look did not get to its end (exit code {run.returncode}): {run.stderr.strip()}"
        if told.strip():
            yield Finding(script, told.strip(), repairable=_WOULD_STOP not in told)


def _not_reached(script: Script, deployment: Mapping[str, Any], why: str) -> str:
    """Return what to say of a machine that lets nobody in: whether it is on, no resource of the stack knows."""
    last = why.splitlines()[-1] if why else "no answer"
    machines = [
        resource["id"]
        for resource in deployment["resources"]
        if resource["type"] == "azure-native:compute:VirtualMachine"
        and clear(resource["inputs"]).get("vmName") == script.node
    ]
    lines = [f"{script.node} cannot be reached by SSH ({last}). Is it on?"]
    lines += [f"  az vm get-instance-view --ids {id} --query instanceView.statuses" for id in machines]
    lines += [f"  az vm start --ids {id}" for id in machines]
    return "\n".join(lines)


def report(findings: Sequence[Finding], repair: Sequence[str]) -> str:
    """Return what a person is told.

    Args:
        repair: the command that runs scripts again, up to their URNs.
    """
    lines: list[str] = []
    for finding in findings:
        lines += [f"{finding.script.name}, on {finding.script.node}", *finding.text.splitlines(), ""]
    if not differs(findings):
        lines.append("The machines are as the stack describes them.")
    repaired = {finding.script.urn for finding in findings if finding.repairable}
    # What would stop at what others put right before it goes on then.
    again = [finding.script for finding in findings if finding.repairable or _rests(finding, repaired)]
    if again:
        urns = [word for script in again for word in ("--target-replace", script.urn)]
        lines += ["To put it right, which runs these scripts again:", "  " + shlex.join([*repair, *urns])]
    return "\n".join(lines).rstrip()


def differs(findings: Sequence[Finding]) -> bool:
    """Tell whether anything is not as the stack says."""
    return not all(finding.besides for finding in findings)


def _rests(finding: Finding, repaired: Set[str]) -> bool:
    """Tell whether a script would stop, and rests on some that are run again."""
    return _WOULD_STOP in finding.text and not finding.script.rests_on.isdisjoint(repaired)


def _run(stack: Stack, _options: argparse.Namespace) -> int:
    findings = list(look(stack.cli.export(), stack.cli.prefix))
    print(report(findings, stack.update))
    return 1 if differs(findings) else 0


COMMAND = Command(
    "drift",
    "Show what was changed by hand on the stack's machines, and change nothing; exit code 1 if there is something.",
    _run,
)

if __name__ == "__main__":
    sys.exit(COMMAND.main())
