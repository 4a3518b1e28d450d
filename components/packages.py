"""What makes a machine a node: its peers' names and keys, and the cluster's packages."""

from dataclasses import dataclass

import pulumi

from components.remote import RemoteScript, ScriptContext


@dataclass(frozen=True)
class PackagesArgs:
    """Args:
    context: the nodes and their operating system.
    admin_user: the account by which the nodes reach each other.
    cluster_private_key: private half of the key pair of SSH within the cluster, secret.
    cluster_public_key: its public half.
    """

    context: ScriptContext
    admin_user: str
    cluster_private_key: pulumi.Input[str]
    cluster_public_key: str


class Packages(pulumi.ComponentResource):
    """Prepares both hosts and installs the packages, with nothing started by it.

    Attributes:
        done: the last script of each node, by node name.
    """

    done: dict[str, RemoteScript]

    def __init__(self, name: str, args: PackagesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("azure-mysql-ha:index:Packages", name, None, opts)
        self.done = {}
        context, system = args.context, args.context.operating_system
        for node in context.nodes:
            host = RemoteScript(
                f"{node.name}-host",
                node=node,
                script=context.script(
                    node,
                    "host/host.sh.j2",
                    "Names and SSH keys of the peers",
                    admin_user=args.admin_user,
                    cluster_public_key=args.cluster_public_key,
                ),
                variables={"HA_CLUSTER_SSH_KEY": args.cluster_private_key},
                parent=self,
            )
            self.done[node.name] = RemoteScript(
                f"{node.name}-packages",
                node=node,
                script=context.script(
                    node,
                    "host/packages.sh.j2",
                    "Packages of the cluster, nothing started",
                    packages=system.packages,
                    kernel_modules_hint=system.kernel_modules_hint,
                    left_to_pacemaker=system.left_to_pacemaker,
                    never_restart=system.never_restart,
                ),
                after=[host],
                parent=self,
            )
        self.register_outputs({})
