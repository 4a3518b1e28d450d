"""MySQL: its configuration on both nodes, its data on DRBD, its accounts."""

from collections.abc import Iterable, Mapping

import pulumi

from components.cluster.backup import UNITS
from components.entrance import Entrance
from components.remote import LIBRARY, Part, RemoteScript, ScriptContext
from components.settings.recorded import DATA_DIRECTORY
from components.settings.server_options import as_in_file


class Server(Part):
    """The server's configuration on both nodes, and one data directory on DRBD.

    Args:
        after: what each node needs first, by node name.
        replication: after which DRBD r0 can hold the data.
        entrance: of it the certificate and its key.
        backup_to_begin_with: after which by node name there is a backup of which the data are made; None for new data.

    Attributes:
        done: the script of each node, by node name.
        data_directory: the script after which there is data to serve.
    """

    def __init__(
        self,
        context: ScriptContext,
        opts: pulumi.ResourceOptions,
        *,
        after: Mapping[str, pulumi.Resource],
        replication: pulumi.Resource,
        entrance: Entrance,
        backup_to_begin_with: Mapping[str, Iterable[pulumi.Resource]] | None,
    ) -> None:
        super().__init__(context, opts)
        size = context.settings.server_size
        config_file = context.operating_system.database.config_file
        self.done = self.on_each(
            context.nodes,
            "server",
            "mysql/server.sh.j2",
            "Configuration of the server, and what answers the balancer's probe",
            variables={"HA_TLS_CERTIFICATE": entrance.certificate, "HA_TLS_KEY": entrance.key},
            after_own=[after],
            issuers=entrance.issuers,
            options=size.options,
            as_in_file=as_in_file,
            open_files=size.open_files,
            memory_mib=size.memory_mib,
            pool_mib=size.own_pool_mib,
            library=LIBRARY,
            # Of the files in one folder the server reads the last in the alphabet last.
            small_machine_file=f"{config_file.removesuffix('.cnf')}.small-machine.cnf",
            backup=context.settings.backup.backup,
            backup_units=UNITS,
            probe_port=context.settings.endpoint.probe_port,
        )
        first = context.nodes[0]
        self.data_directory = RemoteScript(
            DATA_DIRECTORY,
            self,
            first,
            "mysql/data-directory.sh.j2",
            "File system and data directory on DRBD r0, once",
            after=[self.done[first.name], replication, *(backup_to_begin_with or {}).get(first.name, ())],
            is_restored=backup_to_begin_with is not None,
            library=LIBRARY,
            file_system_label="mysql-r0",  # ext4 has room for 16 characters
        )
        self.register_outputs({})


class Options(Part):
    """The options of the server that runs: set while it runs where it takes that, else by one restart in its place.

    Args:
        after: what must be there first: the cluster's resources. Both nodes have the option file by then.

    Attributes:
        in_force: the scripts after which the server has them.
    """

    def __init__(
        self, context: ScriptContext, opts: pulumi.ResourceOptions, *, after: Iterable[pulumi.Resource]
    ) -> None:
        super().__init__(context, opts)
        # Each node looks whether it is the one that serves; only that one has anything to do.
        self.in_force = self.on_each(
            context.nodes,
            "options",
            "mysql/options.sh.j2",
            "Options of the server that runs",
            after=after,
            options=context.settings.server_size.options,
            as_in_file=as_in_file,
            backup=context.settings.backup.backup,
        ).values()
        self.register_outputs({})


class Access(Part):
    """Databases and accounts, the certificate in use, and the proof that the endpoint answers a query.

    Args:
        entrance: where, and with which certificate.
        after: what must run first: the cluster's resources, the endpoint.
    """

    def __init__(
        self,
        context: ScriptContext,
        opts: pulumi.ResourceOptions,
        *,
        entrance: Entrance,
        after: Iterable[pulumi.Resource],
    ) -> None:
        super().__init__(context, opts)
        database = context.settings.database
        exporter = context.operating_system.monitoring.user
        further = {"HA_ACCOUNT_PASSWORDS": database.account_passwords} if database.database_accounts else {}
        password = {"HA_DATABASE_PASSWORD": database.database_password}
        # Each node looks whether it is the one that serves; only that one has anything to do.
        accounts = self.on_each(
            context.nodes,
            "accounts",
            "mysql/accounts.sh.j2",
            "Database and account of the application, and further accounts",
            variables=password | further,
            after=after,
            database_name=database.database_name,
            user=database.database_user,
            accounts=dict(sorted(database.database_accounts.items())),
            exporter_account=exporter,
            is_monitored=context.settings.monitoring.monitoring,
        )
        # A server that has no account from outside greets nobody there, and shows no certificate.
        tls = self.on_each(
            context.nodes,
            "tls",
            "mysql/tls.sh.j2",
            "Certificate of the server that runs",
            variables={"HA_TLS_CERTIFICATE": entrance.certificate},
            after=accounts.values(),
        )
        self.on_each(
            context.nodes,
            "endpoint",
            "mysql/endpoint.sh.j2",
            "Waits until the endpoint answers a query",
            variables={**password, "HA_ENDPOINT": entrance.address},
            after=tls.values(),
            database_name=database.database_name,
            user=database.database_user,
            endpoint_is_public=context.settings.endpoint.is_public,
            has_address=context.settings.tls.own_certificate is None,
        )
        self.register_outputs({})
