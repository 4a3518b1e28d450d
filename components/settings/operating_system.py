"""What is particular to an operating system: data of configs/os/NAME.yaml, never an `if`."""

import dataclasses
import difflib
import functools
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import yaml

from components.checkout import CONFIGS

FOLDER = CONFIGS / "os"

T = TypeVar("T")


class OperatingSystemError(Exception):
    """An operating system is unknown, or its file has not the form of `OperatingSystem`."""


@dataclass(frozen=True)
class Image:
    """The image of Azure's marketplace that a machine starts from."""

    publisher: str
    offer: str
    sku: str


@dataclass(frozen=True)
class BackupPrograms:
    """How the server's data are taken while it serves, and made again. Command lines are Bash's.

    Args:
        kind: what `dump` gives: "mbstream", which are files, or "sql".
        dump: command line that writes all data to standard output.
        position: regular expression of what it says, there or on standard error, of the binary log's number and the
            position in it after which changes are not in that data.
        unpack: command lines that make a data directory "$directory" of that data, which the first gets on standard
            input. None where a new server's client takes it.
        log_reader: command line of the program that makes statements of a binary log.
        check: command line that checks all tables, and says for each which is well a line that ends with OK.
        restore_options: with which the server that replays binary logs writes none, and has no port or socket more.
        log_options: lines of the option file by which its binary log has rows, and GTIDs where it can.
    """

    kind: str
    dump: str
    position: str
    unpack: tuple[str, ...]
    log_reader: str
    check: str
    restore_options: tuple[str, ...]
    log_options: tuple[str, ...]


@dataclass(frozen=True)
class DatabaseServer:
    """Where the distribution's MySQL or MariaDB has its things.

    Args:
        server: "mysql" or "mariadb".
        series: the first two numbers of its version. A backup is restored by the same series only.
        program: path of the server's program. Pacemaker starts it without the wrapper mysqld_safe, which would
            start it again by itself.
        client: path of the command-line client.
        client_tls: its options for a connection by TLS, whatever the server's certificate says.
        client_verifies: its option, besides --ssl-ca, for one to a server whose certificate has the host's name.
        reload_tls: SQL by which the server that runs takes the certificate that is in its files, for new connections.
        disconnect: SQL by which it ends its clients' sessions before it is stopped; "" where it needs none.
        initialize: command lines that fill the empty directory "$directory" (a variable of the
            script) with a new database, whose root logs in through the local socket only.
        socket_login: how SQL says that who has the account's name on the machine may log in, by the local socket.
        with_password: how SQL gives the account of "$statement" the password "$password", of which no log of the
            server's gets more than the hash. Both are variables of the script.
        enabled_accounts: of SQL's "select", all behind "from" for the accounts that can log in; ends in a condition.
        validate: command line that reads the whole configuration and writes to standard error
            what is wrong with it.
        main_config_file: the file that the server reads first, and that leads to all others.
        config_file: our own file among those, read last, so that what it says wins.
        service: systemd's unit, which must never start the server beside Pacemaker.
        socket: path of the local socket.
        pid_file: path of the file with the process id.
        user: account that the server runs as.
        group: that account's group.
        redo_log: the option that says how much InnoDB's log can hold.
        error_log: path of its log.
        log_rotation: the package's own file for logrotate.
        reopen_logs: command line that has the server that runs open its logs anew.
        backup: how its data are taken and made again.
    """

    server: str
    series: str
    program: str
    client: str
    client_tls: str
    client_verifies: str
    reload_tls: str
    disconnect: str
    initialize: tuple[str, ...]
    socket_login: str
    with_password: str
    enabled_accounts: str
    validate: str
    main_config_file: str
    config_file: str
    service: str
    socket: str
    pid_file: str
    user: str
    group: str
    redo_log: str
    error_log: str
    log_rotation: str
    reopen_logs: str
    backup: BackupPrograms


@dataclass(frozen=True)
class Exporter:
    """An exporter of Prometheus', or that itself.

    Args:
        unit: systemd's unit of it.
        command: its command line, without where it listens and what it asks of who comes. "$client" stands for the
            option file by which it logs in to the database, "$configuration" for Prometheus' own.
    """

    unit: str
    command: str


@dataclass(frozen=True)
class MonitoringPrograms:
    """What tells a Prometheus how a node is.

    Args:
        packages: what is installed on a node of a cluster that is monitored as well.
        prometheus_packages: what is installed on a witness that has a Prometheus as well.
        user: account of the machine, and of the database, as which the exporters of both run.
        textfiles: folder of what the machine's exporter takes from others.
        node: the exporter of the machine, DRBD with it.
        mysqld: of the database.
        cluster: of Pacemaker and Corosync.
        prometheus: what asks them, on a witness.
    """

    packages: tuple[str, ...]
    prometheus_packages: tuple[str, ...]
    user: str
    textfiles: str
    node: Exporter
    mysqld: Exporter
    cluster: Exporter
    prometheus: Exporter


@dataclass(frozen=True)
class OperatingSystem:
    """One operating system that the nodes can have.

    Args:
        name: the file's name without ".yaml", and the value of the setting operatingSystem.
        warning: what each preview and update says of it; empty for nothing.
        image: the image that its machines start from.
        packages: what is installed on a node.
        witness_packages: what is installed on a witness.
        voter_packages: what is installed on a node of a cluster with a witness as well.
        watchdog_packages: what is installed on a node of a cluster with a watchdog as well.
        no_watchdog: why it can have none; empty where it can.
        tunnel_packages: what is installed on a node whose replication is encrypted as well.
        backup_packages: what is installed on a node of a cluster with backups, or that begins with one, as well.
        left_to_pacemaker: systemd's units that are not started at boot by themselves, but by Pacemaker, or with it.
        never_restart: beginnings of the names of units that no update may restart by itself.
        repairs: names of what the distribution ships broken: for each, configs/repairs/NAME.sh.j2 has a function
            repair_NAME that puts right what is broken on the node, if it is, and takes that back once the distribution
            has repaired it. So a name stays here for as long as there may be nodes with the repair.
        drbd_handlers: folder of crm-fence-peer.sh and crm-unfence-peer.sh, as they come or repaired.
        fencing_prefix: how the names of Pacemaker's properties for fencing begin: "stonith" before
            3.0.3, "fencing" since, which warns of the older names.
        kernel_modules_package: where the distribution has a package of further modules for each kernel, its name up to
            the kernel's release; empty where it has none.
        database: the database server.
        monitoring: the exporters.
    """

    name: str
    warning: str
    image: Image
    packages: tuple[str, ...]
    witness_packages: tuple[str, ...]
    voter_packages: tuple[str, ...]
    watchdog_packages: tuple[str, ...]
    no_watchdog: str
    tunnel_packages: tuple[str, ...]
    backup_packages: tuple[str, ...]
    left_to_pacemaker: tuple[str, ...]
    never_restart: tuple[str, ...]
    repairs: tuple[str, ...]
    drbd_handlers: str
    fencing_prefix: str
    kernel_modules_package: str
    database: DatabaseServer
    monitoring: MonitoringPrograms


def names() -> list[str]:
    """Return the names of all operating systems that there is a file for, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load(name: str) -> OperatingSystem:
    """Read one operating system's file.

    Raises:
        OperatingSystemError: there is no such file; or it lacks a field, has one that is not
            known, or one of a wrong type.
    """
    found = names()
    if name not in found:
        near = difflib.get_close_matches(name, found, n=1)
        meant = f"; did you mean {near[0]}?" if near else ""
        raise OperatingSystemError(f"{name!r} is not one of {', '.join(found)}{meant}")
    return _read(FOLDER / f"{name}.yaml")


@functools.cache
def _read(file: Path) -> OperatingSystem:
    content: object = yaml.safe_load(file.read_text(encoding="utf-8"))
    built = _build(OperatingSystem, content, file.name)
    if built.name != file.stem:
        raise OperatingSystemError(f"{file.name}: its name is {built.name!r}")
    return built


def _build(kind: type[T], value: object, where: str) -> T:
    """Make `kind`, a dataclass, of a mapping that has exactly its fields."""
    if not isinstance(value, dict):
        raise OperatingSystemError(f"{where}: a mapping is expected")
    given = cast(dict[object, object], value)
    types = typing.get_type_hints(kind)
    unknown = [str(key) for key in given if key not in types]
    missing = [key for key in types if key not in given]
    if unknown or missing:
        complaints = [f"unknown {', '.join(unknown)}"] * bool(unknown)
        complaints += [f"missing {', '.join(missing)}"] * bool(missing)
        raise OperatingSystemError(f"{where}: {'; '.join(complaints)}")
    return kind(**{key: _field(types[key], given[key], f"{where}: {key}") for key in types})


def _field(kind: Any, value: object, where: str) -> object:
    if dataclasses.is_dataclass(kind):
        return _build(cast(type[object], kind), value, where)
    if kind is str and isinstance(value, str):
        return value
    if kind == tuple[str, ...] and isinstance(value, list):
        items = cast(list[object], value)
        if all(isinstance(item, str) for item in items):
            return tuple(items)
    raise OperatingSystemError(f"{where}: {'text' if kind is str else 'a list of texts'} expected")
