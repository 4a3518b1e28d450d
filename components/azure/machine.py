"""One machine with its network interface: a node, or the witness."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import compute, network

from components.azure.endpoint import Endpoint
from components.azure.place import Place
from components.azure.propagation import asked_again
from components.azure.ssh_endpoint import SshEndpoint
from components.settings.machines import MachinesSection
from components.settings.settings import MachineSettings
from components.settings.ssh import SshSection
from components.templates import render

DATA_DISK_LUN = 0


@dataclass(frozen=True)
class MachineArgs:
    """What a machine is made of.

    Args:
        settings: its name, address, zone, size and host key.
        encryption_set_id: the set whose key encrypts all disks; None for Azure's own keys.
        has_identity: whether it asks Azure as itself.
    """

    place: Place
    settings: MachineSettings
    machines: MachinesSection
    ssh: SshSection
    ssh_endpoint: SshEndpoint
    subnet_id: pulumi.Input[str]
    endpoint: Endpoint
    encryption_set_id: pulumi.Input[str] | None
    has_identity: bool


@dataclass(frozen=True)
class NodeParts:
    """What a node has, and a witness has not.

    Args:
        turn: what waits until the machine may be restarted or replaced.
    """

    turn: pulumi.Resource
    data_disk: compute.Disk
    availability_set: compute.AvailabilitySet | None


def make_machine(args: MachineArgs, parent: pulumi.Resource, node: NodeParts | None = None) -> compute.VirtualMachine:
    """Make one machine with its interface.

    Args:
        node: what makes it a node; None for the witness.
    """
    settings = args.settings
    interface = _make_interface(args, parent, is_node=node is not None)
    return compute.VirtualMachine(
        settings.name,
        vm_name=settings.name,
        resource_group_name=args.place.group_name,
        location=args.place.location,
        zones=[settings.zone] if settings.zone else None,
        availability_set=compute.SubResourceArgs(id=node.availability_set.id)
        if node and node.availability_set
        else None,
        # With no password to keep: each node stops and starts the other one as itself, a witness writes metrics.
        identity=compute.VirtualMachineIdentityArgs(type=compute.ResourceIdentityType.SYSTEM_ASSIGNED)
        if args.has_identity
        else None,
        hardware_profile=compute.HardwareProfileArgs(vm_size=settings.size.name),
        # Azure's default for these images, said, so that it stays. Their kernels and modules are signed.
        security_profile=compute.SecurityProfileArgs(
            security_type=compute.SecurityTypes.TRUSTED_LAUNCH,
            uefi_settings=compute.UefiSettingsArgs(secure_boot_enabled=True, v_tpm_enabled=True),
        ),
        os_profile=_os_profile(settings, args.ssh),
        storage_profile=_storage_profile(args, node.data_disk if node else None),
        network_profile=compute.NetworkProfileArgs(
            network_interfaces=[compute.NetworkInterfaceReferenceArgs(id=interface.id, primary=True)]
        ),
        opts=pulumi.ResourceOptions(
            parent=parent,
            depends_on=[node.turn] if node else None,
            hooks=asked_again(settings.name) if args.encryption_set_id else None,
            # Its name, its address and its disk can belong to one machine at a time.
            delete_before_replace=True,
            # What Azure refuses to change on a machine that exists. The data disk stays, and goes to the new one.
            replace_on_changes=[
                "storageProfile.imageReference",
                "storageProfile.osDisk.managedDisk",
                "storageProfile.diskControllerType",
            ],
            # Custom data and key are read at the first boot only; Azure refuses to change them on a machine that
            # exists. A node that is rebuilt needs the witness's daemon, and each turn waits for the witness's vote: so
            # a witness takes a new image and a new kind of disk only when it alone is rebuilt
            # (docs/operations/lost-witness.md).
            ignore_changes=[
                "osProfile.customData",
                "osProfile.linuxConfiguration.ssh",
                *([] if node else ["storageProfile.imageReference", "storageProfile.osDisk.managedDisk"]),
            ],
        ),
    )


def _make_interface(args: MachineArgs, parent: pulumi.Resource, *, is_node: bool) -> network.NetworkInterface:
    settings, address = args.settings, args.ssh_endpoint.address
    endpoint = args.endpoint
    pools = [*([endpoint.pool_id] if is_node else []), *([endpoint.egress_pool_id] if endpoint.egress_pool_id else [])]
    rule = endpoint.ssh_rule_ids.get(settings.name)
    return network.NetworkInterface(
        f"{settings.name}-interface",
        network_interface_name=f"nic-{settings.name}",
        resource_group_name=args.place.group_name,
        location=args.place.location,
        enable_accelerated_networking=is_node and args.machines.accelerated_networking,
        ip_configurations=[
            network.NetworkInterfaceIPConfigurationArgs(
                name="primary",
                primary=True,
                subnet=network.SubnetArgs(id=args.subnet_id),
                private_ip_address=settings.private_address,
                private_ip_allocation_method=network.IPAllocationMethod.STATIC,
                public_ip_address=network.PublicIPAddressArgs(id=address.id) if address else None,
                load_balancer_backend_address_pools=[network.BackendAddressPoolArgs(id=pool) for pool in pools] or None,
                load_balancer_inbound_nat_rules=[network.InboundNatRuleArgs(id=rule)] if rule else None,
            )
        ],
        opts=pulumi.ResourceOptions(parent=parent),
    )


def _os_profile(settings: MachineSettings, ssh: SshSection) -> compute.OSProfileArgs:
    host_key, public = settings.host_key, settings.host_key.public
    user_data = host_key.private.apply(
        lambda private: render("host/user-data.yaml.j2", {"host_key_private": private, "host_key_public": public})
    )
    return compute.OSProfileArgs(
        computer_name=settings.name,
        admin_username=ssh.admin_user,
        custom_data=user_data.apply(lambda text: base64.b64encode(text.encode()).decode()),
        linux_configuration=compute.LinuxConfigurationArgs(
            disable_password_authentication=True,
            ssh=compute.SshConfigurationArgs(
                public_keys=[
                    compute.SshPublicKeyArgs(path=f"/home/{ssh.admin_user}/.ssh/authorized_keys", key_data=key.public)
                    for key in (ssh.ssh_private_key, ssh.ssh_previous_private_key)
                    if key
                ]
            ),
        ),
    )


def _storage_profile(args: MachineArgs, data_disk: compute.Disk | None) -> compute.StorageProfileArgs:
    image = args.machines.operating_system.image
    data_disks: Sequence[compute.DataDiskArgs] | None = None
    if data_disk:
        data_disks = [
            compute.DataDiskArgs(
                lun=DATA_DISK_LUN,
                create_option=compute.DiskCreateOptionTypes.ATTACH,
                managed_disk=compute.ManagedDiskParametersArgs(id=data_disk.id),
                delete_option=compute.DiskDeleteOptionTypes.DETACH,
                # A write that the host's cache has acknowledged may be lost with the host.
                caching=compute.CachingTypes.NONE,
            )
        ]
    return compute.StorageProfileArgs(
        image_reference=compute.ImageReferenceArgs(
            publisher=image.publisher, offer=image.offer, sku=image.sku, version=args.machines.image_version
        ),
        os_disk=compute.OSDiskArgs(
            name=f"osdisk-{args.settings.name}",
            create_option=compute.DiskCreateOptionTypes.FROM_IMAGE,
            managed_disk=compute.ManagedDiskParametersArgs(
                storage_account_type=args.machines.os_disk_sku,
                disk_encryption_set=compute.DiskEncryptionSetParametersArgs(id=args.encryption_set_id)
                if args.encryption_set_id
                else None,
            ),
            delete_option=compute.DiskDeleteOptionTypes.DELETE,
        ),
        data_disks=data_disks,
        # SCSI is what Azure takes where nothing is said and the size has it.
        disk_controller_type=compute.DiskControllerTypes.NV_ME if args.settings.size.is_nvme else None,
    )
