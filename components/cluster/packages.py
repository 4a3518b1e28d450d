"""What makes a machine a node or the witness: SSH's keys, its peers' names, and the cluster's packages."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pulumi

from components.inbound import BALANCER, WAYS_OUT, Inbound, inbound
from components.places import TOKEN_UNIT
from components.remote import Machine, Part, RemoteScript, ScriptContext
from components.settings.settings import Settings

# What the balancer's probes come from (learn.microsoft.com, "What is IP address 168.63.129.16?").
_BALANCER_SOURCE = ("168.63.129.16",)
_EVERYWHERE = ("0.0.0.0/0",)


class Login(Part):
    """Every machine lets the admin user's new key in, beside the one before, which its next script takes away.

    Attributes:
        done: the script of each machine, by its name.
    """

    def __init__(self, context: ScriptContext, opts: pulumi.ResourceOptions) -> None:
        super().__init__(context, opts)
        self.done = {
            machine.name: RemoteScript(
                f"{machine.name}-login",
                self,
                machine,
                "host/login.sh.j2",
                "The new key of SSH's admin user",
                connection=machine.previous_connection,
                public_key=context.settings.ssh.ssh_private_key.public,
            )
            for machine in context.machines
        }
        self.register_outputs({})


class Packages(Part):
    """Prepares all hosts and installs the packages, with nothing started by it but their firewalls.

    Args:
        after: what each machine needs first, by its name; nothing for one that is not named.
        ways_out: networks, in CIDR form, that the machines come from when they leave.

    Attributes:
        done: the script of each machine that all others wait for, by its name. None waits for a firewall.
    """

    def __init__(
        self,
        context: ScriptContext,
        opts: pulumi.ResourceOptions,
        *,
        after: Mapping[str, pulumi.Resource],
        ways_out: Sequence[pulumi.Input[str]],
    ) -> None:
        super().__init__(context, opts)
        self.done: dict[str, RemoteScript] = {}
        system, ssh = context.operating_system, context.settings.ssh
        previous = ssh.ssh_previous_private_key
        for node in context.machines:
            is_node = node != context.witness
            host = self.on_each(
                [node],
                "host",
                "host/host.sh.j2",
                "Names and SSH keys of the peers",
                # The witness logs in to nobody.
                variables={"HA_CLUSTER_SSH_KEY": ssh.cluster_ssh_key.private} if is_node else None,
                after_own=[after],
                cluster_public_key=ssh.cluster_ssh_key.public,
                previous_public_key=previous.public if previous else None,
            )
            self.done |= self.on_each(
                [node],
                "packages",
                "host/packages.sh.j2",
                f"Packages of the {'cluster' if is_node else 'witness'}, nothing started",
                after_own=[host],
                packages=_packages(context) if is_node else _witness_packages(context),
                kernel_modules_package=system.kernel_modules_package if is_node else None,
                watchdog=context.settings.watchdog,
                left_to_pacemaker=system.left_to_pacemaker if is_node else (),
                never_restart=system.never_restart,
                repairs=system.repairs if is_node else (),
                drbd_handlers=system.drbd_handlers,
                monitoring=system.monitoring,
                not_monitoring=_not_monitoring(context, is_node=is_node),
            )
            self.on_each(
                [node],
                "firewall",
                "host/firewall.sh.j2",
                "Who may come in at this machine",
                variables={"HA_WAYS_OUT": pulumi.Output.all(*ways_out).apply(", ".join)},
                after_own=[self.done],
                host_firewall=context.settings.has_host_firewall,
                inbound=_inbound(context.settings, node, has_ways_out=bool(ways_out)),
            )
        self.register_outputs({})


def _inbound(settings: Settings, node: Machine, *, has_ways_out: bool) -> list[Inbound]:
    """Return who may come in at one machine, as nft says it."""
    address = IPv4Address(node.private_address)
    sources: dict[tuple[str, ...], tuple[str, ...]] = {(BALANCER,): _BALANCER_SOURCE, (WAYS_OUT,): ("@WAYS_OUT@",)}
    return [
        replace(each, sources=_EVERYWHERE if each.is_judged_once else sources.get(each.sources, each.sources))
        for each in inbound(settings)
        if address in IPv4Network(each.to) and (has_ways_out or each.sources != (WAYS_OUT,))
    ]


def _not_monitoring(context: ScriptContext, *, is_node: bool) -> tuple[str, ...]:
    """Return the units of monitoring that a machine does not have, or not any more."""
    system, monitoring = context.operating_system.monitoring, context.settings.monitoring
    if is_node:
        return () if monitoring.monitoring else (system.node.unit, system.mysqld.unit, system.cluster.unit)
    return () if monitoring.monitor_on_witness else (system.prometheus.unit, TOKEN_UNIT)


def _witness_packages(context: ScriptContext) -> tuple[str, ...]:
    system, monitors = context.operating_system, context.settings.monitoring.monitor_on_witness
    return (*system.witness_packages, *(system.monitoring.prometheus_packages if monitors else ()))


def _packages(context: ScriptContext) -> tuple[str, ...]:
    system, backup = context.operating_system, context.settings.backup
    return (
        *system.packages,
        *(system.tunnel_packages if context.settings.replication.tunnel else ()),
        *(system.voter_packages if context.witness else ()),
        *(system.watchdog_packages if context.settings.watchdog else ()),
        *(system.monitoring.packages if context.settings.monitoring.monitoring else ()),
        *(system.backup_packages if backup.backup or backup.restore_from else ()),
    )
