"""A cluster that is monitored, with backups and a witness as in prod: who may ask, and what reaches a Prometheus.

Tests in the order of the file.
"""

import json
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from components import ports
from components.checkout import CHECKOUT
from components.places import TOKEN, TOKEN_UNIT
from lab import power, rest, service
from lab.cloud import metrics_receiver, tokens
from lab.cloud.addresses import OUTSIDE
from lab.lab import Lab, wait_until
from lab.paths import LabPaths
from lab.prometheus import Prometheus
from operations.rotate import rotate
from operations.ssh import Node
from operations.status import collector
from operations.status.rules import HAPPENED
from tests.support import trial

pytestmark = [pytest.mark.lab, pytest.mark.long, pytest.mark.timeout(1200)]

MADE_WITH = {
    "monitoring": True,
    "monitorCidrs": [f"{OUTSIDE}/32"],
    # So that the nodes are reached through their security group, as a subnet's machines are not in the lab.
    "sshAccess": "node-addresses",
    "backup": True,
    "witness": True,
    "monitorOnWitness": True,
    "alertEmails": ["night@example.com"],
}
ELSEWHERE = "198.51.100.77"

SCRAPED = CHECKOUT / "tests/unit/scraped.txt"
"""The names of the exporters' metrics that the dashboard asks for."""

TOLD_WITHIN_SECONDS = 60

WORKSPACE = "/resourceGroups/watch/providers/Microsoft.Monitor/accounts/metrics"
"""Somebody's, which is there already."""


@pytest.fixture(scope="module", params=trial.guests("debian-13"))
def cluster(request: pytest.FixtureRequest) -> Iterator[Lab]:
    for lab in trial.own_lab(Lab(LabPaths("monitor"))):
        lab.set_up([request.param])
        lab.start()
        region = {"location": "westeurope"}
        for path in ("/resourceGroups/watch", WORKSPACE):
            status, answer = rest.ask(lab, "PUT", path, region)
            assert status in (200, 201), answer
        workspace = f"/subscriptions/{tokens.SUBSCRIPTION}{WORKSPACE}"
        lab.up({**MADE_WITH, "monitorWorkspaceId": workspace, "operatingSystem": request.param})
        service.wait_until_well(lab, 300)
        yield lab


def told(lab: Lab) -> Mapping[str, Any]:
    """Return the stack's output for a Prometheus."""
    return lab.outputs()["monitoring"]


def public_addresses(lab: Lab) -> list[str]:
    return [
        login.rpartition("@")[2] for name, login in lab.outputs()["ssh"].items() if name != lab.outputs().get("witness")
    ]


def targets(lab: Lab) -> Iterator[tuple[str, str]]:
    """Yield the address of each exporter as its certificate has it, and as it is reached through the security group."""
    for config in told(lab)["scrape_configs"]:
        for target, public in zip(config["static_configs"], public_addresses(lab), strict=True):
            (address,) = target["targets"]
            yield address, f"{public}:{address.rpartition(':')[2]}"


def curl(lab: Lab, *arguments: str, config: str = "") -> subprocess.CompletedProcess[str]:
    command = [*lab.prefix, "curl", "--silent", "--show-error", "--max-time", "40", "--config", "-", *arguments]
    return subprocess.run(command, input=config, capture_output=True, text=True, timeout=60, check=False)


def scrape(lab: Lab, folder: Path, address: str, way: str, *options: str, password: str = "") -> tuple[str, str]:
    """Ask an exporter; return the status of HTTP, empty for no answer, and the text."""
    authority = folder / "authority.pem"
    authority.write_text(told(lab)["certificates"])
    user = f'user = "prometheus:{password}"\n' if password else ""
    run = curl(
        lab, "--cacert", str(authority), "--connect-to", f"{address}:{way}", "--write-out", "\n%{http_code}", *options,
        f"https://{address}/metrics", config=user,
    )  # fmt: skip
    text, _, status = run.stdout.rpartition("\n")
    return ("" if run.returncode else status), text


def test_who_may_ask(cluster: Lab, tmp_path: Path) -> None:
    """Nobody from elsewhere; and nobody without the password, with a wrong one, or without TLS."""
    password = cluster.settings()["monitorPassword"]
    subprocess.run([*cluster.prefix, "ip", "address", "replace", f"{ELSEWHERE}/32", "dev", "lo"], check=True)
    asked = list(targets(cluster))
    assert len(asked) == 6
    for address, way in asked:
        assert (
            scrape(
                cluster, tmp_path, address, way, "--interface", ELSEWHERE, "--connect-timeout", "5", password=password
            )[0]
            == ""
        )
        assert scrape(cluster, tmp_path, address, way)[0] == "401"
        assert scrape(cluster, tmp_path, address, way, password="wrong")[0] == "401"
        assert scrape(cluster, tmp_path, address, way, password=password)[0] == "200"
        assert curl(cluster, f"http://{way}/metrics").stdout.startswith(
            "Client sent an HTTP request to an HTTPS server"
        )


def metrics(cluster: Lab, folder: Path) -> dict[tuple[str, int], dict[str, float]]:
    """Return what all exporters tell, by node and port; labels stay at the names."""
    found: dict[tuple[str, int], dict[str, float]] = {}
    names = [node.name for node in cluster.nodes()] * 3
    for name, (address, way) in zip(names, targets(cluster), strict=True):
        password = cluster.settings()["monitorPassword"]
        status, text = scrape(cluster, folder, address, way, password=password)
        assert status == "200", f"{name} {address}: {text}"
        samples = [line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#")]
        found[name, int(address.rpartition(":")[2])] = {key: float(value) for key, _, value in samples}
    return found


def test_what_they_tell(cluster: Lab, tmp_path: Path) -> None:
    idle, serving = service.idle(cluster), service.serving(cluster)
    wait_until("the first look", lambda: (idle.run("ls /var/lib/prometheus/node-exporter"))[:5] == "azure", 90)

    def serves(node: Node) -> float:
        return metrics(cluster, tmp_path)[node.name, ports.NODE_EXPORTER]["azure_mysql_ha_serves"]

    wait_until("the node that serves", lambda: serves(serving) == 1, 90, every=5)
    found = metrics(cluster, tmp_path)
    of_machine = found[idle.name, ports.NODE_EXPORTER]
    assert of_machine["azure_mysql_ha_serves"] == 0
    assert of_machine["azure_mysql_ha_fencing_works"] == 1
    assert (of_machine["azure_mysql_ha_votes"], of_machine["azure_mysql_ha_expected_votes"]) == (3, 3)
    assert of_machine['node_drbd_connected{device="drbd1"}'] == 1
    assert of_machine["node_textfile_scrape_error"] == 0
    assert [key for key, value in of_machine.items() if key.startswith("azure_mysql_ha_alarm{") and value] == []
    assert [found[node.name, ports.MYSQLD_EXPORTER]["mysql_up"] for node in (serving, idle)] == [1, 0]
    # An older exporter tells of errors, a newer one of successes.
    served = found[serving.name, ports.MYSQLD_EXPORTER]
    assert not served.get("mysql_exporter_last_scrape_error")
    assert all(value for key, value in served.items() if "collector_success" in key)
    of_cluster = found[idle.name, ports.CLUSTER_EXPORTER]
    assert [of_cluster[f'ha_cluster_scrape_success{{collector="{each}"}}'] for each in ("corosync", "pacemaker")] == [
        1,
        1,
    ]
    names = {key.partition("{")[0] for each in found.values() for key in each}
    assert set(SCRAPED.read_text().split()) <= names


def test_it_costs_little(cluster: Lab) -> None:
    """The looking itself: less than one percent of a processor."""
    node = service.idle(cluster)

    def seconds() -> float:
        return int(node.run("systemctl show --value --property CPUUsageNSec azure-mysql-ha-metrics").strip()) / 1e9

    before, begin = seconds(), time.monotonic()
    time.sleep(4 * collector.EVERY_SECONDS)
    spent, passed = seconds() - before, time.monotonic() - begin
    print(f"{spent:.2f} s of the processor in {passed:.0f} s, {100 * spent / passed:.2f} %")
    assert spent / passed < 0.01


@pytest.fixture
def prometheus(cluster: Lab, tmp_path: Path) -> Iterator[Prometheus]:
    asks = Prometheus(cluster)
    with asks.running(tmp_path):
        yield asks


def told_then_ended(asks: Prometheus, name: str, others: Sequence[str], repair: Any, ends_within: float) -> None:
    """Wait for an alert, repair what it tells, and wait for its end; no other one is told meanwhile."""
    seen: set[str] = set()

    def fires(which: bool) -> bool:
        firing = asks.telling()
        seen.update(firing)
        return (name in firing) == which

    begin = time.monotonic()
    wait_until(name, lambda: fires(True), TOLD_WITHIN_SECONDS)
    print(f"{name} after {time.monotonic() - begin:.0f} s")
    repair()
    begin = time.monotonic()
    wait_until(f"the end of {name}", lambda: fires(False), ends_within)
    print(f"ended after {time.monotonic() - begin:.0f} s")
    assert seen <= {name, *others}


def test_what_reaches_a_person(cluster: Lab, prometheus: Prometheus) -> None:
    """Nothing where all is well; the alert of what is wrong, and no other; until it is repaired."""
    time.sleep(2 * collector.EVERY_SECONDS)
    assert prometheus.telling() == set()
    assert prometheus.broken() == []
    idle = service.idle(cluster)
    idle.run("drbdadm disconnect r0")
    told_then_ended(prometheus, "MysqlDrbdStandalone", [], lambda: idle.run("drbdadm connect r0"), TOLD_WITHIN_SECONDS)
    service.wait_until_well(cluster)


def test_a_node_is_lost(cluster: Lab, prometheus: Prometheus) -> None:
    """Which is fenced, and back by itself: the other node tells it, and that no exporter there answers."""
    power.kill(cluster, service.idle(cluster).name)
    back = trial.bar(300)
    told_then_ended(prometheus, "MysqlNodeLost", ["MysqlNodeSilent", "MysqlNodeFenced"], lambda: None, back)
    service.wait_until_well(cluster, back)
    wait_until("the end of all alerts", lambda: prometheus.telling() <= {*HAPPENED}, back)


class OnWitness:
    """The Prometheus on the witness, as somebody of `monitorCidrs` asks it."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab = lab
        self._authority = folder / "authority.pem"
        self._authority.write_text(told(lab)["certificates"])

    def ask(self, path: str, password: str = "") -> Any:
        """Return what it answers; None where it lets nobody in."""
        outputs = self.lab.outputs()
        address = outputs["monitoring"]["prometheus"].removeprefix("https://")
        public = outputs["ssh"][outputs["witness"]].rpartition("@")[2]
        user = f'user = "prometheus:{password or self.lab.settings()["monitorPassword"]}"\n'
        way = ("--connect-to", f"{address}:{public}:{ports.PROMETHEUS}")
        authority = str(self._authority)
        run = curl(self.lab, "--cacert", authority, "--fail", *way, f"https://{address}/api/v1/{path}", config=user)
        return None if run.returncode else json.loads(run.stdout)["data"]

    def answers(self) -> list[str]:
        return [target["health"] for target in self.ask("targets?state=active")["activeTargets"]]

    def alerts(self, state: str = "firing") -> set[str]:
        """Return the alerts that are told, or those that are `pending`."""
        alerts = self.ask("alerts")["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == state}


def written(lab: Lab, query: str) -> dict[str, float]:
    """Return what the workspace answers, by instance; nothing as long as nobody has written to it."""
    url = f"http://{metrics_receiver.ADDRESS}/api/v1/query"
    run = curl(lab, "--fail", "--get", "--data-urlencode", f"query={query}", url)
    found: list[Any] = json.loads(run.stdout)["data"]["result"] if run.returncode == 0 else []
    return {one["metric"]["instance"]: float(one["value"][1]) for one in found}


def test_what_is_seen_is_written_to_the_workspace(cluster: Lab) -> None:
    """By the witness's own identity, whose token nobody but Prometheus and root reads."""
    nodes, witness = [node.name for node in cluster.nodes()], cluster.witness()
    assert witness
    everyone = dict.fromkeys(nodes, 1.0)
    wait_until("samples of the nodes", lambda: written(cluster, 'up{exporter="node"}') == everyone, 120)
    wait_until("of the witness", lambda: written(cluster, 'up{exporter="prometheus"}') == {witness.name: 1}, 120)
    assert written(cluster, f"count by (instance) ({{instance=~'{nodes[0]}|{nodes[1]}'}}) > bool 500") == everyone
    sent = written(cluster, "rate(prometheus_remote_storage_samples_total[1m])")
    print(f"{sent[witness.name]:.0f} samples a second")
    modes = witness.run(f"stat --format '%U %a' {TOKEN} {TOKEN.rpartition('/')[0]}").splitlines()
    assert modes == ["prometheus 600", "prometheus 700"]


def test_without_the_role_nothing_is_written_and_an_alert_begins(cluster: Lab, tmp_path: Path) -> None:
    """Once it is back, so are the samples, for which nothing has to be done."""
    witness, settings = OnWitness(cluster, tmp_path), rest.ask(cluster, "GET", WORKSPACE)[1]["properties"]
    rule = settings["defaultIngestionSettings"]["dataCollectionRuleResourceId"].partition(tokens.SUBSCRIPTION)[2]
    listed = rest.ask(cluster, "GET", f"{rule}/providers/Microsoft.Authorization/roleAssignments")[1]["value"]
    (right,) = [each for each in listed if "/dataCollectionRules/" in each["properties"]["scope"]]
    path = right["id"].partition(tokens.SUBSCRIPTION)[2]
    assert rest.ask(cluster, "DELETE", path)[0] in (200, 204)
    wait_until("the alert", lambda: "MysqlRemoteWriteFails" in witness.alerts("pending"), 180)
    keys = ("roleDefinitionId", "principalId", "principalType")
    body = {"properties": {key: right["properties"][key] for key in keys}}
    assert rest.ask(cluster, "PUT", path, body)[0] in (200, 201)
    begin = time.time()
    newest = 'timestamp(up{exporter="prometheus"})'
    wait_until("samples", lambda: max([0, *written(cluster, newest).values()]) > begin, 120)


def test_the_witness_goes_on_while_both_nodes_are_off(cluster: Lab, tmp_path: Path) -> None:
    """It asks all exporters, lets in who has the password, tells within a minute that nobody answers, and writes on."""
    witness = OnWitness(cluster, tmp_path)
    wait_until("all exporters", lambda: witness.answers() == ["up"] * 7, 120)
    assert witness.ask("alerts", password="wrong") is None
    for node in cluster.nodes():
        power.kill(cluster, node.name)
    begin = time.monotonic()
    wait_until("the alert", lambda: "MysqlNoNodeAnswers" in witness.alerts(), TOLD_WITHIN_SECONDS)
    print(f"MysqlNoNodeAnswers after {time.monotonic() - begin:.0f} s")
    since, own = time.time(), 'up{exporter="prometheus"}'
    wait_until("samples of the witness", lambda: max(written(cluster, f"timestamp({own})").values()) > since, 60)
    assert set(written(cluster, 'up{exporter="node"}').values()) == {0}
    for node in cluster.nodes():
        power.start(cluster, node.name)
    service.wait_until_well(cluster, trial.bar(300))
    wait_until("its end", lambda: "MysqlNoNodeAnswers" not in witness.alerts(), trial.bar(120))


def test_another_password(cluster: Lab, tmp_path: Path) -> None:
    before = cluster.settings()["monitorPassword"]
    rotate(cluster.engine(), "monitorPassword")
    cluster.up()
    ((address, way), *_) = targets(cluster)
    assert scrape(cluster, tmp_path, address, way, password=before)[0] == "401"
    assert scrape(cluster, tmp_path, address, way, password=cluster.settings()["monitorPassword"])[0] == "200"


def test_nothing_to_do_the_second_time(cluster: Lab) -> None:
    assert set(cluster.up().changes) == {"same"}
    run = trial.command_line(cluster, "drift", timeout=400)
    assert (run.returncode, run.stdout) == (0, "The machines are as the stack describes them.\n"), run.stdout


def test_without_it_nothing_is_left(cluster: Lab) -> None:
    serving = service.serving(cluster).name
    cluster.up({"monitoring": False, "monitorOnWitness": False, "monitorWorkspaceId": ""})
    assert service.serving(cluster).name == serving
    for node in cluster.nodes():
        listening = node.run("ss --listening --numeric --tcp --no-header").splitlines()
        assert not [line for line in listening if any(f":{port} " in line for port in ports.EXPORTERS)]
        assert node.run("ls /etc/azure-mysql-ha /etc/systemd/system | grep monit", check=False) == ""
    assert told(cluster) == "OFF (monitoring: false)"
    witness = cluster.witness()
    assert witness and witness.run(f"systemctl list-unit-files {TOKEN_UNIT} --no-legend", check=False) == ""
    assert witness.run(f"ls {TOKEN}", check=False) == ""
    assert (
        "identity"
        not in rest.ask(cluster, "GET", f"{rest.compute(cluster, witness.name)}/virtualMachines/{witness.name}")[1]
    )
