"""What makes a machine a node or the witness: its peers' names and keys, and the cluster's packages."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from components.remote import RemoteScript, ScriptContext
from components.settings.ssh import SshSection


@dataclass(frozen=True)
class PackagesArgs:
    """Args:
    context: the machines and their operating system.
    ssh: the key by which the nodes reach each other, and the admin user's.
    after: what each machine needs first, by its name; nothing for one that is not named.
    """

    context: ScriptContext
    ssh: SshSection
    after: Mapping[str, pulumi.Resource]


class Packages(pulumi.ComponentResource):
    """Prepares all hosts and installs the packages, with nothing started by it.

    Attributes:
        done: the last script of each machine, by its name.
    """

    done: dict[str, RemoteScript]

    def __init__(self, name: str, args: PackagesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("azure-mysql-ha:index:Packages", name, None, opts)
        self.done = {}
        context, system = args.context, args.context.operating_system
        cluster_key, previous = args.ssh.cluster_ssh_key, args.ssh.ssh_previous_private_key
        for node in context.machines:
            is_node = node != context.witness
            host = RemoteScript(
                f"{node.name}-host",
                node=node,
                script=context.script(
                    node,
                    "host/host.sh.j2",
                    "Names and SSH keys of the peers",
                    cluster_public_key=cluster_key.public,
                    previous_public_key=previous.public if previous else None,
                ),
                # The witness logs in to nobody.
                variables={"HA_CLUSTER_SSH_KEY": cluster_key.private} if is_node else None,
                after=[args.after[node.name]] if node.name in args.after else [],
                parent=self,
            )
            self.done[node.name] = RemoteScript(
                f"{node.name}-packages",
                node=node,
                script=context.script(
                    node,
                    "host/packages.sh.j2",
                    f"Packages of the {'cluster' if is_node else 'witness'}, nothing started",
                    packages=_packages(context) if is_node else system.witness_packages,
                    kernel_modules_package=system.kernel_modules_package if is_node else None,
                    left_to_pacemaker=system.left_to_pacemaker if is_node else (),
                    never_restart=system.never_restart,
                    repairs=system.repairs if is_node else (),
                    drbd_handlers=system.drbd_handlers,
                ),
                after=[host],
                parent=self,
            )
        self.register_outputs({})


def _packages(context: ScriptContext) -> tuple[str, ...]:
    """Return what is installed on a node."""
    system = context.operating_system
    return (*system.packages, *system.voter_packages) if context.witness else system.packages
