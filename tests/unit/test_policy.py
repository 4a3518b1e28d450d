"""The policies: each rule on what breaks it, and all of them over every tracked stack's recorded resources."""

from collections.abc import Mapping
from typing import Any

import pytest

from pipeline import stacks
from policy import rules
from tests.support import recording

pytestmark = pytest.mark.xdist_group("recorded")

GROUP = "azure-native:network:NetworkSecurityGroup"
MACHINE = "azure-native:compute:VirtualMachine"
DISK = "azure-native:compute:Disk"
BALANCER = "azure-native:network:LoadBalancer"
ADDRESS = "azure-native:network:PublicIPAddress"
STORAGE = "azure-native:storage:StorageAccount"
CONTAINER = "azure-native:storage:BlobContainer"
IMMUTABILITY = "azure-native:storage:BlobContainerImmutabilityPolicy"
COMMAND = "command:remote:Command"

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"  # how the policy SDK gives a text that is not known before the update


def of(type_: str, properties: Mapping[str, Any], stack: str = "dev", protect: bool = False) -> rules.Resource:
    return rules.Resource(stack, type_, "it", protect, properties)


def group(**rule: Any) -> rules.Resource:
    ssh = {"name": "ssh", "direction": "Inbound", "access": "Allow", "protocol": "Tcp", "destinationPortRanges": ["22"]}
    return of(GROUP, {"securityRules": [{**ssh, **rule}]})


@pytest.mark.parametrize(
    "rule",
    [
        {"sourceAddressPrefix": "*"},
        {"sourceAddressPrefix": "Internet"},
        {"sourceAddressPrefix": "0.0.0.0/0"},
        {"sourceAddressPrefixes": ["203.0.113.0/24", "::/0"]},
        {"sourceAddressPrefixes": ["0.0.0.0/1", "128.0.0.0/1"]},
        {"sourceAddressPrefix": "*", "destinationPortRanges": ["20-30"]},
        {"sourceAddressPrefix": "*", "destinationPortRanges": [], "destinationPortRange": "*"},
        {"sourceAddressPrefix": "*", "protocol": "*"},
    ],
    ids=str,
)
def test_world_open_ssh(rule: dict[str, Any]) -> None:
    assert list(rules.no_world_open_ssh(group(**rule)))


@pytest.mark.parametrize(
    "rule",
    [
        {"sourceAddressPrefixes": ["203.0.113.0/24"]},
        {"sourceAddressPrefixes": ["10.0.0.0/8"]},
        {"sourceAddressPrefix": "AzureLoadBalancer"},
        {"sourceAddressPrefix": UNKNOWN},
        {"sourceAddressPrefix": "*", "access": "Deny"},
        {"sourceAddressPrefix": "*", "direction": "Outbound"},
        {"sourceAddressPrefix": "*", "destinationPortRanges": ["3306"]},
        {"sourceAddressPrefix": "*", "protocol": "Udp"},
    ],
    ids=str,
)
def test_ssh_for_some(rule: dict[str, Any]) -> None:
    assert list(rules.no_world_open_ssh(group(**rule))) == []


def machine(**profile: Any) -> rules.Resource:
    linux = {"linuxConfiguration": {"disablePasswordAuthentication": True}, "customData": {"secret": "x"}}
    return of(MACHINE, {"osProfile": {**linux, **profile}})


def test_password_login() -> None:
    assert list(rules.no_password_login(machine())) == []
    assert list(rules.no_password_login(machine(adminPassword={"secret": "x"})))
    assert list(rules.no_password_login(machine(linuxConfiguration={"disablePasswordAuthentication": False})))
    assert list(rules.no_password_login(machine(linuxConfiguration=None)))
    assert list(rules.no_password_login(of(MACHINE, {})))

    connection = {"host": "203.0.113.1", "hostKey": "ssh-ed25519 AAAA", "privateKey": {"secret": "x"}}
    assert list(rules.no_password_login(of(COMMAND, {"connection": connection}))) == []
    assert list(rules.no_password_login(of(COMMAND, {"connection": {"secret": connection}}))) == []
    assert list(rules.no_password_login(of(COMMAND, {"connection": UNKNOWN}))) == []
    assert list(rules.no_password_login(of(COMMAND, {"connection": {**connection, "password": {"secret": "x"}}})))
    assert list(rules.no_password_login(of(COMMAND, {"connection": {**connection, "hostKey": ""}})))


def test_data_is_protected_in_production() -> None:
    assert list(rules.data_is_protected(of(DISK, {}, "prod")))
    assert list(rules.data_is_protected(of(DISK, {}, "prod", protect=True))) == []
    assert list(rules.data_is_protected(of(DISK, {}, "dev"))) == []


def test_backups_are_protected_in_production() -> None:
    for type_ in (STORAGE, CONTAINER):
        assert list(rules.data_is_protected(of(type_, {}, "prod")))
        assert list(rules.data_is_protected(of(type_, {}, "prod", protect=True))) == []


def test_backups_are_private() -> None:
    private = {
        "allowSharedKeyAccess": False,
        "allowBlobPublicAccess": False,
        "allowCrossTenantReplication": False,
        "enableHttpsTrafficOnly": True,
        "minimumTlsVersion": "TLS1_2",
    }
    assert list(rules.backups_are_private(of(STORAGE, private))) == []
    for key, wrong in {**{name: not value for name, value in private.items()}, "minimumTlsVersion": "TLS1_1"}.items():
        assert list(rules.backups_are_private(of(STORAGE, private | {key: wrong}))), key
    assert len(list(rules.backups_are_private(of(STORAGE, {})))) == len(private)
    assert list(rules.backups_are_private(of(CONTAINER, {"publicAccess": "None"}))) == []
    assert list(rules.backups_are_private(of(CONTAINER, {"publicAccess": "Blob"})))


def test_backups_stay() -> None:
    def told(**properties: Any) -> list[str]:
        return list(rules.backups_stay(of(IMMUTABILITY, {"immutabilityPeriodSinceCreationInDays": 7} | properties)))

    assert told() == []
    assert told(immutabilityPeriodSinceCreationInDays=6)
    assert told(immutabilityPeriodSinceCreationInDays=None)
    assert told(allowProtectedAppendWrites=True)
    assert told(allowProtectedAppendWritesAll=True)


def test_no_disk_by_link() -> None:
    closed = {"networkAccessPolicy": "DenyAll", "publicNetworkAccess": "Disabled"}
    assert list(rules.no_disk_by_link(of(DISK, closed))) == []
    assert list(rules.no_disk_by_link(of(DISK, closed | {"networkAccessPolicy": "AllowAll"})))
    assert len(list(rules.no_disk_by_link(of(DISK, {})))) == 2


def test_standard_skus() -> None:
    for type_ in (BALANCER, ADDRESS):
        assert list(rules.standard_skus(of(type_, {"sku": {"name": "Standard"}}))) == []
        assert list(rules.standard_skus(of(type_, {"sku": {"name": "Basic"}})))
        assert list(rules.standard_skus(of(type_, {})))
    assert list(rules.standard_skus(of(DISK, {"sku": {"name": "Premium_LRS"}}))) == []


def test_probe() -> None:
    probe, rule = {"name": "serving", "port": 61500}, {"name": "mysql", "backendPort": 3306, "probe": {"id": "x"}}
    assert list(rules.probe_is_not_mysql(of(BALANCER, {"probes": [probe], "loadBalancingRules": [rule]}))) == []
    assert list(rules.probe_is_not_mysql(of(BALANCER, {"probes": [{**probe, "port": 3306}]})))
    assert list(rules.probe_is_not_mysql(of(BALANCER, {"loadBalancingRules": [{**rule, "probe": None}]})))


def test_marks_of_secrets() -> None:
    marked = {
        "connection": {"host": "203.0.113.1", "privateKey": {"secret": "x"}},
        "environment": {"HA_DATABASE_PASSWORD": {"secret": "x"}, "HA_ENDPOINT": "203.0.113.1"},
    }
    assert list(rules.secrets_are_marked(of(COMMAND, marked))) == []
    assert list(rules.secrets_are_marked(of(COMMAND, {key: {"secret": value} for key, value in marked.items()}))) == []
    assert list(rules.secrets_are_marked(of(COMMAND, {"connection": UNKNOWN}))) == []
    assert list(rules.secrets_are_marked(machine())) == []
    assert list(rules.secrets_are_marked(machine(customData="x"))) == ["osProfile.customData is not marked as a secret"]
    assert list(rules.secrets_are_marked(of(COMMAND, {"connection": {"privateKey": "x"}})))
    for variable in ("HA_DATABASE_PASSWORD", "HA_DRBD_SECRET", "HA_COROSYNC_KEY"):
        found = list(rules.secrets_are_marked(of(COMMAND, {"environment": {variable: "x"}})))
        assert found == [f"environment.{variable} is not marked as a secret"]


def test_fencing() -> None:
    for name in ("stonith", "fencing"):
        on, off = of(COMMAND, {"stdin": f"{name}-enabled=true \\"}), of(COMMAND, {"stdin": f"{name}-enabled=false"})
        assert list(rules.fencing_is_on([on, of(DISK, {})])) == []
        assert list(rules.fencing_is_on([off])) == list(rules.fencing_is_on([on, off]))
        assert "fencing is not enabled" in next(rules.fencing_is_on([off]))
    assert list(rules.fencing_is_on([of(COMMAND, {"stdin": "true"})]))
    assert list(rules.fencing_is_on([of(DISK, {})])) == []  # no cluster among them


def recorded(stack: str, changes: Mapping[str, Any] | None = None) -> list[rules.Resource]:
    return [
        rules.Resource(stack, each.type, each.name, each.protect, each.inputs)
        for each in recording.record(stack, changes)
    ]


def violations(resources: list[rules.Resource]) -> list[str]:
    found = [f"{each.name}: {line}" for rule in rules.RULES for each in resources for line in rule.check(each)]
    return found + list(rules.fencing_is_on(resources))


@pytest.mark.parametrize("stack", [*stacks.tracked_here(), "lab"])
def test_every_tracked_stack_keeps_to_the_policies(stack: str) -> None:
    assert violations(recorded(stack)) == []


def test_the_rules_see_what_the_program_makes() -> None:
    """Each rule has something to look at among a stack's resources: its names of types and properties are right."""
    resources = recorded("dev", {"fencing": "off", "witness": True})
    assert any("fencing is not enabled" in line for line in violations(resources))
    in_production = [rules.Resource("prod", each.type, each.name, False, each.properties) for each in resources]
    assert len([line for line in violations(in_production) if "not protected" in line]) == 2
    unmarked = [
        rules.Resource(each.stack, each.type, each.name, each.protect, rules.plain(each.properties))
        for each in resources
    ]
    places = {line.split(": ")[1].split(" ")[0] for line in violations(unmarked) if "not marked" in line}
    assert places == {
        "connection.privateKey",
        "osProfile.customData",
        "environment.HA_CLUSTER_SSH_KEY",
        "environment.HA_COROSYNC_KEY",
        "environment.HA_DATABASE_PASSWORD",
        "environment.HA_DRBD_SECRET",
        "environment.HA_TLS_KEY",
    }
