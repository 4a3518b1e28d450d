"""The application of a lab's cluster, at the endpoint's port on the loopback."""

from dataclasses import dataclass
from typing import Any

import pymysql

from lab.cloud import client as cloud
from lab.lab import Lab


@dataclass(frozen=True)
class Client:
    """A database's client, which knows no more of a lab than an application does."""

    host: str
    port: int
    user: str
    password: str
    database: str

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
        connection = pymysql.connect(
            host=self.host, port=self.port, user=self.user, password=self.password, database=self.database,
            connect_timeout=timeout, read_timeout=timeout, write_timeout=timeout,
        )  # fmt: skip
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
    return Client(loopback["host"], loopback["port"], database["user"], lab.database_password(), database["name"])


def query(lab: Lab, *statements: str, timeout: int = 10) -> list[tuple[Any, ...]]:
    """Run statements as the application: `Client.query`."""
    return client(lab).query(*statements, timeout=timeout)


def answers(lab: Lab) -> bool:
    """Tell whether the endpoint answers a query."""
    try:
        return query(lab, "select 1", timeout=5) == [(1,)]
    except pymysql.Error:
        return False
