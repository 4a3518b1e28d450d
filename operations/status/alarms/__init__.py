"""All that can be wrong with a cluster, and the page of docs/operations that says what to do.

`KINDS` is the list, the worst first. A kind is a function from the nodes' facts to lines; it keeps silent about what
another kind tells as the cause. docs/operations/README.md has the list too, compared with this one by a unit test.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from operations.status.alarms import backups, copies, fencing, file_systems, nodes, resources, service
from operations.status.facts import Facts


@dataclass(frozen=True)
class Alarm:
    """One thing that is not as it should be.

    Args:
        text: what, in a line without a full stop.
        page: the page that says what to do: a file of docs/operations, without .md.
    """

    text: str
    page: str

    def __str__(self) -> str:
        return f"{self.text}. docs/operations/{self.page}.md"


class Severity(StrEnum):
    """Whom an alarm reaches: somebody now, somebody in working hours, or whoever looks."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True)
class Kind:
    """One kind of alarm.

    Args:
        what: what is wrong, for the list in docs/operations/README.md.
        page: as an alarm's.
        find: tells a line for each case of it.
        severity: whom it reaches where the cluster is monitored.
        minutes: how long it is so before it reaches anybody: what ends by itself is no trouble.
    """

    what: str
    page: str
    find: Callable[[Facts], Iterator[str]]
    severity: Severity
    minutes: float = 0

    @property
    def name(self) -> str:
        """What it is called among metrics and alerts."""
        return self.find.__name__


CRITICAL, WARNING, INFO = Severity


def find(facts: Facts) -> list[Alarm]:
    """Return all that is not as it should be, the worst first."""
    return [Alarm(text, kind.page) for kind in KINDS for text in kind.find(facts)]


KINDS: Sequence[Kind] = (
    Kind("both nodes serve", "split-brain", service.both_serve, CRITICAL),
    Kind("nobody serves", "nobody-serves", service.nobody_serves, CRITICAL, 1),
    Kind("there is no quorum, or no coordinator", "reading-crm-mon", service.no_quorum, CRITICAL, 1),
    Kind("the fencing of a node is pending or has failed", "fencing", fencing.fencing_fails, CRITICAL, 1),
    Kind("the fence device has failed, or is not started", "fencing", fencing.fence_device_fails, CRITICAL, 1),
    Kind("a node's watchdog is not armed", "fencing", fencing.watchdog_is_off, CRITICAL, 1),
    Kind("writes are blocked until a node has been fenced", "fencing", fencing.writes_blocked, CRITICAL, 1),
    Kind("DRBD is StandAlone", "split-brain", copies.drbd_standalone, CRITICAL, 0.5),
    Kind(
        "nobody serves, since it is not known whose data is newest", "both-off", copies.newest_data_unknown, CRITICAL, 1
    ),
    Kind("a data disk has failed", "failed-disk", copies.data_disk_fails, CRITICAL),
    Kind("blocks of the two data disks differ", "blocks-differ", copies.blocks_differ, CRITICAL),
    Kind("a node is not in the cluster, or cannot be reached by SSH", "lost-node", nodes.node_lost, WARNING),
    Kind("a node is to stay off", "planned-maintenance", nodes.node_stays_off, INFO),
    Kind("a node has left for its machine's turn", "machines-in-turn", nodes.node_in_turn, INFO, 60),
    Kind("a node is just joining", "reading-crm-mon", nodes.node_joining, INFO, 10),
    Kind("the tunnel for DRBD's traffic is down, or silent", "one-copy", copies.tunnel_fails, WARNING, 5),
    Kind("only one copy of the data is kept, or the other is being made", "one-copy", copies.one_copy, WARNING, 10),
    Kind("a node with a whole copy is barred from promotion", "one-copy", copies.barred_from_promotion, WARNING, 5),
    Kind("the server could not be asked how it is", "cannot-ask", resources.server_cannot_be_asked, WARNING, 1),
    Kind("a resource has failed, is blocked, or runs nowhere", "failed-resource", resources.resource_fails, WARNING, 2),
    Kind("the database's file system is full, or read-only", "full-disk", file_systems.data_full, CRITICAL, 1),
    Kind(
        "another file system of a node is full, or read-only", "full-system-disk", file_systems.system_full, WARNING, 5
    ),
    Kind(
        "a node does not save the cluster's configuration", "full-system-disk", file_systems.cib_not_saved, WARNING, 5
    ),
    Kind("binary logs were removed before the backup had them", "backup", backups.backup_log_lost, CRITICAL),
    Kind("the backup is missing the last minutes", "backup", backups.backup_log_late, WARNING, 1),
    Kind("the backup has no base from last night", "backup", backups.backup_base_late, WARNING, 1),
    Kind("the proof of the backup has failed, or is overdue", "backup", backups.backup_proof_fails, CRITICAL),
    Kind("the server's certificate expires soon, or has expired", "tls", service.certificate_expires, WARNING, 60),
    Kind("a node has a newer kernel without DRBD", "updates", nodes.next_kernel_without_drbd, WARNING, 5),
    Kind(
        "maintenance, standby, unmanaged, switched off, banned, moved",
        "planned-maintenance",
        nodes.set_by_hand,
        WARNING,
        60,
    ),
    Kind("Azure has announced an event for a node's host", "host-reboot", nodes.host_event_announced, INFO),
    Kind("a node's host name is not the cluster's name for it", "host-name", nodes.host_name_differs, WARNING, 5),
    Kind("the witness cannot be reached, or a vote is missing", "lost-witness", service.witness_lost, WARNING, 2),
)
