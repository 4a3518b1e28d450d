"""The stand-in under the real engine: a small program's whole life, against an ARM that keeps what it is sent.

Needs the tool chain, and neither root nor the lab's machines. What the lab cloud says to the real program, with
everything that Azure checks, is what the lab's own tests see: up again, a preview offline, drift.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from components.checkout import CHECKOUT
from lab import azure_native, toolchain
from lab.lab import wait_until
from operations.cli import Cli
from operations.resume import resume
from tests.support import fake_arm
from tests.support.cloud_bench import SSH_KEY
from tests.support.fake_arm import Canned, FakeArm

pytestmark = pytest.mark.timeout(1800)  # a cold build of the tool chain takes minutes

PROGRAM = """
import pulumi
from pulumi_azure_native import authorization, compute, network, resources

config = pulumi.Config()
tag = {"stage": config.require("tag")}
prefix = config.require("prefix")
place = {"location": "westeurope", "tags": tag}

group = resources.ResourceGroup("group", resource_group_name="rg", location="westeurope")
place["resource_group_name"] = group.name
rules = [
    network.SecurityRuleArgs(
        name="ssh", priority=100, direction="Inbound", access="Allow", protocol="Tcp", source_port_range="*",
        source_address_prefixes=["198.51.100.0/24"], destination_address_prefix="*", destination_port_range="22",
    )
]
nsg = network.NetworkSecurityGroup("nsg", network_security_group_name="nsg", security_rules=rules, **place)
vnet = network.VirtualNetwork(
    "vnet", virtual_network_name="vnet",
    address_space=network.AddressSpaceArgs(address_prefixes=["10.0.0.0/16"]), **place,
)
subnet = network.Subnet(
    "subnet", subnet_name="subnet", resource_group_name=group.name, virtual_network_name=vnet.name,
    address_prefix="10.0.0.0/24", network_security_group=network.NetworkSecurityGroupArgs(id=nsg.id),
)
address = network.PublicIPAddress(
    "address", public_ip_address_name=f"{prefix}-pip", public_ip_allocation_method="Static",
    sku=network.PublicIPAddressSkuArgs(name="Standard"), **place,
)
balancer_id = pulumi.Output.concat(group.id, "/providers/Microsoft.Network/loadBalancers/lb")
balancer = network.LoadBalancer(
    "balancer", load_balancer_name="lb", sku=network.LoadBalancerSkuArgs(name="Standard"),
    frontend_ip_configurations=[
        network.FrontendIPConfigurationArgs(
            name="front", public_ip_address=network.PublicIPAddressArgs(id=address.id)
        )
    ],
    backend_address_pools=[network.BackendAddressPoolArgs(name="pool")],
    probes=[network.ProbeArgs(name="alive", port=3307, protocol="Tcp", interval_in_seconds=5)],
    load_balancing_rules=[
        network.LoadBalancingRuleArgs(
            name="mysql", protocol="Tcp", frontend_port=3306, backend_port=3306,
            frontend_ip_configuration=network.SubResourceArgs(
                id=pulumi.Output.concat(balancer_id, "/frontendIPConfigurations/front")
            ),
            backend_address_pool=network.SubResourceArgs(id="$self/backendAddressPools/pool"),
            probe=network.SubResourceArgs(id="$self/probes/alive"), disable_outbound_snat=True,
        )
    ],
    **place,
)
availability_set = compute.AvailabilitySet(
    "set", availability_set_name="set", sku=compute.SkuArgs(name="Aligned"), platform_fault_domain_count=2,
    platform_update_domain_count=5,
    # An input of the SDK that Azure fills in: after a refresh, the real plug-in wants to take it away as well.
    opts=pulumi.ResourceOptions(ignore_changes=["virtualMachines"]), **place,
)
for node in ("a", "b"):
    nic = network.NetworkInterface(
        f"nic-{node}", network_interface_name=f"nic-{node}",
        ip_configurations=[
            network.NetworkInterfaceIPConfigurationArgs(
                name="main", subnet=network.SubnetArgs(id=subnet.id),
                load_balancer_backend_address_pools=[
                    network.BackendAddressPoolArgs(
                        id=balancer.id.apply(lambda id_: f"{id_}/backendAddressPools/pool")
                    )
                ],
            )
        ],
        **place,
    )
    disk = compute.Disk(
        f"disk-{node}", disk_name=f"disk-{node}", disk_size_gb=4, sku=compute.DiskSkuArgs(name="Premium_LRS"),
        creation_data=compute.CreationDataArgs(create_option="Empty"), **place,
    )
    vm = compute.VirtualMachine(
        f"vm-{node}", vm_name=f"vm-{node}",
        identity=compute.VirtualMachineIdentityArgs(type=compute.ResourceIdentityType.SYSTEM_ASSIGNED),
        availability_set=compute.SubResourceArgs(id=availability_set.id),
        hardware_profile=compute.HardwareProfileArgs(vm_size="Standard_B2s"),
        os_profile=compute.OSProfileArgs(
            admin_username="azureuser", computer_name=node, custom_data=config.require_secret("customData"),
            linux_configuration=compute.LinuxConfigurationArgs(
                disable_password_authentication=True,
                ssh=compute.SshConfigurationArgs(
                    public_keys=[
                        compute.SshPublicKeyArgs(
                            path="/home/azureuser/.ssh/authorized_keys", key_data=config.require("sshKey")
                        )
                    ]
                ),
            ),
        ),
        storage_profile=compute.StorageProfileArgs(
            image_reference=compute.ImageReferenceArgs(
                publisher="Debian", offer="debian-12", sku="12-gen2", version="latest"
            ),
            os_disk=compute.OSDiskArgs(
                name=f"os-{node}", create_option="FromImage", delete_option="Delete",
                managed_disk=compute.ManagedDiskParametersArgs(storage_account_type="StandardSSD_LRS"),
            ),
            data_disks=[
                compute.DataDiskArgs(
                    lun=0, create_option="Attach", managed_disk=compute.ManagedDiskParametersArgs(id=disk.id)
                )
            ]
        ),
        network_profile=compute.NetworkProfileArgs(
            network_interfaces=[compute.NetworkInterfaceReferenceArgs(id=nic.id, primary=True)]
        ),
        **place,
    )
    authorization.RoleAssignment(
        f"fence-{node}", role_assignment_name=f"00000000-0000-0000-0000-00000000000{node}", scope=vm.id,
        principal_id=vm.identity.apply(lambda identity: identity.principal_id),
        principal_type="ServicePrincipal", role_definition_id="/roleDefinitions/fence",
    )
    pulumi.export(f"vm-{node}", vm.vm_id)
pulumi.export("address", address.ip_address)
pulumi.export("subscription", authorization.get_client_config_output().subscription_id)
"""
ASSIGNMENT = """
import pulumi
from components.azure import propagation
from components.azure.role import assign_role

propagation._PAUSE_SECONDS = 0.2
who = pulumi.Output.from_input("principal")
made = assign_role("fences", role_id="/roleDefinitions/fence", principal_id=who, scope="/subscriptions/s", parent=None)
pulumi.export("assignment", made.name)
"""
DISK = """
import pulumi
from components.azure import propagation
from pulumi_azure_native import compute

propagation._PAUSE_SECONDS = 0.2
disk = compute.Disk(
    "data", disk_name="disk", resource_group_name="rg", location="westeurope", disk_size_gb=4,
    creation_data=compute.CreationDataArgs(create_option=compute.DiskCreateOption.EMPTY),
    opts=pulumi.ResourceOptions(hooks=propagation.asked_again("data")),
)
"""
RESOURCES = 15  # of Azure; the stack itself makes one more
CUSTOM_DATA = "I2Nsb3VkLWNvbmZpZwp7fQo="


@dataclass
class Stack:
    """The program, with a home and a back end of its own.

    Args:
        folder: where all of it is.
        chain: the engine.
        environment: what the engine and the plug-in find in their environment.
    """

    folder: Path
    chain: toolchain.Toolchain
    environment: dict[str, str]

    def pulumi(self, *arguments: str, fails: bool = False) -> str:
        """Run the CLI, and return what it says.

        Args:
            arguments: what to run.
            fails: whether it is to fail.
        """
        run = subprocess.run(
            [self.chain.pulumi, *arguments, "--non-interactive", "--color=never"],
            cwd=self.folder / "program",
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        assert (run.returncode != 0) == fails, run.stdout
        assert "Traceback" not in run.stdout, run.stdout
        return run.stdout

    def changes(self, *arguments: str) -> dict[str, int]:
        """Run `preview`, and return how many resources each operation is meant for."""
        shown = json.loads(self.pulumi("preview", "--json", *arguments).split("\n{", 1)[0])
        return cast("dict[str, int]", shown["changeSummary"])

    def up(self) -> dict[str, int]:
        """Run `up`, and return how many resources each operation was done to."""
        self.pulumi("up", "--yes", "--skip-preview")
        history = json.loads(self.pulumi("stack", "history", "--json", "--page-size=1"))
        return cast("dict[str, int]", history[0]["resourceChanges"])

    def set(self, key: str, value: str) -> None:
        """Set one of the program's settings."""
        self.pulumi("config", "set", key, value)

    def output(self, name: str) -> str:
        """Return one of the program's outputs."""
        return self.pulumi("stack", "output", name).strip()


@pytest.fixture
def offline(tmp_path: Path) -> Iterator[Stack]:
    """The program, with no Azure to ask."""
    chain = toolchain.ensure(print)
    home, program = tmp_path / "home", tmp_path / "program"
    program.mkdir()
    (tmp_path / "backend").mkdir()
    (program / "__main__.py").write_text(PROGRAM)
    (program / ".venv").symlink_to(sys.prefix)
    (program / "Pulumi.yaml").write_text(
        "name: standin\nruntime:\n  name: python\n  options: {toolchain: pip, virtualenv: .venv}\n"
    )
    toolchain.prepare_home(home, chain)
    azure_native.install(home, Path(sys.executable))
    # The SDK is large: without compiled modules its import takes ten seconds.
    unwanted = ("ARM_", "PULUMI_", "PYTHONDONTWRITEBYTECODE")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(unwanted)}
    environment |= toolchain.engine_environment(home, chain)
    environment |= {"PULUMI_BACKEND_URL": f"file://{tmp_path / 'backend'}", "PULUMI_CONFIG_PASSPHRASE": "test"}
    stack = Stack(tmp_path, chain, environment)
    stack.pulumi("stack", "init", "test")
    stack.set("tag", "one")
    stack.set("prefix", "first")
    stack.set("sshKey", SSH_KEY)
    stack.pulumi("config", "set", "--secret", "customData", CUSTOM_DATA)
    yield stack
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def arm(tmp_path: Path) -> Iterator[FakeArm]:
    """An ARM that is slow enough for its long-running operations to be waited for."""
    directory = tmp_path / "arm"
    directory.mkdir()
    with fake_arm.running(directory) as server:
        server.style = "operation"
        yield server


@pytest.fixture
def stack(offline: Stack, arm: FakeArm) -> Stack:
    """The program, and an ARM to ask."""
    offline.environment |= arm.environment
    return offline


def test_up_offline_says_what_is_missing(offline: Stack) -> None:
    shown = offline.pulumi("up", "--yes", "--skip-preview", fails=True)
    assert "no Azure subscription: set ARM_SUBSCRIPTION_ID" in shown


@pytest.mark.long
def test_a_whole_life(stack: Stack, arm: FakeArm) -> None:
    begun = time.monotonic()
    shown = stack.pulumi("up", "--yes", "--skip-preview")
    print(f"up of {RESOURCES} resources: {time.monotonic() - begun:.1f} s")
    assert f"+ {RESOURCES + 1} created" in shown
    assert "azure-native from" not in shown  # the engine's warning about a plug-in that it found elsewhere
    assert CUSTOM_DATA not in shown
    assert len(arm.resources) == RESOURCES
    assert stack.output("subscription") == fake_arm.SUBSCRIPTION
    assert stack.output("address") == "203.0.113.10"
    rule = _properties(arm, "lb")["loadBalancingRules"][0]["properties"]
    assert rule["probe"]["id"].endswith("/resourceGroups/rg/providers/Microsoft.Network/loadBalancers/lb/probes/alive")
    assert rule["frontendIPConfiguration"]["id"].endswith("/loadBalancers/lb/frontendIPConfigurations/front")
    state = "".join(path.read_text() for path in (stack.folder / "backend").rglob("*") if path.is_file())
    assert CUSTOM_DATA not in state

    # Again: nothing to do, and nothing asked.
    arm.calls.clear()
    assert stack.up() == {"same": RESOURCES + 1}
    assert arm.calls == []

    # A tag: an update of what bears it, and nothing else touched.
    machines = stack.output("vm-a"), stack.output("vm-b")
    stack.set("tag", "two")
    tagged = RESOURCES - 4  # all but the group, the subnet and the role assignments
    assert stack.changes() == {"same": 5, "update": tagged}
    assert stack.up() == {"same": 5, "update": tagged}
    assert len(arm.made()) == tagged
    assert (stack.output("vm-a"), stack.output("vm-b")) == machines

    # Another name: a replacement, the old one first; what refers to it is updated.
    stack.set("prefix", "second")
    assert stack.up()["replace"] == 1
    names = [path.rsplit("/", 1)[-1] for path in arm.resources if "publicipaddresses" in path]
    assert names == ["second-pip"]
    assert (stack.output("vm-a"), stack.output("vm-b")) == machines

    # Somebody changes things by hand; refresh finds it, up repairs it.
    assert f"{RESOURCES + 1} unchanged" in stack.pulumi("refresh", "--yes", "--skip-preview")
    assert stack.changes() == {"same": RESOURCES + 1}
    _properties(arm, "nsg")["securityRules"][0]["properties"]["sourceAddressPrefixes"] = ["0.0.0.0/0"]
    del arm.resources[_path(arm, "disk-b")]
    stack.pulumi("refresh", "--yes", "--skip-preview")
    shown = stack.pulumi("preview", "--diff")
    assert '"0.0.0.0/0" => "198.51.100.0/24"' in shown
    # The machine too: the new disk's id is not known yet.
    assert stack.changes() == {"same": RESOURCES - 2, "update": 2, "create": 1}
    stack.up()
    assert _properties(arm, "nsg")["securityRules"][0]["properties"]["sourceAddressPrefixes"] == ["198.51.100.0/24"]
    assert stack.changes("--refresh") == {"same": RESOURCES + 1}

    stack.pulumi("destroy", "--yes", "--skip-preview")
    assert arm.resources == {}


def test_what_is_half_made_is_mended(stack: Stack, arm: FakeArm) -> None:
    arm.failing["vm-a"] = {"code": "AllocationFailed", "message": "no room in the zone"}
    shown = stack.pulumi("up", "--yes", "--skip-preview", fails=True)
    assert 'Code="AllocationFailed" Message="no room in the zone"' in shown
    arm.failing.clear()
    shown = stack.pulumi("up", "--yes", "--skip-preview")
    assert "error" not in shown
    assert stack.changes() == {"same": RESOURCES + 1}


@pytest.mark.long
def test_an_assignment_waits_until_azure_knows_the_role(stack: Stack, arm: FakeArm) -> None:
    (stack.folder / "program" / "__main__.py").write_text(ASSIGNMENT)
    stack.environment["PYTHONPATH"] = str(CHECKOUT)
    shown = stack.pulumi("preview", "--json")
    (name,) = re.findall('"roleAssignmentName": "(.*?)"', shown)

    def refusal(code: str) -> Canned:
        return Canned(400, {"error": {"code": code, "message": "not there"}})

    arm.canned["PUT", name] = [refusal("RoleDefinitionDoesNotExist"), refusal("PrincipalNotFound")]
    shown = stack.pulumi("up", "--yes", "--skip-preview")
    told = "warning: fences: Azure has not yet spread the new role, identity or right"
    assert f"{told} (RoleDefinitionDoesNotExist); retrying for 10 minutes" in shown
    assert f"{told} (PrincipalNotFound)" not in shown and "error: " not in shown
    assert arm.made() == [name] * 3
    assert stack.output("assignment") == name

    # Another refusal is an error at once.
    stack.pulumi("destroy", "--yes", "--skip-preview")
    arm.canned["PUT", name] = [refusal("AuthorizationFailed")]
    assert 'Code="AuthorizationFailed"' in stack.pulumi("up", "--yes", "--skip-preview", fails=True)
    assert arm.made() == [name] * 4


@pytest.mark.long
def test_a_disk_waits_until_azure_knows_the_right_to_its_key(stack: Stack, arm: FakeArm) -> None:
    (stack.folder / "program" / "__main__.py").write_text(DISK)
    stack.environment["PYTHONPATH"] = str(CHECKOUT)
    refusal = Canned(400, {"error": {"code": "KeyVaultAccessForbidden", "message": "no get, wrap and unwrap"}})
    arm.canned["PUT", "disk"] = [refusal, refusal]
    shown = stack.pulumi("up", "--yes", "--skip-preview")
    told = "warning: data: Azure has not yet spread the new role, identity or right (KeyVaultAccessForbidden)"
    assert told in shown and "error: " not in shown
    assert arm.made() == ["disk"] * 3


@pytest.mark.long
def test_an_engine_is_killed_while_it_makes_machines(stack: Stack, arm: FakeArm) -> None:
    """Azure goes on; the engine does not know what it has. docs/operations/failed-update.md brings them together."""
    arm.work_seconds = 5
    command = [str(stack.chain.pulumi), "up", "--yes", "--skip-preview", "--non-interactive"]
    engine = subprocess.Popen(
        command, cwd=stack.folder / "program", env=stack.environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    wait_until("both machines' making", lambda: sum("virtualmachines/" in path for path in arm.resources) == 2, 120)
    engine.kill()
    engine.wait()
    arm.work_seconds = 0.05

    # The engine says itself what to do first.
    assert "`pulumi cancel`" in stack.pulumi("up", "--yes", "--skip-preview", fails=True)
    stack.pulumi("cancel", "--yes")
    shown = stack.pulumi("up", "--yes", "--skip-preview", fails=True)
    assert "with 2 pending operations" in shown
    for name in ("vm-a", "vm-b"):
        assert re.search(rf"cannot create already existing resource '/subscriptions/\S+/virtualMachines/{name}'", shown)

    # One of them somebody has deleted since.
    del arm.resources[_path(arm, "vm-b")]
    pulumi = Cli("test", str(stack.chain.pulumi), environment=stack.environment, checkout=stack.folder / "program")
    told = resume(pulumi)
    assert len(told) == 3 and told[-1] == "1 of 2 found in Azure", told
    assert stack.changes("--refresh") == {"create": 3, "same": RESOURCES - 2}
    machine = _properties(arm, "vm-a")["vmId"]
    assert "pending operations" not in stack.pulumi("up", "--yes", "--skip-preview")
    assert stack.output("vm-a") == machine == _properties(arm, "vm-a")["vmId"]
    assert stack.changes("--refresh") == {"same": RESOURCES + 1}
    assert resume(pulumi) == []


@pytest.mark.long
def test_slow_resources_do_not_hold_each_other_up(stack: Stack, arm: FakeArm) -> None:
    arm.work_seconds = 3
    stack.pulumi("up", "--yes", "--skip-preview")
    # The network, its rules, the address, the set and two disks want the group only.
    assert arm.most_at_once >= 4


def _path(arm: FakeArm, name: str) -> str:
    return next(path for path in arm.resources if path.endswith(f"/{name}"))


def _properties(arm: FakeArm, name: str) -> dict[str, Any]:
    return cast("dict[str, Any]", arm.resources[_path(arm, name)]["properties"])
