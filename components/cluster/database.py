"""MySQL: its configuration on both nodes, its data on DRBD, its accounts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi

from components.remote import RemoteScript, ScriptContext
from components.settings.database import DatabaseSection
from components.settings.endpoint import EndpointSection


@dataclass(frozen=True)
class ServerArgs:
    """Args:
    context: the nodes and their operating system.
    database: further options of the server.
    endpoint: the port of the balancer's probe.
    after: what each node needs first, by node name.
    replication: after which DRBD r0 can hold the data.
    """

    context: ScriptContext
    database: DatabaseSection
    endpoint: EndpointSection
    after: Mapping[str, pulumi.Resource]
    replication: pulumi.Resource


class Server(pulumi.ComponentResource):
    """The server's configuration on both nodes, and one data directory on DRBD.

    Attributes:
        done: the script of each node, by node name.
        data_directory: the script after which there is data to serve.
    """

    done: dict[str, RemoteScript]
    data_directory: RemoteScript

    def __init__(self, name: str, args: ServerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("azure-mysql-ha:index:Server", name, None, opts)
        context = args.context
        self.done = {
            node.name: RemoteScript(
                f"{node.name}-server",
                node=node,
                script=context.script(
                    node,
                    "mysql/server.sh.j2",
                    "Configuration of the server, and what answers the balancer's probe",
                    options=args.database.mysql_options,
                    probe_port=args.endpoint.probe_port,
                ),
                after=[args.after[node.name]],
                parent=self,
            )
            for node in context.nodes
        }
        first = context.nodes[0]
        self.data_directory = RemoteScript(
            f"{name}-data-directory",
            node=first,
            script=context.script(
                first,
                "mysql/data-directory.sh.j2",
                "File system and data directory on DRBD r0, once",
                file_system_label="mysql-r0",  # ext4 has room for 16 characters
            ),
            after=[self.done[first.name], args.replication],
            parent=self,
        )
        self.register_outputs({})


@dataclass(frozen=True)
class OptionsArgs:
    """Args:
    context: the nodes and their operating system.
    database: further options of the server.
    after: what must be there first: the cluster's resources. Both nodes have the option file by then.
    """

    context: ScriptContext
    database: DatabaseSection
    after: Sequence[pulumi.Resource]


class Options(pulumi.ComponentResource):
    """The options of the server that runs: set while it runs where it takes that, else by one restart in its place.

    Attributes:
        in_force: the scripts after which the server has them.
    """

    in_force: list[RemoteScript]

    def __init__(self, name: str, args: OptionsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("azure-mysql-ha:index:Options", name, None, opts)
        # Each node looks whether it is the one that serves; only that one has anything to do.
        self.in_force = [
            RemoteScript(
                f"{node.name}-options",
                node=node,
                script=args.context.script(
                    node, "mysql/options.sh.j2", "Options of the server that runs", options=args.database.mysql_options
                ),
                after=args.after,
                parent=self,
            )
            for node in args.context.nodes
        ]
        self.register_outputs({})


@dataclass(frozen=True)
class AccessArgs:
    """Args:
    context: the nodes and their operating system.
    database: the application's database and account.
    endpoint: whether the endpoint has a public address.
    endpoint_host: its IPv4 address.
    after: what must run first: the cluster's resources, the endpoint.
    """

    context: ScriptContext
    database: DatabaseSection
    endpoint: EndpointSection
    endpoint_host: pulumi.Input[str]
    after: Sequence[pulumi.Resource]


class Access(pulumi.ComponentResource):
    """The application's database and account, and the proof that the endpoint answers a query.

    Attributes:
        proof: the scripts that have seen an answer.
    """

    proof: list[RemoteScript]

    def __init__(self, name: str, args: AccessArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("azure-mysql-ha:index:Access", name, None, opts)
        context = args.context
        # Each node looks whether it is the one that serves; only that one has anything to do.
        accounts = [
            RemoteScript(
                f"{node.name}-accounts",
                node=node,
                script=context.script(
                    node,
                    "mysql/accounts.sh.j2",
                    "Database and account of the application",
                    database_name=args.database.database_name,
                    user=args.database.database_user,
                ),
                variables={"HA_DATABASE_PASSWORD": args.database.database_password},
                after=args.after,
                parent=self,
            )
            for node in context.nodes
        ]
        self.proof = [
            RemoteScript(
                f"{node.name}-endpoint",
                node=node,
                script=context.script(
                    node,
                    "mysql/endpoint.sh.j2",
                    "Waits until the endpoint answers a query",
                    database_name=args.database.database_name,
                    user=args.database.database_user,
                    endpoint_is_public=args.endpoint.is_public,
                ),
                variables={"HA_DATABASE_PASSWORD": args.database.database_password, "HA_ENDPOINT": args.endpoint_host},
                after=accounts,
                parent=self,
            )
            for node in context.nodes
        ]
        self.register_outputs({})
