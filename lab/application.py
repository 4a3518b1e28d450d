"""The application of a lab's cluster, at the endpoint's port on the loopback."""

from dataclasses import dataclass
from typing import Any

import pymysql

from lab import tls
from lab.cloud import client as cloud
from lab.lab import Lab
from lab.writer import Connection


@dataclass(frozen=True)
class Client:
    """A database's client, which knows no more of a lab than an application does.

    Args:
        tls: by what it knows the server.
    """

    host: str
    port: int
    user: str
    password: str
    database: str
    tls: tls.Context

    def connect(self, timeout: float = 10, **options: Any) -> Connection:
        """Open a connection.

        Args:
            timeout: seconds for each step.
            options: further ones of PyMySQL's.

        Raises:
            pymysql.Error: the server refuses it, or does not answer in time.
        """
        patience: dict[str, Any] = {"connect_timeout": timeout, "read_timeout": timeout, "write_timeout": timeout}
        return pymysql.connect(
            host=self.host, port=self.port, user=self.user, password=self.password, database=self.database,
            ssl=self.tls, **(patience | options),
        )  # fmt: skip

    def query(self, *statements: str, timeout: int = 10) -> list[tuple[Any, ...]]:
        """Run statements on a connection of their own.

        Args:
            statements: SQL; committed at the end.
            timeout: seconds for each step.

        Returns:
            The rows of the last one.

        Raises:
            pymysql.Error: the server refuses one, or does not answer in time.
        """
        connection = self.connect(timeout)
        with connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            rows = list(cursor.fetchall())
            connection.commit()
            return rows


def client(lab: Lab) -> Client:
    """Return the application of a lab's cluster. It asks the engine, which is slow while an update goes on."""
    outputs, loopback = lab.outputs(), cloud.status(lab.paths)["loopback"]
    database = outputs["database"]
    return Client(
        loopback["host"], loopback["port"], database["user"], lab.database_password(), database["name"],
        tls.context(outputs["ca"], outputs["endpoint"]["name"]),
    )  # fmt: skip


def query(lab: Lab, *statements: str, timeout: int = 10) -> list[tuple[Any, ...]]:
    """Run statements as the application: `Client.query`."""
    return client(lab).query(*statements, timeout=timeout)


def answers(lab: Lab) -> bool:
    """Tell whether the endpoint answers a query."""
    try:
        return query(lab, "select 1", timeout=5) == [(1,)]
    except pymysql.Error:
        return False
