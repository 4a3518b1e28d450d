"""Interrupts `pulumi up` in the middle of a program that one of its scripts runs on a node."""

import os
import signal
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from lab import fabric, power
from lab.engine import EngineError
from lab.lab import Lab, wait_until
from operations.ssh import Node
from tests.support import trial

Kind = Literal["script", "connection", "power", "engine"]
"""What is interrupted: the script with all that it has started, SSH's end of its connection, the machine's power, or
the engine, after which the script goes on to its end."""

_INTERRUPTER = """#!/bin/bash
# Once, for one of Pulumi's scripts: begins what it stands for, and interrupts, or waits until others have.
give_way() {{ if [[ -e $0.real ]]; then exec "$0.real" "$@"; else exec {real} "$@"; fi; }}
case "$*" in {arguments}) ;; *) give_way "$@" ;; esac
parent() {{ awk '$1 == "PPid:" {{ print $2 }}' "/proc/$1/status"; }}
script=$PPID
while [[ $(cat /proc/$script/comm) != sudo ]]; do
  top=$script
  script=$(parent $script)
  ((script > 1)) || give_way "$@" # Pacemaker's agents find it too
done
if [[ -e $0.real ]]; then mv "$0.real" "$0"; else rm "$0"; fi
sync --file-system "${{0%/*}}" # whatever comes, power's failure too
connection=$(parent $script)
descendants() {{
  local child
  for child in $(pgrep --parent "$1"); do
    [[ $child == $$ ]] || {{ echo "$child"; descendants "$child"; }}
  done
}}
writes() {{ awk -v name="$1" '$3 == name {{ print $8 }}' /proc/diskstats; }}
before=$(writes {device})
{real} "$@" &
until {condition} || ! kill -0 $! 2>/dev/null; do sleep 0.01; done
touch /run/killed
case {kind} in
  script) kill -KILL "$top" $(descendants $$) $(descendants "$top") ;;
  connection) kill -KILL "$connection"; wait; exit ;;
  power) sleep 600 ;;
  engine)
    while kill -0 "$connection"; do sleep 0.1; done
    wait
    ;;
esac
"""


def interrupt(
    lab: Lab,
    kind: Kind,
    node: Node,
    program: str,
    arguments: str,
    condition: str = "false",
    device: str = "none",
    changes: Mapping[str, object] | None = None,
) -> None:
    """Run `pulumi up`, which is interrupted in a program of one of its scripts. A machine without power is started.

    Args:
        lab: the lab.
        kind: what is interrupted.
        node: where.
        program: its path.
        arguments: shell pattern of those that are meant.
        condition: shell command that succeeds when it has got far enough; a program that ends before is far enough.
        device: block device whose `writes` the condition may compare with "$before".
        changes: settings to change, as in `Lab.up`.
    """
    name = Path(program).name
    text = _INTERRUPTER.format(arguments=arguments, real=program, condition=condition, device=device, kind=kind)
    # The scripts look in /usr/local/sbin first; one that is called by its whole path gives way.
    in_path = program != trial.DATABASE.program and (
        program.startswith("/usr/sbin") or name in ("apt-get", "systemctl")
    )
    place = f"/usr/local/sbin/{name}" if in_path else program
    aside = f"mv {place} {place}.real; " if place == program else ""
    node.run(f"rm -f /run/killed; {aside}cat >{place} <<'END'\n{text}END\nchmod 755 {place}; sync")
    with up_in_background(lab, changes) as outcome:
        if kind in ("power", "engine"):
            wait_until("the script to be there", lambda: outcome or _is_marked(node), 600, every=1)
        if kind == "power":
            power.kill(lab, node.name)
            power.start(lab, node.name)
            # Nobody tells the engine that there will be no answer any more, so a person does.
            end_engine(lab, signal.SIGINT)
        elif kind == "engine":
            end_engine(lab, signal.SIGKILL)
    assert isinstance(outcome[0], EngineError), "nothing was interrupted"
    if kind == "power":
        wait_until(f"{node.name} to let in", node.lets_in, 300)
        return
    assert _is_marked(node), outcome[0]
    if place != program:
        assert node.run(f"ls {place}", check=False) == ""


def _is_marked(node: Node) -> bool:
    return node.run("ls /run/killed", check=False).strip() == "/run/killed"


@contextmanager
def up_in_background(
    lab: Lab, changes: Mapping[str, object] | None = None, options: Sequence[str] = ()
) -> Generator[list[object]]:
    """Run `pulumi up` while the body does something to it; what it came to is in the list afterwards."""
    outcome: list[object] = []

    def run() -> None:
        try:
            outcome.append(lab.up(changes, options))
        except EngineError as error:
            outcome.append(error)

    log = lab.paths.logs / "engine-up.events.json"
    log.unlink(missing_ok=True)
    runner = threading.Thread(target=run)
    runner.start()
    try:
        yield outcome
    finally:
        runner.join()


def end_engine(lab: Lab, how: signal.Signals) -> None:
    """Send the engine a signal until it has gone: the second Ctrl-C does not wait for what is at work.

    Raises:
        AssertionError: there is none.
    """
    found = _engines(lab)
    assert found
    while found:
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, how)
        time.sleep(2)
        found = _engines(lab)


def _engines(lab: Lab) -> list[int]:
    return [pid for pid in fabric.processes(lab.paths.namespace) if _is_engine(pid)]


def _is_engine(pid: int) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return words[0].endswith(b"/pulumi") and b"up" in words
