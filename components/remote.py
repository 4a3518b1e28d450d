"""Scripts on nodes over SSH: the one place that makes a command.remote.Command."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_command as command

from components import ports
from components.places import MOUNT_POINT, TLS_AUTHORITY_FILE, TLS_FILE
from components.settings.operating_system import OperatingSystem
from components.settings.settings import Settings
from components.templates import render

# Programs of ours that others on a node run.
LIBRARY = "/usr/local/lib/azure-mysql-ha"

# Runs a program where the machine is called by its node's name, whatever else it is called by then.
_AS_NODE = f"{LIBRARY}/as-node"


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A machine: all that its configuration may know of the cloud it runs on.

    Args:
        private_address: IPv4 address for the traffic between the machines.
        connection: how to reach it by SSH; its host key is pinned.
        host_key: the public host key, in OpenSSH's form.
        machine_id: changes when, and only when, it becomes another machine.
        ready: what must exist before the first script can run.
        previous_connection: how to reach it with the key before, while that is being changed; None otherwise.
        hooks: what its scripts wait for before they run.
    """

    name: str
    private_address: str
    connection: command.remote.ConnectionArgs
    host_key: str
    machine_id: pulumi.Input[str]
    ready: tuple[pulumi.Resource, ...] = ()
    previous_connection: command.remote.ConnectionArgs | None = None
    hooks: pulumi.ResourceHookBinding | None = None


@dataclass(frozen=True, kw_only=True)
class ClusterNode(Machine):
    """A machine that is a node; its name is the one in DRBD, Corosync and Pacemaker too.

    Args:
        data_disk_lun: logical unit number of the data disk, 0 to 63.
    """

    data_disk_lun: int


@dataclass(frozen=True)
class ScriptContext:
    """What every script may name.

    Args:
        settings: the stack's.
        nodes: the cluster's nodes; the first one does what has to be done once.
        witness: the machine that has the third vote; None for a cluster without one.
    """

    settings: Settings
    nodes: tuple[ClusterNode, ClusterNode]
    witness: Machine | None

    @property
    def operating_system(self) -> OperatingSystem:
        return self.settings.machines.operating_system

    def script(self, node: Machine, template: str, purpose: str, **more: object) -> str:
        """Render the script for one machine, as for `RemoteScript`. A script of the witness has no `peer`."""
        first, second = self.nodes
        return render(
            template,
            {
                "purpose": purpose,
                "cluster_name": self.settings.names.cluster_name,
                "admin_user": self.settings.ssh.admin_user,
                "nodes": self.nodes,
                "witness": self.witness,
                "machines": self.machines,
                "node": node,
                "as_node": _AS_NODE,
                **({} if node == self.witness else {"peer": second if node == first else first}),
                "database": self.operating_system.database,
                "ports": ports,
                "monitor_account": "hacluster",
                "tls_file": TLS_FILE,
                "tls_authority_file": TLS_AUTHORITY_FILE,
                "mount_point": MOUNT_POINT,
                "data_directory": f"{MOUNT_POINT}/data",
                "partition": f"/dev/disk/by-partlabel/{self.partition_label}",
                "partition_label": self.partition_label,
                **more,
            },
        )

    @property
    def machines(self) -> tuple[Machine, ...]:
        """All machines: the nodes, and the witness if there is one."""
        return (*self.nodes, self.witness) if self.witness else self.nodes

    @property
    def partition_label(self) -> str:
        """GPT name of the data disk's partition: one path for SCSI and NVMe disks alike, and proof of whose it is."""
        return f"{self.settings.names.cluster_name}-r0"


class Part(pulumi.ComponentResource):
    """A part of the cluster: a component that is made of scripts, the only one of its class and called like it."""

    def __init__(self, context: ScriptContext, opts: pulumi.ResourceOptions) -> None:
        kind = type(self).__name__
        super().__init__(f"azure-mysql-ha:index:{kind}", kind.lower(), None, opts)
        self.context = context

    def on_each(
        self,
        machines: Iterable[Machine],
        what: str,
        template: str,
        purpose: str,
        *,
        after: Iterable[pulumi.Resource] = (),
        after_own: Iterable[Mapping[str, pulumi.Resource]] = (),
        variables: Mapping[str, pulumi.Input[str]] | None = None,
        **names: Any,
    ) -> dict[str, "RemoteScript"]:
        """Run a script on several machines at the same time.

        Args:
            what: the resource's name, behind the machine's.
            after: what must be there before it runs anywhere.
            after_own: what must be there before it runs on one machine, by its name; nothing for one not named.
            template, purpose, variables, names: as for `RemoteScript`.
        """
        return {
            machine.name: RemoteScript(
                f"{machine.name}-{what}",
                self,
                machine,
                template,
                purpose,
                after=[*after, *(own[machine.name] for own in after_own if machine.name in own)],
                variables=variables,
                **names,
            )
            for machine in machines
        }


class RemoteScript(command.remote.Command):
    """One idempotent script, run as root on one node when it is new, when it changes, and on a new machine.

    The script travels on standard input and is shown by `pulumi preview`, so it holds no secret. Secrets
    reach it in environment variables (sshd is told to accept HA_* and sudo to keep them, see
    configs/host/user-data.yaml.j2): encrypted in Pulumi's state, in no process list, and in no log.

    Args:
        node: where to run it: a node or the witness.
        template: path below configs/.
        purpose: one line on what it does, for whoever reads the script.
        variables: environment variables for what must not be shown or is not known before the update;
            names begin with HA_.
        connection: another way to the node than its own.
        names: further names for the template.
    """

    def __init__(
        self,
        name: str,
        part: Part,
        node: Machine,
        template: str,
        purpose: str,
        *,
        after: Iterable[pulumi.Resource] = (),
        variables: Mapping[str, pulumi.Input[str]] | None = None,
        connection: command.remote.ConnectionArgs | None = None,
        **names: Any,
    ) -> None:
        variables = variables or {}
        super().__init__(  # pyright: ignore[reportUnknownMemberType]
            name,
            connection=connection or node.connection,
            create="sudo bash -s",
            stdin=part.context.script(node, template, purpose, **names),
            environment=dict(variables) or None,
            # A new machine starts from nothing. A changed script is an update, which runs it again in place.
            triggers=[node.machine_id],
            # The previous outputs would be two more variables that sshd has to accept.
            add_previous_output_in_env=False,
            opts=pulumi.ResourceOptions(parent=part, depends_on=[*node.ready, *after], hooks=node.hooks),
        )
