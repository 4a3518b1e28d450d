"""The application's database, who else may use one, and the server's options."""

import re
import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated

import pulumi

from components.settings.given import choice, given, hidden, mapping, objects, secret, secrets_by_name, text
from components.settings.mistake import Mistake, near
from components.settings.section import Check, Section
from components.settings.server_options import server_options

# Accounts of MySQL's, MariaDB's and their packages' own, and of those who ask the server on a node.
_ACCOUNTS = """
    root mysql mysql.sys mysql.session mysql.infoschema mariadb.sys debian-sys-maint replication public
    hacluster prometheus
"""

RIGHTS = {
    "readOnly": "SELECT, SHOW VIEW",
    "readWrite": "SELECT, INSERT, UPDATE, DELETE, CREATE TEMPORARY TABLES, LOCK TABLES, EXECUTE, SHOW VIEW",
    "owner": "ALL PRIVILEGES",
}
"""What a further account may do in its database, by the word for it: SQL, in the order in which servers show it."""

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


@dataclass(frozen=True)
class Account:
    """A further account.

    Args:
        database: the one database that it may use.
        rights: what it may do there, one of `RIGHTS`.
    """

    database: str
    rights: str

    @property
    def privileges(self) -> str:
        """The rights as SQL has them."""
        return RIGHTS[self.rights]


def _accounts(values: Mapping[str, Mapping[str, str]]) -> Mapping[str, Account]:
    if wrong := [f"{name}: {what}" for name, value in values.items() for what in _wrong_with(name, value)]:
        raise Mistake("; ".join(wrong))
    return {name: Account(value["database"], value["rights"]) for name, value in values.items()}


def _wrong_with(name: str, value: Mapping[str, str]) -> Iterable[str]:
    """Yield all that is wrong with a further account."""
    checks = {"database": _database_name, "rights": choice(*RIGHTS)}
    of_values = [(check, value[key]) for key, check in checks.items() if key in value]
    for check, checked in [(_database_user, name), *of_values]:
        try:
            check(checked)
        except Mistake as mistake:
            yield str(mistake)
    yield from (f"has no {key}" for key in checks if key not in value)
    for key in sorted(value.keys() - checks):
        yield f"{key!r} is not one of {', '.join(checks)}{near(key, checks)}"


def _passwords(values: Mapping[str, str]) -> Mapping[str, pulumi.Output[str]]:
    for name, value in values.items():
        try:
            strong(value)
        except Mistake as mistake:
            raise Mistake(f"{name}: {mistake}") from None
    return {name: hidden(value) for name, value in values.items()}


class DatabaseSection(Section):
    database_name: Annotated[str, given(text, _database_name)]
    database_user: Annotated[str, given(text, _database_user)]
    database_password: Annotated[pulumi.Output[str], given(secret, strong, hidden)]
    database_accounts: Annotated[dict[str, Account], given(objects, _accounts)]
    database_account_passwords: Annotated[dict[str, pulumi.Output[str]], given(secrets_by_name, _passwords)]
    mysql_options: Annotated[dict[str, str], given(mapping, server_options)]

    @property
    def all_accounts(self) -> frozenset[str]:
        """The names of all accounts, the application's too."""
        return frozenset((self.database_user, *self.database_accounts))

    @property
    def account_passwords(self) -> pulumi.Output[str]:
        """The further accounts' passwords: a line for each, its name and, behind a space, its password."""
        passwords = {name: self.database_account_passwords[name] for name in sorted(self.database_accounts)}
        return pulumi.Output.from_input(passwords).apply(
            lambda clear: "\n".join(f"{name} {password}" for name, password in clear.items())
        )

    def checks(self) -> Iterable[Check]:
        return (
            ("databaseAccounts", self._application_is_no_further_account),
            ("databaseAccountPasswords", self._each_account_has_one),
        )

    def _application_is_no_further_account(self) -> None:
        if self.database_user in self.database_accounts:
            raise Mistake(f"{self.database_user} is databaseUser; choose another name")

    def _each_account_has_one(self) -> None:
        if missing := self.database_accounts.keys() - self.database_account_passwords:
            names, stack = ", ".join(sorted(missing)), pulumi.get_stack()
            raise Mistake(f"has none for {names}; make stack STACK={stack} makes what is missing")
