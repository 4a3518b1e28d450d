"""What a node tells Prometheus of its cluster that no exporter knows, as the node exporter reads it from a file.

Trouble is what `make status` finds, of what one node knows by itself. What follows from both nodes, rules.py says.
"""

from collections.abc import Iterator
from datetime import datetime

from components.places import MOUNT_POINT
from configs.backup.moments import from_stamp
from operations.status import alarms
from operations.status.alarms.pacemaker import failures_in, resource_of, works_since
from operations.status.facts import Facts, NodeFacts

PREFIX = "azure_mysql_ha_"

Sample = tuple[str, dict[str, str], float]
"""A metric's name, its labels, and its value."""

HELP = {
    "alarm": "How many cases of a kind of alarm there are, as make status finds them.",
    "asked_timestamp_seconds": "When all of this was looked up.",
    "serves": "Whether this node serves.",
    "away_on_purpose": "Whether a node is off since a person, or its machine's turn, wants it so.",
    "fencing_works": "Whether a node that fails will be fenced.",
    "fenced_timestamp_seconds": "When a node was last fenced, as far as Pacemaker remembers.",
    "failures": "How many failures of what it runs Pacemaker remembers.",
    "maintenance": "Whether this node, or the cluster, is in maintenance.",
    "standby": "Whether this node is in standby.",
    "votes": "Votes of this node's partition.",
    "expected_votes": "Votes that there should be.",
    "resync_left_bytes": "What one disk has and the other does not have yet.",
    "resync_left_seconds": "How long DRBD expects to take for copying it.",
    "verify_timestamp_seconds": "When the last comparison of the two disks that ran on this node ended.",
    "verify_differing_bytes": "How much it found to differ.",
    "file_system_used_ratio": "How full a file system is, as df shows it.",
    "file_system_inodes_used_ratio": "How many of a file system's inodes are in use.",
    "kernels_without_drbd": "Kernels that are newer than the running one and have no DRBD.",
    "backup_since_timestamp_seconds": "When the history of the backup began.",
    "backup_complete_to_timestamp_seconds": "What was committed before this time is in the backup.",
    "backup_base_timestamp_seconds": "When the last base was complete.",
    "backup_lost_logs": "Binary logs that were removed before the backup had them, and are in no base since.",
    "backup_proof_timestamp_seconds": "When the last proof by a restore on this node ended.",
    "backup_proof_ok": "Whether it succeeded.",
}
"""What each metric says, in the order of the file."""


def text(facts: Facts, name: str, now: float) -> str:
    """Return the metrics of one node.

    Args:
        facts: with what that node says, and no other.
        name: that node's.
        now: when it was asked, in seconds of the epoch.
    """
    node = next(each for each in facts.nodes if each.name == name)
    samples = [*_of_the_cluster(facts, name, now), *_of_the_node(node), *_of_the_backup(node)]
    lines: list[str] = []
    for metric, says in HELP.items():
        found = [sample for sample in samples if sample[0] == metric]
        if found:
            lines += [f"# HELP {PREFIX}{metric} {says}", f"# TYPE {PREFIX}{metric} gauge", *map(_line, found)]
    return "\n".join(lines) + "\n"


def _line(sample: Sample) -> str:
    metric, labels, value = sample
    told = ",".join(f'{key}="{value}"' for key, value in labels.items())
    return f"{PREFIX}{metric}{{{told}}} {value:.17g}" if told else f"{PREFIX}{metric} {value:.17g}"


def _of_the_cluster(facts: Facts, name: str, now: float) -> Iterator[Sample]:
    for kind in alarms.KINDS:
        labels = {"alarm": kind.name, "page": kind.page, "severity": kind.severity}
        yield "alarm", labels, len(list(kind.find(facts)))
    yield "asked_timestamp_seconds", {}, now
    yield "serves", {}, name in facts.serving
    away = {*facts.stays_off, *facts.in_turn} - {*facts.members}
    for node in facts.nodes:
        yield "away_on_purpose", {"node": node.name}, node.name in away
    yield "fencing_works", {}, facts.fencing.startswith("on")
    for fenced, at in sorted(facts.fenced_at.items()):
        yield "fenced_timestamp_seconds", {"node": fenced}, at
    yield (
        "failures",
        {},
        sum(
            resource_of(failure) not in facts.fence_device_ids or works_since(facts, failure)
            for failure in failures_in(facts)
        ),
    )
    member = facts.members.get(name, {})
    options = next(iter(facts.everything("summary/cluster_options")), None)
    for_all = options is not None and options.get("maintenance-mode") == "true"
    yield "maintenance", {}, for_all or member.get("maintenance") == "true"
    yield "standby", {}, "true" in (member.get("standby"), member.get("standby_onfail"))
    if facts.witness and facts.witness.votes:
        yield "votes", {}, facts.witness.votes
        yield "expected_votes", {}, facts.witness.expected_votes


def _of_the_node(node: NodeFacts) -> Iterator[Sample]:
    if node.drbd:
        yield "resync_left_bytes", {}, node.drbd.out_of_sync * 1024
        if node.drbd.seconds_left is not None:
            yield "resync_left_seconds", {}, node.drbd.seconds_left
    if node.verify:
        yield "verify_timestamp_seconds", {}, node.verify.at
        yield "verify_differing_bytes", {}, node.verify.differing * 1024
    for each in node.file_systems:
        if each.place in ("/", MOUNT_POINT):
            yield "file_system_used_ratio", {"place": each.place}, each.percent / 100
            yield "file_system_inodes_used_ratio", {"place": each.place}, each.inodes_percent / 100
    yield "kernels_without_drbd", {}, len(node.kernels_without_drbd)


def _of_the_backup(node: NodeFacts) -> Iterator[Sample]:
    times: dict[str, datetime | None] = {}
    if node.backup:
        times["since"], times["complete_to"], times["base"] = (
            node.backup.since,
            node.backup.complete_to,
            node.backup.base,
        )
        yield "backup_lost_logs", {}, node.backup.lost
    # One that was ended for want of room is none.
    if node.proof and not node.proof.undecided:
        times["proof"] = from_stamp(node.proof.at)
        yield "backup_proof_ok", {}, node.proof.ok
    for what, time in times.items():
        if time:
            yield f"backup_{what}_timestamp_seconds", {}, time.timestamp()
