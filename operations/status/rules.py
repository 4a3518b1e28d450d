"""Alert rules for a person's Prometheus: all that `make status` calls an alarm, and what only shows from outside.

docs/monitoring/alerts.yaml has them, compared with this module by a unit test, which writes that file. Every rule works
for all clusters that a Prometheus asks, by the label `cluster` of its scrape configuration (the stack's output
`monitoring` is one).
"""

from dataclasses import dataclass
from typing import Any

from operations.backup.late import PROOF_DAYS
from operations.status.alarms import CRITICAL, INFO, KINDS, WARNING, Kind, Severity
from operations.status.metrics import PREFIX

_ANSWERS = 'max by (cluster, instance) (up{exporter=~"node|mysqld|cluster"})'
# By the node's own clock: whether it has looked of late. What it has told before does not count, as after a restart.
_AGE = f"node_time_seconds - on (cluster, instance) {PREFIX}asked_timestamp_seconds"
_SERVES = f"{PREFIX}serves * on (cluster, instance) ({_AGE} < bool 180)"

# By instance, as `up` has it. Both nodes tell it of each.
_ON_PURPOSE = f'label_replace(max by (cluster, node) ({PREFIX}away_on_purpose), "instance", "$1", "node", "(.*)") == 1'

HAPPENED_MINUTES = 15
"""How long it is told that something has happened which the cluster has repaired by itself."""

_PROOF = f"{PREFIX}backup_proof_timestamp_seconds"


@dataclass(frozen=True)
class Rule:
    """An alert.

    Args:
        name: in CamelCase.
        what: what is wrong, for a person.
        page: the page of docs/operations that says what to do.
        expression: of PromQL; a result for each cluster, or each of its nodes, where it is so.
        minutes: how long it has to be so.
    """

    name: str
    what: str
    page: str
    severity: Severity
    minutes: float
    expression: str

    @property
    def as_yaml(self) -> dict[str, Any]:
        """Return it as Prometheus reads it."""
        return {
            "alert": self.name,
            "expr": self.expression,
            **(
                {"for": f"{self.minutes}m" if self.minutes >= 1 else f"{60 * self.minutes:.0f}s"}
                if self.minutes
                else {}
            ),
            "labels": {"severity": str(self.severity)},
            "annotations": {
                "summary": f"{{{{ $labels.cluster }}}}: {self.what}",
                "description": "make status does not show it; see docs/operations/monitoring.md."
                if self.name in NOT_IN_STATUS
                else "make status says it in full.",
                "runbook": f"docs/operations/{self.page}.md",
            },
        }


# Of these a node finds not all, knowing one side only; the rules below do.
OF_BOTH_NODES = ("nobody_serves", "backup_proof_fails")

# What a node takes for trouble of its own, not knowing that the other one tells its cause.
FOLLOWS = {"one_copy": "drbd_standalone"}


def _is_told(kind: str) -> str:
    return f'max by (cluster) ({PREFIX}alarm{{alarm="{kind}"}}) > 0'


def _of(kind: Kind) -> Rule:
    name = "".join(word.capitalize() for word in kind.name.split("_"))
    expression = _is_told(kind.name)
    if kind.name in FOLLOWS:
        expression += f"\nunless {_is_told(FOLLOWS[kind.name])}"
    return Rule(f"Mysql{name}", kind.what, kind.page, kind.severity, kind.minutes, expression)


# What the witness's Prometheus tells of itself, where it writes elsewhere.
_BY_WITNESS = "by (cluster, instance)"
_SEEN = 'prometheus_remote_storage_highest_timestamp_in_seconds{exporter="prometheus"}'
_WRITTEN = 'prometheus_remote_storage_queue_highest_sent_timestamp_seconds{exporter="prometheus"}'
_REFUSED = 'rate(prometheus_remote_storage_samples_failed_total{exporter="prometheus"}[5m])'
_BEHIND_SECONDS = 300

# What no node can know by itself.
FROM_OUTSIDE = (
    Rule(
        "MysqlNobodyServes",
        "nobody serves",
        "nobody-serves",
        CRITICAL,
        1,  # a fail-over ends before
        f"sum by (cluster) ({_SERVES}) == 0",
    ),
    Rule(
        "MysqlBothSayTheyServe",
        "each of the two nodes says that it serves",
        "split-brain",
        CRITICAL,
        1,  # a node that has handed over says so with its next look
        f"sum by (cluster) ({_SERVES}) > 1",
    ),
    Rule(
        "MysqlNoNodeAnswers",
        "no node's exporter answers",
        "nobody-serves",
        CRITICAL,
        0.25,  # two looks; no fail-over takes both exporters away
        'sum by (cluster) (up{exporter="node"}) == 0',
    ),
    Rule(
        "MysqlNodeSilent",
        "no exporter of {{ $labels.instance }} answers",
        "lost-node",
        WARNING,
        2,
        f"{_ANSWERS} == 0\nunless on (cluster, instance) {_ON_PURPOSE}",
    ),
    Rule(
        "MysqlNodeFenced",
        f"{{{{ $labels.node }}}} was fenced within the last {HAPPENED_MINUTES} minutes",
        "lost-node",
        WARNING,
        0,
        f"time() - max by (cluster, node) ({PREFIX}fenced_timestamp_seconds) < {HAPPENED_MINUTES * 60}",
    ),
    Rule(
        "MysqlResourceFailed",
        "a resource has failed, and Pacemaker has recovered it",
        "failed-resource",
        WARNING,
        0,
        # Of one node at a time: the other one may not have looked since it recovered.
        f"max by (cluster) ({PREFIX}failures > 0\n"
        f'unless on (cluster, instance) {PREFIX}alarm{{alarm="resource_fails"}} > 0)',
    ),
    Rule(
        "MysqlServerStarted",
        f"the server on {{{{ $labels.instance }}}} has started within the last {HAPPENED_MINUTES} minutes",
        "reading-crm-mon",
        INFO,
        0,
        f"mysql_global_status_uptime < {HAPPENED_MINUTES * 60}",
    ),
    Rule(
        "MysqlExporterDown",
        "an exporter of {{ $labels.instance }} does not answer: {{ $labels.exporter }}",
        "monitoring",
        WARNING,
        2,
        f'up{{exporter=~"node|mysqld|cluster"}} == 0\nand on (cluster, instance) {_ANSWERS} == 1',
    ),
    Rule(
        "MysqlNodeNotChecked",
        "{{ $labels.instance }} has not checked itself for three minutes",
        "monitoring",
        WARNING,
        1,
        f'{_AGE} > 180\nor max by (cluster, instance) (up{{exporter="node"}}) == 1'
        f" unless on (cluster, instance) {PREFIX}asked_timestamp_seconds",
    ),
    Rule(
        "MysqlExporterCannotQuery",
        "the exporter on {{ $labels.instance }} cannot query the server",
        "monitoring",
        WARNING,
        2,
        f"{PREFIX}serves == 1 and on (cluster, instance) mysql_up == 0",
    ),
    Rule(
        "MysqlRemoteWriteFails",
        "the Prometheus on {{ $labels.instance }} cannot write to its Azure Monitor workspace, or is behind with it",
        "monitoring",
        WARNING,
        10,
        f"max {_BY_WITNESS} ({_SEEN}) - min {_BY_WITNESS} ({_WRITTEN}) > {_BEHIND_SECONDS}\n"
        f"or max {_BY_WITNESS} ({_REFUSED}) > 0",
    ),
    Rule(
        "MysqlBackupProofFailed",
        "the backup's last proof by a restore has failed",
        "backup",
        CRITICAL,
        0,
        f"{PREFIX}backup_proof_ok == 0\nand on (cluster, instance)"
        f" ({_PROOF} == on (cluster) group_left () max by (cluster) ({_PROOF}))",
    ),
    Rule(
        "MysqlBackupProofLate",
        f"no base of the backup has been proved for {PROOF_DAYS} days",
        "backup",
        WARNING,
        1,
        f"time() - max by (cluster) ({_PROOF} or {PREFIX}backup_since_timestamp_seconds) > {PROOF_DAYS * 86400}",
    ),
)

HAPPENED = ("MysqlNodeFenced", "MysqlResourceFailed", "MysqlServerStarted")
"""Those of what the cluster has repaired by itself: they go on for some minutes after that."""

NOT_IN_STATUS = (
    *HAPPENED,
    *("MysqlExporterDown", "MysqlNodeNotChecked", "MysqlExporterCannotQuery", "MysqlRemoteWriteFails"),
)
"""Those of which `make status` says nothing."""

RULES = (*(_of(kind) for kind in KINDS if kind.name not in OF_BOTH_NODES), *FROM_OUTSIDE)


def as_yaml() -> dict[str, Any]:
    """Return all rules as a file of rules has them."""
    return {"groups": [{"name": "azure-mysql-ha", "rules": [rule.as_yaml for rule in RULES]}]}
