"""The lab cloud's REST side: what it makes, what it shows, what it refuses and with which of Azure's codes."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from lab.cloud.arm import ResourceManager
from lab.cloud.login import ENGINE
from lab.cloud.operations import Operations
from lab.cloud.state import Store
from lab.cloud.tokens import CLIENT_ID, CLIENT_SECRET, SUBSCRIPTION, TENANT, Principal, Tokens
from tests.support import cloud_bench
from tests.support.cloud_bench import (
    ACCOUNT,
    COMPUTE,
    CONTAINERS,
    GROUP,
    INSIGHTS,
    NETWORK,
    REGION,
    Bench,
    account,
    action_group,
    availability_set,
    balancer,
    changed,
    disk,
    dns_record,
    everything,
    immutability,
    interface,
    lifecycle,
    machine,
    metric_alert,
    nat_gateway,
    network,
    private_zone,
    public_address,
    rule,
    security_group,
    zone_link,
)

NSG, VNET, LB = f"{NETWORK}/networkSecurityGroups/nsg", f"{NETWORK}/virtualNetworks/vnet", f"{NETWORK}/loadBalancers/lb"
NIC1, NIC3 = f"{NETWORK}/networkInterfaces/nic1", f"{NETWORK}/networkInterfaces/nic3"
VM1, VM3 = f"{COMPUTE}/virtualMachines/vm1", f"{COMPUTE}/virtualMachines/vm3"
STORAGE = f"{GROUP}/providers/Microsoft.Storage/storageAccounts"
AG, AR = f"{INSIGHTS}/actionGroups/ag", f"{INSIGHTS}/metricAlerts/ar"
WRONG_GROUP, WRONG_RULE = "400 LabInvalidActionGroup", "400 LabInvalidMetricAlert"
ELSEWHERE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/elsewhere"
ZONES = f"{NETWORK}/privateDnsZones"
ZONE, LINK = f"{ZONES}/shop.internal", f"{ZONES}/shop.internal/virtualNetworkLinks/link"
PIP, SET, DATA1 = f"{NETWORK}/publicIPAddresses/pip", f"{COMPUTE}/availabilitySets/set", f"{COMPUTE}/disks/data1"
NEW_DISK = f"{COMPUTE}/disks/d"
LIFECYCLE = f"{ACCOUNT}/managementPolicies/default"
IMMUTABLE = f"{CONTAINERS}/backup/immutabilityPolicies/default"


async def test_everything_is_made_and_shown(bench: Bench) -> None:
    await bench.furnish()
    vm = await bench.get(VM1, query="&$expand=instanceView")
    codes = [status["code"] for status in vm["properties"]["instanceView"]["statuses"]]
    assert codes == ["ProvisioningState/succeeded", "PowerState/running"]
    assert "customData" not in str(vm)
    assert vm["identity"]["principalId"]
    assert (await bench.get(DATA1))["managedBy"] == VM1
    assert (await bench.get(f"{COMPUTE}/disks/os1"))["properties"]["osType"] == "Linux"
    nic = await bench.get(NIC1)
    assert nic["properties"]["virtualMachine"]["id"] == VM1
    assert nic["properties"]["primary"] is True
    assert len((await bench.get(f"{LB}/backendAddressPools/pool"))["properties"]["backendIPConfigurations"]) == 2
    assert len((await bench.get(SET))["properties"]["virtualMachines"]) == 2
    assert len((await bench.get(f"{VNET}/subnets"))["value"]) == 1
    assert (await bench.get(PIP))["properties"]["ipAddress"] == "203.0.113.1"
    assert len((await bench.get(NSG))["properties"]["defaultSecurityRules"]) == 6
    assert {"vm1", "vm2"} == {one["name"] for one in (await bench.get(f"{COMPUTE}/virtualMachines"))["value"]}
    everywhere = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Compute/virtualMachines"
    assert len((await bench.get(everywhere))["value"]) == 2
    assert bench.fabric.public == {"203.0.113.1", "203.0.113.2"}
    assert list(bench.fabric.bridges.values()) == [["10.0.1.1/24"]]
    definition = bench.machines.running["vm1"]
    assert definition.guest == "debian-12"
    assert list(definition.data_disks) == [0]
    assert definition.data_disks[0].stat().st_size == 4 * 1024**3
    assert '"10.0.1.11/24"' in definition.seed.network_config
    assert definition.seed.user_data == "#cloud-config\n{}\n"


async def test_the_same_again_changes_nothing(bench: Bench) -> None:
    await bench.furnish()
    before = await bench.get(VM1)
    calls = list(bench.machines.calls)
    for path, body in everything().items():
        await bench.put(path, body)
    after = await bench.get(VM1)
    assert {**after, "etag": ""} == {**before, "etag": ""}
    assert bench.machines.calls == calls
    # What a client has read can be sent back.
    for path in everything():
        await bench.put(path, await bench.get(path))


async def test_letter_case_and_region_names_do_not_matter(bench: Bench) -> None:
    await bench.put(GROUP, {"location": "West Europe"})
    await bench.put(NSG, {"location": "West Europe", "properties": {}})
    found = await bench.get(NSG.replace("rg", "RG").replace("networkSecurityGroups/nsg", "networksecuritygroups/NSG"))
    assert found["id"] == NSG
    assert found["location"] == "westeurope"


def but(body: Any, path: str, value: Any) -> Any:
    """Return a body with one of its properties changed."""
    return changed(body, f"properties/{path}", value)


def vm3(path: str, value: Any) -> Any:
    """Return a third machine with one property changed."""
    return but(machine(3), path, value)


def nic3(path: str, value: Any) -> Any:
    """Return a third machine's interface with one property of its address changed."""
    return but(interface(3), f"ipConfigurations/0/properties/{path}", value)


def lb(path: str, value: Any) -> Any:
    """Return the balancer of three machines with one property changed."""
    return but(balancer(3), path, value)


def mysql(path: str, value: Any) -> Any:
    """Return the same with one property of its rule changed."""
    return lb(f"loadBalancingRules/0/properties/{path}", value)


def subnet(prefix: str) -> Any:
    """Return a subnet."""
    return {"properties": {"addressPrefix": prefix}}


REFUSALS: list[tuple[str, str, Any, str]] = [
    # group and envelope
    (
        "no such group",
        f"/subscriptions/{SUBSCRIPTION}/resourceGroups/nowhere/providers/Microsoft.Compute/disks/d",
        disk(),
        "404 ResourceGroupNotFound",
    ),
    ("group moves", GROUP, {"location": "eastus"}, "409 InvalidResourceGroupLocation"),
    (
        "group's name",
        f"/subscriptions/{SUBSCRIPTION}/resourceGroups/ends.",
        {"location": REGION},
        "400 InvalidResourceGroup",
    ),
    ("no location", NEW_DISK, {"properties": {}}, "400 LocationRequired"),
    ("no such location", NEW_DISK, changed(disk(), "location", "atlantis"), "400 LocationNotAvailableForResourceType"),
    ("resource moves", DATA1, changed(disk(), "location", "eastus"), "409 InvalidResourceLocation"),
    ("name", f"{NETWORK}/virtualNetworks/-vnet", network(), "400 InvalidResourceName"),
    ("name too long", f"{COMPUTE}/disks/{'d' * 81}", disk(), "400 InvalidResourceName"),
    ("type", f"{NETWORK}/routeTables/r", {"location": REGION}, "404 InvalidResourceType"),
    ("too many tags", DATA1, {**disk(), "tags": {f"t{i}": "" for i in range(51)}}, "400 TooManyTags"),
    ("not an object", NSG, {"location": REGION, "properties": []}, "400 InvalidRequestContent"),
    # names
    ("one label", f"{ZONES}/internal", private_zone(), "400 BadRequest"),
    ("too many labels", f"{ZONES}/{'a.' * 34}b", private_zone(), "400 BadRequest"),
    ("a long label", f"{ZONES}/{'a' * 64}.b", private_zone(), "400 BadRequest"),
    ("reserved", f"{ZONES}/Azure.com", private_zone(), "400 BadRequest"),
    ("zone in a region", f"{ZONES}/b.c", {"location": REGION}, "400 LocationNotAvailableForResourceType"),
    ("link to nothing", f"{ZONE}/virtualNetworkLinks/l", {"location": "global", "properties": {}}, "400 BadRequest"),
    (
        "link to no network",
        f"{ZONE}/virtualNetworkLinks/l",
        but(zone_link(), "virtualNetwork/id", f"{VNET}2"),
        "404 ResourceNotFound",
    ),
    ("second link", f"{ZONE}/virtualNetworkLinks/second", zone_link(), "400 BadRequest"),
    (
        "link moves",
        LINK,
        but(zone_link(), "virtualNetwork/id", f"{NETWORK}/virtualNetworks/other"),
        "404 ResourceNotFound",
    ),
    ("link registers", LINK, but(zone_link(), "registrationEnabled", True), "400 LabNotSupported"),
    ("link of no zone", f"{ZONES}/b.c/virtualNetworkLinks/l", zone_link(), "404 ParentResourceNotFound"),
    ("record of no zone", f"{ZONES}/b.c/A/db", dns_record(), "404 ParentResourceNotFound"),
    ("record's name", f"{ZONE}/A/d$b", dns_record(), "400 BadRequest"),
    ("no time to live", f"{ZONE}/A/db", but(dns_record(), "ttl", 0), "400 BadRequest"),
    ("no TTL", f"{ZONE}/A/db", but(dns_record(), "ttl", None), "400 MissingRequiredParameter"),
    ("no address", f"{ZONE}/A/db", but(dns_record(), "aRecords", []), "400 BadRequest"),
    ("none", f"{ZONE}/A/db", dns_record("10.0.0"), "400 InvalidIPAddressFormat"),
    ("another type of record", f"{ZONE}/TXT/db", dns_record(), "405 MethodNotAllowed"),
    # network
    ("no space", VNET, {"location": REGION, "properties": {}}, "400 InvalidRequestFormat"),
    ("host bits", VNET, but(network(), "addressSpace/addressPrefixes", ["10.0.0.1/16"]), "400 InvalidCIDRNotation"),
    ("no CIDR", VNET, but(network(), "addressSpace/addressPrefixes", ["10.0.0/16"]), "400 InvalidAddressPrefixFormat"),
    ("subnet outside", f"{VNET}/subnets/other", subnet("10.1.0.0/24"), "400 NetcfgSubnetRangeOutsideVnet"),
    ("subnets overlap", f"{VNET}/subnets/other", subnet("10.0.1.128/25"), "400 NetcfgSubnetRangesOverlap"),
    (
        "subnet with users leaves them outside",
        f"{VNET}/subnets/snet",
        subnet("10.0.2.0/24"),
        "400 InUsePrefixCannotBeDeleted",
    ),
    ("subnet with users dropped", VNET, but(network(), "subnets", []), "400 InUseSubnetCannotBeDeleted"),
    (
        "subnet of nothing",
        f"{NETWORK}/virtualNetworks/none/subnets/s",
        subnet("10.0.2.0/24"),
        "404 ParentResourceNotFound",
    ),
    (
        "subnet with a group that is not there",
        f"{VNET}/subnets/other",
        {"properties": {"addressPrefix": "10.0.2.0/24", "networkSecurityGroup": {"id": f"{NSG}x"}}},
        "400 InvalidResourceReference",
    ),
    # security group
    ("priority", NSG, security_group(rule(priority=99)), "400 SecurityRuleInvalidPriority"),
    ("equal priorities", NSG, security_group(rule(), rule("b")), "400 SecurityRuleConflict"),
    ("port", NSG, security_group(rule(destinationPortRange="70000")), "400 SecurityRuleInvalidPortRange"),
    ("ports", NSG, security_group(rule(destinationPortRange="30-20")), "400 SecurityRuleInvalidPortRange"),
    ("prefix", NSG, security_group(rule(sourceAddressPrefix="10.0.0.0/40")), "400 SecurityRuleInvalidAddressPrefix"),
    ("unknown tag", NSG, security_group(rule(sourceAddressPrefix="Moon")), "400 SecurityRuleInvalidAddressPrefix"),
    (
        "tag in a list",
        NSG,
        security_group(rule(sourceAddressPrefix=None, sourceAddressPrefixes=["Internet"])),
        "400 SecurityRuleParameterContainsUnsupportedValue",
    ),
    ("protocol", NSG, security_group(rule(protocol="SCTP")), "400 InvalidRequestContent"),
    # public address and NAT gateway
    ("Basic", f"{PIP}2", changed(public_address(), "sku", {}), "400 IPv4BasicSkuPublicIpCountLimitReached"),
    (
        "Dynamic",
        f"{PIP}2",
        but(public_address(), "publicIPAllocationMethod", "Dynamic"),
        "400 StandardSkuPublicIPAddressesMustBeStatic",
    ),
    ("zones change", PIP, {**public_address(), "zones": ["1"]}, "409 ResourceAvailabilityZonesCannotBeModified"),
    (
        "label with a dot",
        f"{PIP}2",
        but(public_address(), "dnsSettings/domainNameLabel", "db.shop"),
        "400 InvalidDomainNameLabel",
    ),
    (
        "another address's label",
        f"{PIP}2",
        but(public_address(), "dnsSettings/domainNameLabel", "shop"),
        "400 DnsRecordInUse",
    ),
    ("zone 4", f"{PIP}2", {**public_address(), "zones": ["4"]}, "400 InvalidAvailabilityZone"),
    (
        "gateway takes the balancer's address",
        f"{NETWORK}/natGateways/nat",
        but(nat_gateway(), "publicIpAddresses/0/id", PIP),
        "400 PublicIPAddressInUse",
    ),
    # balancer
    ("balancer without sku", f"{LB}2", changed(balancer(), "sku", {}), "400 PublicIPAndLBSkuDoNotMatch"),
    ("rule without frontend", LB, mysql("frontendIPConfiguration", {}), "400 InvalidResourceReference"),
    ("rule with another's probe", LB, mysql("probe/id", f"{LB}2/probes/probe"), "400 InvalidResourceReference"),
    (
        "equal frontend ports",
        LB,
        lb("inboundNatRules/0/properties/frontendPort", 3306),
        "400 RulesUseSameFrontendPortProtocolAndIPConfig",
    ),
    (
        "NAT rule's port",
        LB,
        lb("inboundNatRules/0/properties/frontendPort", 65535),
        "400 LoadBalancingRulePortOutOfRange",
    ),
    ("probe's interval", LB, lb("probes/0/properties/intervalInSeconds", 4), "400 ProbeIntervalOutOfRange"),
    ("probe's threshold", LB, lb("probes/0/properties/probeThreshold", 0), "400 ProbeThresholdOutOfRange"),
    ("idle time-out", LB, mysql("idleTimeoutInMinutes", 3), "400 LoadBalancingRuleIdleTimeoutOutOfRange"),
    ("distribution by the source", LB, mysql("loadDistribution", "SourceIP"), "400 LabNotSupported"),
    ("SNAT by a rule", LB, mysql("disableOutboundSnat", False), "400 LabNotSupported"),
    (
        "pool with members dropped",
        LB,
        but(
            lb("backendAddressPools/0/name", "other"),
            "loadBalancingRules/0/properties/backendAddressPool/id",
            f"{LB}/backendAddressPools/other",
        ),
        "400 LabLoadBalancerPartInUse",
    ),
    # interface
    (
        "application security group",
        NIC3,
        nic3("applicationSecurityGroups", [{"id": "/nowhere"}]),
        "400 LabNotSupported",
    ),
    ("address outside", NIC3, nic3("privateIPAddress", "10.0.2.13"), "400 PrivateIPAddressNotInSubnet"),
    ("reserved address", NIC3, nic3("privateIPAddress", "10.0.1.3"), "400 PrivateIPAddressInReservedRange"),
    ("last address", NIC3, nic3("privateIPAddress", "10.0.1.255"), "400 PrivateIPAddressInReservedRange"),
    ("address in use", NIC3, nic3("privateIPAddress", "10.0.1.11"), "400 PrivateIPAddressIsAllocated"),
    (
        "pool that is not there",
        NIC3,
        nic3("loadBalancerBackendAddressPools/0/id", f"{LB}/backendAddressPools/x"),
        "400 InvalidResourceReference",
    ),
    (
        "NAT rule in use",
        NIC3,
        nic3("loadBalancerInboundNatRules/0/id", f"{LB}/inboundNatRules/ssh1"),
        "400 LabInboundNatRuleInUse",
    ),
    (
        "public address in use",
        NIC1,
        but(interface(1), "ipConfigurations/0/properties/publicIPAddress", {"id": PIP}),
        "400 PublicIPAddressInUse",
    ),
    # disk
    ("disk shrinks", DATA1, but(disk(), "diskSizeGB", 2), "409 ResizeDiskError"),
    ("no size", NEW_DISK, but(disk(), "diskSizeGB", None), "400 MissingRequiredParameter"),
    ("size", NEW_DISK, but(disk(), "diskSizeGB", 40000), "400 InvalidParameter"),
    ("disk's sku", NEW_DISK, changed(disk(), "sku/name", "Fast_LRS"), "400 InvalidRequestContent"),
    ("disk's zone", DATA1, {**disk(), "zones": ["1"]}, "409 PropertyChangeNotAllowed"),
    ("PremiumV2 without zone", NEW_DISK, changed(disk(), "sku/name", "PremiumV2_LRS"), "400 BadRequest"),
    # availability set
    ("domains change", SET, but(availability_set(), "platformFaultDomainCount", 3), "409 PropertyChangeNotAllowed"),
    ("disk grows beyond what is attached", DATA1, but(disk(), "diskSizeGB", 4096), "409 OperationNotAllowed"),
    ("sku of an attached disk", DATA1, changed(disk(), "sku/name", "Standard_LRS"), "409 OperationNotAllowed"),
    # machine: new
    ("Gen2 image, Gen1 size", VM3, vm3("hardwareProfile/vmSize", "Standard_A2_v2"), "400 BadRequest"),
    ("confidential size", VM3, vm3("hardwareProfile/vmSize", "Standard_DC2as_v5"), "400 BadRequest"),
    ("a security that the size has not", VM3, vm3("securityProfile/securityType", "ConfidentialVM"), "400 BadRequest"),
    (
        "Trusted Launch that the size has not",
        VM3,
        but(vm3("hardwareProfile/vmSize", "Standard_M64s"), "securityProfile/securityType", "TrustedLaunch"),
        "400 BadRequest",
    ),
    (
        "SCSI on NVMe",
        VM3,
        but(vm3("hardwareProfile/vmSize", "Standard_D2s_v6"), "storageProfile/diskControllerType", "SCSI"),
        "400 InvalidParameter",
    ),
    ("NVMe on SCSI", VM3, vm3("storageProfile/diskControllerType", "NVMe"), "400 InvalidParameter"),
    ("size", VM3, vm3("hardwareProfile/vmSize", "Standard_Huge"), "400 InvalidParameter"),
    (
        "Ubuntu",
        VM3,
        vm3(
            "storageProfile/imageReference",
            {"publisher": "Canonical", "offer": "ubuntu-24_04-lts", "sku": "server", "version": "latest"},
        ),
        "404 PlatformImageNotFound",
    ),
    ("no keys", VM3, vm3("osProfile/linuxConfiguration/ssh/publicKeys", []), "400 InvalidParameter"),
    ("key's path", VM3, vm3("osProfile/linuxConfiguration/ssh/publicKeys/0/path", "/root/x"), "400 InvalidParameter"),
    (
        "DSA key",
        VM3,
        vm3("osProfile/linuxConfiguration/ssh/publicKeys/0/keyData", "ssh-dss AAAA x"),
        "400 InvalidParameter",
    ),
    ("admin", VM3, vm3("osProfile/adminUsername", "admin"), "400 InvalidParameter"),
    ("no base64", VM3, vm3("osProfile/customData", "#!"), "400 InvalidParameter"),
    ("custom data too long", VM3, vm3("osProfile/customData", "QUFB" * 22000), "400 InvalidParameter"),
    ("host name", VM3, vm3("osProfile/computerName", "n" * 65), "400 InvalidParameter"),
    ("interface in use", VM3, vm3("networkProfile/networkInterfaces/0/id", NIC1), "400 NicInUse"),
    (
        "second interface",
        VM3,
        vm3("networkProfile/networkInterfaces", [{"id": NIC3}, {"id": NIC1}]),
        "400 LabNotSupported",
    ),
    ("disk in use", VM3, vm3("storageProfile/dataDisks/0/managedDisk/id", DATA1), "409 ConflictingUserInput"),
    (
        "equal LUNs",
        VM3,
        vm3(
            "storageProfile/dataDisks",
            [{"lun": 0, "createOption": "Attach", "managedDisk": {"id": f"{COMPUTE}/disks/free"}}] * 2,
        ),
        "400 InvalidParameter",
    ),
    ("zone and set", VM3, {**machine(3), "zones": ["1"]}, "400 BadRequest"),
    (
        "disk of no zone on a machine of one",
        VM3,
        but({**machine(3), "zones": ["1"]}, "availabilitySet", None),
        "400 BadRequest",
    ),
    ("Classic set", VM3, vm3("availabilitySet/id", f"{COMPUTE}/availabilitySets/classic"), "409 OperationNotAllowed"),
    ("system disk's name in use", VM3, vm3("storageProfile/osDisk/name", "data1"), "409 ConflictingUserInput"),
    # properties that there are none of
    ("unknown of a disk", DATA1, but(disk(), "diskSizeGiB", 4), "400 BadRequest"),
    ("unknown beside", SET, {"location": REGION, "skew": {"name": "Aligned"}}, "400 BadRequest"),
    ("unknown of a rule", NSG, security_group(rule(sourcePort="*")), "400 InvalidRequestFormat"),
    ("unknown in a machine", VM3, vm3("storageProfile/dataDisks/0/cache", "None"), "400 BadRequest"),
    # machine: changed
    (
        "a size with another controller",
        VM1,
        but(machine(), "hardwareProfile/vmSize", "Standard_D2s_v6"),
        "400 InvalidParameter",
    ),
    ("new size unknown", VM1, but(machine(), "hardwareProfile/vmSize", "x"), "400 InvalidParameter"),
    ("customData", VM1, but(machine(), "osProfile/customData", "QUFB"), "409 PropertyChangeNotAllowed"),
    ("computerName", VM1, but(machine(), "osProfile/computerName", "other"), "409 PropertyChangeNotAllowed"),
    ("set removed", VM1, but(machine(), "availabilitySet", None), "409 PropertyChangeNotAllowed"),
    (
        "image",
        VM1,
        but(
            but(machine(), "storageProfile/imageReference/offer", "debian-13"),
            "storageProfile/imageReference/sku",
            "13-gen2",
        ),
        "409 PropertyChangeNotAllowed",
    ),
    ("interface", VM1, but(machine(), "networkProfile/networkInterfaces/0/id", NIC3), "409 OperationNotAllowed"),
    # storage
    ("account's name", f"{STORAGE}/ST-1", account(), "400 AccountNameInvalid"),
    (
        "account of another group",
        f"{ELSEWHERE}/providers/Microsoft.Storage/storageAccounts/stbackup",
        account(),
        "409 StorageAccountAlreadyTaken",
    ),
    ("account without a kind", f"{STORAGE}/st2", changed(account(), "kind", None), "400 MissingRequiredParameter"),
    ("account of files", f"{STORAGE}/st2", changed(account(), "kind", "FileStorage"), "400 LabNotSupported"),
    ("account's SKU", f"{STORAGE}/st2", changed(account(), "sku/name", "Premium"), "400 InvalidRequestContent"),
    (
        "no zones",
        f"{STORAGE}/st2",
        {**account(), "location": "westus", "sku": {"name": "Standard_ZRS"}},
        "400 InvalidRequestPropertyValue",
    ),
    ("account into zones", ACCOUNT, changed(account(), "sku/name", "Standard_ZRS"), "409 LabStorageConversion"),
    ("unknown of an account", ACCOUNT, but(account(), "allowKeys", True), "400 BadRequest"),
    ("part of no account", f"{STORAGE}/st2/blobServices/default", {}, "404 ResourceNotFound"),
    ("another service", f"{ACCOUNT}/blobServices/other", {}, "400 InvalidResourceName"),
    (
        "days of soft deletion",
        f"{ACCOUNT}/blobServices/default",
        {"properties": {"deleteRetentionPolicy": {"enabled": True, "days": 366}}},
        "400 InvalidRequestPropertyValue",
    ),
    ("container's name", f"{CONTAINERS}/a--b", {}, "400 InvalidResourceName"),
    (
        "container for the world",
        f"{CONTAINERS}/backup",
        {"properties": {"publicAccess": "Blob"}},
        "409 PublicAccessNotPermitted",
    ),
    (
        "policy of no container",
        f"{CONTAINERS}/other/immutabilityPolicies/default",
        immutability(),
        "404 ContainerNotFound",
    ),
    ("policy's name", f"{CONTAINERS}/backup/immutabilityPolicies/other", immutability(), "400 InvalidResourceName"),
    ("policy of no days", IMMUTABLE, immutability(0), "400 InvalidRequestPropertyValue"),
    ("lifecycle without rules", LIFECYCLE, {"properties": {"policy": {"rules": []}}}, "400 LabInvalidManagementPolicy"),
    ("lifecycle's name", f"{ACCOUNT}/managementPolicies/other", lifecycle(), "400 InvalidResourceName"),
    (
        "lifecycle of pages",
        LIFECYCLE,
        but(lifecycle(), "policy/rules/0/definition/filters/blobTypes", ["pageBlob"]),
        "400 LabInvalidManagementPolicy",
    ),
    (
        "lifecycle of versions by modification",
        LIFECYCLE,
        but(lifecycle(), "policy/rules/0/definition/actions/version/delete", {"daysAfterModificationGreaterThan": 1}),
        "400 BadRequest",
    ),
    # alerts
    (
        "action group in a region",
        AG,
        {**action_group(), "location": "westeurope"},
        "400 LocationNotAvailableForResourceType",
    ),
    ("action group's short name", AG, but(action_group(), "groupShortName", "x" * 13), WRONG_GROUP),
    ("two of a name", AG, but(action_group(), "webhookReceivers/0/name", "Email"), WRONG_GROUP),
    ("no address", AG, but(action_group(), "emailReceivers/0/emailAddress", "night"), WRONG_GROUP),
    ("no web hook", AG, but(action_group(), "webhookReceivers/0/serviceUri", "ftp://x"), WRONG_GROUP),
    ("voices", AG, but(action_group(), "voiceReceivers", [{"name": "a"}]), WRONG_GROUP),
    ("severity", AR, but(metric_alert(), "severity", 5), WRONG_RULE),
    ("a short look", AR, but(metric_alert(), "evaluationFrequency", "PT15M"), WRONG_RULE),
    ("no such window", AR, but(metric_alert(), "windowSize", "PT2M"), WRONG_RULE),
    ("of two", AR, but(metric_alert(), "scopes", [VM1, VM1]), WRONG_RULE),
    ("of none", AR, but(metric_alert(), "scopes", [f"{NETWORK}/loadBalancers/x"]), "404 ResourceNotFound"),
    ("another's metric", AR, but(metric_alert(), "scopes", [VM1]), WRONG_RULE),
    ("criteria's type", AR, but(metric_alert(), "criteria/odata.type", "x"), WRONG_RULE),
    ("operator", AR, but(metric_alert(), "criteria/allOf/0/operator", "Less"), "400 InvalidRequestContent"),
    ("threshold", AR, but(metric_alert(), "criteria/allOf/0/threshold", "25"), WRONG_RULE),
    ("nobody told", AR, but(metric_alert(), "actions/0/actionGroupId", f"{AG}x"), WRONG_RULE),
]


async def test_refusals(bench: Bench) -> None:
    """Each of them alone, on a cloud where everything stands; none changes anything."""
    await bench.furnish()
    await bench.put(ELSEWHERE, {"location": REGION})
    await bench.put(f"{COMPUTE}/disks/free", disk())
    labelled = changed(public_address(), "properties/dnsSettings/domainNameLabel", "shop")
    await bench.put(f"{NETWORK}/publicIPAddresses/named", labelled)
    await bench.put(f"{COMPUTE}/disks/data3", disk())
    await bench.put(f"{COMPUTE}/availabilitySets/classic", {"location": REGION, "properties": {}})
    await bench.put(LB, balancer(3))
    await bench.put(NIC3, interface(3))
    dynamic = {"subnet": {"id": f"{VNET}/subnets/snet"}}
    await bench.put(f"{NIC3}4", changed(interface(3), "properties/ipConfigurations/0/properties", dynamic))
    before = {resource.key: (resource.body, resource.etag) for resource in bench.site.store}
    wrong: list[str] = []
    for what, path, body, expected in REFUSALS:
        status, answer, _ = await bench.ask("PUT", path, body)
        found = f"{status} {answer['error']['code'] if 'error' in answer else 'was accepted'}"
        if found != expected:
            wrong.append(f"{what}: {found}, expected {expected}: {answer}")
    assert not wrong, "\n".join(wrong)
    assert {resource.key: (resource.body, resource.etag) for resource in bench.site.store} == before


async def test_what_is_in_use_is_not_deleted(bench: Bench) -> None:
    await bench.furnish()
    refusals = {
        NIC1: "400 NicInUse",
        PIP: "400 PublicIPAddressCannotBeDeleted",
        f"{NETWORK}/publicIPAddresses/egress": "400 PublicIPAddressCannotBeDeleted",
        VNET: "400 InUseSubnetCannotBeDeleted",
        f"{VNET}/subnets/snet": "400 InUseSubnetCannotBeDeleted",
        NSG: "400 InUseNetworkSecurityGroupCannotBeDeleted",
        f"{NETWORK}/natGateways/nat": "400 InUseNatGatewayCannotBeDeleted",
        LB: "400 LoadBalancerInUse",
        ZONE: "409 CannotDeleteResource",
        SET: "409 OperationNotAllowed",
        DATA1: "409 OperationNotAllowed",
    }
    assert {path: await bench.refused("DELETE", path) for path in refusals} == refusals


async def test_deletion_in_the_right_order_leaves_nothing(bench: Bench, tmp_path: Path) -> None:
    await bench.furnish()
    for path in reversed(everything()):
        assert (await bench.ask("DELETE", path))[0] == 200, path
        assert (await bench.ask("DELETE", path))[0] == 204, path
    assert {resource.id for resource in bench.site.store} == {GROUP}
    assert not bench.machines.running
    assert not bench.fabric.taps and not bench.fabric.bridges and not bench.fabric.public
    assert not list((tmp_path / "disks").iterdir())


async def test_a_group_goes_with_all_that_is_in_it(bench: Bench) -> None:
    await bench.furnish()
    status, _, headers = await bench.ask("DELETE", GROUP)
    assert status == 202
    location = headers["Location"].partition("?")[0].partition("//")[2]
    path = location[location.index("/") :]
    for _ in range(100):
        status, _, _ = await bench.ask("GET", path)
        if status == 200:
            break
        await asyncio.sleep(0.01)
    assert status == 200
    assert list(bench.site.store) == []
    assert (await bench.ask("HEAD", GROUP))[0] == 404


async def test_power(bench: Bench) -> None:
    await bench.furnish()

    async def state() -> str:
        view = await bench.get(f"{VM1}/instanceView")
        return view["statuses"][1]["code"]

    async def act(action: str, query: str = "") -> str:
        status, _, _ = await bench.ask("POST", f"{VM1}/{action}", query=query)
        assert status == 200
        return await state()

    bench.machines.calls.clear()
    assert await act("powerOff", "&skipShutdown=true") == "PowerState/stopped"
    assert bench.machines.calls == [("power_off", "vm1")]
    assert await bench.refused("POST", f"{VM1}/restart") == "409 OperationNotAllowed"
    assert await act("start") == "PowerState/running"
    assert await act("powerOff") == "PowerState/stopped"
    assert bench.machines.calls[-1] == ("shut_down", "vm1")
    assert await act("deallocate") == "PowerState/deallocated"
    assert await act("start") == "PowerState/running"
    assert await act("restart") == "PowerState/running"
    bench.machines.running.clear()
    assert await state() == "PowerState/stopped"
    assert await bench.refused("POST", f"{VM1}/explode") == "404 NotFound"


async def test_a_disk_of_a_running_machine_is_plugged(bench: Bench) -> None:
    await bench.furnish()
    await bench.put(f"{COMPUTE}/disks/more", disk())
    more = {"lun": 2, "createOption": "Attach", "managedDisk": {"id": f"{COMPUTE}/disks/more"}}
    disks = machine()["properties"]["storageProfile"]["dataDisks"]
    await bench.put(VM1, changed(machine(), "properties/storageProfile/dataDisks", [*disks, more]))
    assert bench.machines.calls[-1] == ("attach 2 more", "vm1")
    await bench.put(VM1, changed(machine(), "properties/storageProfile/dataDisks", [more]))
    assert bench.machines.calls[-1] == ("detach 0", "vm1")
    assert "managedBy" not in await bench.get(DATA1)


async def test_a_machine_that_does_not_start_fails_and_can_be_made_again(bench: Bench) -> None:
    await bench.furnish(vm1=None, vm2=None)
    bench.machines.refuse_to_start = "no memory"
    assert await bench.refused("PUT", VM1, machine()) == "409 OSProvisioningInternalError"
    assert (await bench.get(VM1))["properties"]["provisioningState"] == "Failed"
    bench.machines.refuse_to_start = ""
    await bench.put(VM1, machine())


async def test_a_slow_boot_is_polled_and_survives_the_cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.cloud.changes._QUICK_SECONDS", 0.05)
    async with cloud_bench.running(tmp_path, keeps_state=True) as bench:
        bench.machines.let_in = False
        await bench.furnish(vm1=None, vm2=None)
        status, answer, headers = await bench.ask("PUT", VM1, machine())
        assert status == 201
        assert answer["properties"]["provisioningState"] == "Creating"
        assert headers["Retry-After"] == "1"
        url = headers["Azure-AsyncOperation"].partition("?")[0].partition("//")[2]
        path = url[url.index("/") :]
        status, answer, headers = await bench.ask("GET", path)
        assert (status, answer["status"], headers["Retry-After"]) == (200, "InProgress", "1")
        # The cloud ends, and another one goes on with what it finds.
        await bench.operations.close()
        again = Store(tmp_path / "state.json")
        bench.site.store = again
        bench.site.inventory = type(bench.site.inventory)(again)
        second = Operations(bench.site)
        second.resume()
        bench.machines.let_in = True
        for operation in again.unfinished():
            assert await second.wait(operation, 5)
        found = again.get(VM1)
        assert found is not None
        assert found.provisioning == "Succeeded"
        await second.close()


async def test_patch_merges(bench: Bench) -> None:
    await bench.furnish()
    status, answer, _ = await bench.ask("PATCH", VM1, {"tags": {"a": "b"}})
    assert (status, answer["tags"]) == (200, {"a": "b"})
    status, answer, _ = await bench.ask("PATCH", DATA1, {"properties": {"diskSizeGB": 8}})
    assert (status, answer["properties"]["diskSizeGB"]) == (200, 8)
    assert await bench.refused("PATCH", DATA1, {"properties": {"diskSizeGiB": 16}}) == "400 BadRequest"


async def test_who_asks_is_checked(bench: Bench) -> None:
    status, answer, headers = await bench.ask("GET", GROUP, token="nonsense")
    assert (status, answer["error"]["code"]) == (401, "InvalidAuthenticationToken")
    assert "authorization_uri" in headers["WWW-Authenticate"]
    stranger = Tokens(b"k" * 32).issue(Principal("someone", "else"))
    status, answer, _ = await bench.ask("GET", GROUP, token=stranger)
    assert (status, answer["error"]["code"]) == (403, "AuthorizationFailed")
    other_key = Tokens(b"x" * 32).issue(ENGINE)
    assert (await bench.ask("GET", GROUP, token=other_key))[0] == 401
    other_audience = Tokens(b"k" * 32).issue(ENGINE, "https://vault.azure.net")
    assert (await bench.ask("GET", GROUP, token=other_audience))[0] == 401
    form = {
        "grant_type": "client_credentials",
        "client_id": CLIENT_ID,
        "client_secret": "wrong",
        "scope": "https://management.azure.com/.default",
    }
    async with bench.web.post(f"/{TENANT}/oauth2/v2.0/token", data=form) as response:
        assert response.status == 401
        assert (await response.json())["error"] == "invalid_client"
    form["client_secret"] = CLIENT_SECRET
    async with bench.web.post(f"/{TENANT}/oauth2/v2.0/token", data=form) as response:
        bench.token = (await response.json())["access_token"]
    assert (await bench.ask("GET", GROUP))[0] == 404
    async with bench.web.get(GROUP, headers={"Authorization": f"Bearer {bench.token}"}) as response:
        assert (await response.json())["error"]["code"] == "MissingApiVersionParameter"


async def test_a_fault_of_the_cloud_is_an_answer(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ResourceManager, "_group_level", None)
    status, answer, _ = await bench.ask("GET", GROUP)
    assert (status, answer["error"]["code"]) == (500, "InternalServerError")
