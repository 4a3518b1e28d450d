"""Changes one secret of a stack: `python -m operations.rotate --stack NAME SECRET`."""

import json
import sys

from components.settings.mistake import Mistake
from components.settings.tunnel import make_keys
from operations.cli import PROJECT, Cli
from operations.command import cli_of, exit_code_of, stack_parser
from operations.stack_secrets import (
    ACCOUNT_PASSWORDS,
    HOST_KEYS,
    MAKERS,
    SSH_KEY,
    TLS_KEY,
    TUNNEL_KEYS,
    StackSecretsError,
    accounts_of,
    make_password,
    passwords,
    settings_of,
)

_PREVIOUS_SSH_KEY = "sshPreviousPrivateKey"
_OWN_CERTIFICATE = "ownCertificate"


def rotate(cli: Cli, key: str) -> None:
    """Put a new value in place of one of a stack's secrets. It counts from the next `pulumi up`.

    Args:
        key: which one; a further account's password is `databaseAccountPasswords.NAME`. Of `sshPrivateKey` the value
            before stays, as `sshPreviousPrivateKey`: by it the machines are reached once more.

    Raises:
        OperationError: the CLI or ssh-keygen failed; there is no such secret, or the stack lacks it; it cannot be
            changed; or its last change has not been ended.
    """
    present = settings_of(cli.settings_file) if cli.settings_file.exists() else {}
    accounts = {f"{ACCOUNT_PASSWORDS}.{name}": name for name in accounts_of(present)}
    if key in accounts:
        cli.set_secret(ACCOUNT_PASSWORDS, json.dumps(passwords(cli, present) | {accounts[key]: make_password()}))
        return
    if key not in MAKERS or key == HOST_KEYS:
        can_be = ", ".join(each for each in (*MAKERS, *accounts) if each != HOST_KEYS)
        why = "a machine gets its host key when it is made" if key == HOST_KEYS else "there is no such secret"
        raise StackSecretsError(f"{key} cannot be changed: {why}; those that can: {can_be}")
    if f"{PROJECT}:{key}" not in present:
        raise StackSecretsError(
            f"{cli.settings_file.name} has no {key} yet: make stack STACK={cli.short_name} makes it"
        )
    if key == TLS_KEY and present.get(f"{PROJECT}:{_OWN_CERTIFICATE}"):
        raise StackSecretsError(
            f"{key} is not in use: {cli.settings_file.name} has {_OWN_CERTIFICATE}; put the new one there"
        )
    if key == SSH_KEY:
        before = cli.setting(key)
        # The two are the same where a run was interrupted between the settings below.
        if f"{PROJECT}:{_PREVIOUS_SSH_KEY}" in present and cli.setting(_PREVIOUS_SSH_KEY).strip() != before.strip():
            raise StackSecretsError(
                f"{key} is already being changed: pulumi up --stack {cli.stack}, and when that has succeeded"
                f" pulumi config rm {PROJECT}:{_PREVIOUS_SSH_KEY} --stack {cli.stack}"
            )
        cli.set_secret(_PREVIOUS_SSH_KEY, before)
    cli.set_secret(key, _another_tunnel(cli) if key == TUNNEL_KEYS else MAKERS[key]())


def _another_tunnel(cli: Cli) -> str:
    """Return keys of a tunnel that can be there beside the one that the stack has."""
    try:
        return json.dumps(make_keys([str(key) for key in json.loads(cli.setting(TUNNEL_KEYS))]))
    except Mistake as mistake:
        raise StackSecretsError(f"{TUNNEL_KEYS} {mistake}") from None
    except (ValueError, TypeError):
        raise StackSecretsError(f"{TUNNEL_KEYS} is not a list") from None


def main(arguments: list[str] | None = None) -> int:
    parser = stack_parser("rotate", "Change one secret of a stack. It counts from the next `pulumi up`.")
    parser.add_argument("secret", metavar="SECRET", help="which one, such as databasePassword")
    options = parser.parse_args(arguments)

    def run() -> int:
        _rotate(cli_of(options), options.secret)
        return 0

    return exit_code_of("rotate", run)


def _rotate(cli: Cli, key: str) -> None:
    rotate(cli, key)
    print(f"{key}: changed in {cli.settings_file.name}. Now: pulumi up --stack {cli.stack}")
    if key == SSH_KEY:
        print(
            "When that has succeeded, the previous key is no longer needed:"
            f"\n  pulumi config rm {PROJECT}:{_PREVIOUS_SSH_KEY} --stack {cli.stack}"
            f"\n  pulumi up --stack {cli.stack}"
        )


if __name__ == "__main__":
    sys.exit(main())
