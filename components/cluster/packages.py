"""What makes a machine a node or the witness: SSH's keys, its peers' names, and the cluster's packages."""

from collections.abc import Mapping

import pulumi

from components.remote import Part, RemoteScript, ScriptContext


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
    """Prepares all hosts and installs the packages, with nothing started by it.

    Args:
        after: what each machine needs first, by its name; nothing for one that is not named.

    Attributes:
        done: the last script of each machine, by its name.
    """

    def __init__(
        self, context: ScriptContext, opts: pulumi.ResourceOptions, *, after: Mapping[str, pulumi.Resource]
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
                packages=_packages(context) if is_node else system.witness_packages,
                kernel_modules_package=system.kernel_modules_package if is_node else None,
                left_to_pacemaker=system.left_to_pacemaker if is_node else (),
                never_restart=system.never_restart,
                repairs=system.repairs if is_node else (),
                drbd_handlers=system.drbd_handlers,
                monitoring=system.monitoring,
                exporters=_exporters(context) if is_node and not context.settings.monitoring.monitoring else (),
            )
        self.register_outputs({})


def _exporters(context: ScriptContext) -> tuple[str, ...]:
    system = context.operating_system.monitoring
    return system.node.unit, system.mysqld.unit, system.cluster.unit


def _packages(context: ScriptContext) -> tuple[str, ...]:
    system, backup = context.operating_system, context.settings.backup
    return (
        *system.packages,
        *(system.voter_packages if context.witness else ()),
        *(system.monitoring.packages if context.settings.monitoring.monitoring else ()),
        *(system.backup_packages if backup.backup or backup.restore_from else ()),
    )
