"""Three times the node that serves is lost in the middle of a base and of a log copy; then a second stack begins.

First the service is moved, then the serving machine loses its power, then both do.  What was incomplete in the store
does not exist there; the next copy, on either node, continues where the last one ended.  So the chain has no gap, and a
restore to a second after all of this is exact to the row.
"""

import math

from drills import rescue
from drills.drill import Drill
from drills.proof import restored
from drills.proof.alerts import NOBODY_SERVES, NODE_LOST, Telling
from drills.proof.audit import Expectation
from operations import backups
from operations.ssh import Node

ORDER = 235
# Machines are lost minutes after the first fault, which times the alerts.
EXPECTED = Expectation(fencings=(1, 2), moves=None, telling=Telling(also=(*NODE_LOST, *NOBODY_SERVES)))
NEEDS_LAB = "a second stack is made and destroyed, which takes time and costs money there (docs/operations/restore.md)"
NEEDS_BACKUP = True
SETTLE_SECONDS = 420.0

_DUMP_SECONDS = 180.0
"""Longest wait for a dump to begin: shipping ends first. On a busy lab (load 10) 45 s were seen, and once over 60."""

_UNITS = "azure-mysql-ha-base.service azure-mysql-ha-ship.service"


def run(drill: Drill) -> None:
    rescue.wait_for_backup(drill, drill.seen.writer.last_acknowledged)
    [begin, _] = backups.ask(drill.target.stack)["windows"][-1]
    for fault in (_move, _cut_one, _cut_both):
        drill.find_serving()
        _begin_both(drill, drill.serving)
        fault(drill)
        drill.wait_strength()
    at = drill.event("all three are over")
    rescue.wait_for_backup(drill, at + 1)
    windows: list[list[str]] = backups.ask(drill.target.stack)["windows"]
    whole = any(first <= begin and rescue.second(at) <= last for first, last in windows)
    drill.check(whole, f"not each second since {begin} can be restored: {windows}")
    to = math.floor(at)
    with rescue.restored(drill, rescue.second(to)) as stack:
        for wrong in restored.until(drill.seen.writer.writes, rescue.rows(drill, stack), to + 1):
            drill.check(False, f"restored to {rescue.second(to)}: {wrong}")
    drill.fault_end("the second stack is gone")


def _begin_both(drill: Drill, node: Node) -> None:
    """Begin a base and shipping, and wait until the dump runs."""
    node.run(f"systemctl start --no-block {_UNITS}")
    dump = "pgrep --exact 'mysqldump|mariadb-backup|mariabackup'"
    drill.wait("the dump of a base", lambda: node.run(dump, check=False), _DUMP_SECONDS)
    drill.event("a base is under way", node)


def _move(drill: Drill) -> None:
    at = drill.fault("standby", drill.serving)
    drill.serving.run(f"crm node standby {drill.serving.name}", timeout=120)
    drill.wait_served(drill.idle, at)
    drill.serving.run(f"crm node online {drill.serving.name}", timeout=120)


def _cut_one(drill: Drill) -> None:
    at = drill.fault("power is cut", drill.serving)
    drill.target.cut_power(drill.serving)
    drill.wait_served(drill.idle, at)


def _cut_both(drill: Drill) -> None:
    at = drill.fault("power of both machines is cut")
    for node in drill.nodes:
        drill.target.cut_power(node)
    drill.wait("both to be off", lambda: not any(drill.target.power().values()), 30)
    for node in drill.nodes:
        drill.target.start(node)
    drill.wait_writes(at, 420)
