"""The application's database, and the server's options."""

import re
import string
from typing import Annotated

import pulumi

from components.settings.given import given, hidden, mapping, secret, text
from components.settings.mistake import Mistake
from components.settings.section import Section
from components.settings.server_options import server_options

# Accounts of MySQL's, MariaDB's and their packages' own.
_ACCOUNTS = """
    root mysql mysql.sys mysql.session mysql.infoschema mariadb.sys debian-sys-maint replication public
"""

_DATABASES = "mysql sys information_schema performance_schema ndbinfo"

_PASSWORD_CHARACTERS = set(string.ascii_letters + string.digits + string.punctuation) - set("'\"`\\")


def _database_name(value: str) -> str:
    if value.lower() in _DATABASES.split():
        raise Mistake(f"{value!r} is one of the server's own databases; choose another name")
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,63}", value):
        raise Mistake(
            f"{value!r} is not a valid database name: 1 to 64 of A-Z, a-z, 0-9 and _, beginning with a letter"
        )
    return value


def _database_user(value: str) -> str:
    if value.lower() in _ACCOUNTS.split() or value.lower().startswith(("mysql.", "mariadb.")):
        raise Mistake(f"{value!r} is one of the server's own accounts; choose another name")
    # 32: MySQL's limit; MariaDB's is higher.
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,31}", value):
        raise Mistake(f"{value!r} is not a valid account name: 1 to 32 of A-Z, a-z, 0-9 and _, beginning with a letter")
    return value


def strong(value: str) -> str:
    """Check a password; it travels through SQL and an option file: what would end a string there is not allowed."""
    if not set(value) <= _PASSWORD_CHARACTERS:
        raise Mistake(
            "has a character that is not allowed; allowed are ASCII letters, digits and punctuation,"
            " except quotes, backslash and space"
        )
    if len(value) > 128:
        raise Mistake("is longer than 128 characters")
    kinds = (string.ascii_lowercase, string.ascii_uppercase, string.digits, string.punctuation)
    variety = sum(1 for kind in kinds if set(value) & set(kind))
    if len(value) < 16 or (len(value) < 24 and variety < 3) or len(set(value)) < 8:
        raise Mistake(
            "is weak; use at least 24 characters, or 16 of three kinds (lower case, upper case, digit,"
            " punctuation), and 8 different ones"
        )
    return value


class DatabaseSection(Section):
    database_name: Annotated[str, given(text, _database_name)]
    database_user: Annotated[str, given(text, _database_user)]
    database_password: Annotated[pulumi.Output[str], given(secret, strong, hidden)]
    mysql_options: Annotated[dict[str, str], given(mapping, server_options)]
