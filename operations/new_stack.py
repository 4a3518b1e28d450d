"""Makes a stack with all its secrets: `python -m operations.new_stack --stack NAME`.

What is there already is never overwritten. Run again, it makes what is missing still.
"""

import ipaddress
import re
import sys
from pathlib import Path
from typing import Any, cast

import yaml

from components.checkout import CHECKOUT, schema
from operations.cli import PROJECT, Cli
from operations.command import cli_of, exit_code_of, stack_parser
from operations.error import OperationError
from operations.stack_secrets import fill_secrets, settings_of

# RFC 5737: networks for examples. Where they stand, somebody has to put his own.
_EXAMPLES = tuple(ipaddress.IPv4Network(each) for each in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"))

_SIZES = ("vmSize", "osDiskSku", "dataDiskSizeGb", "dataDiskSku", "protectData")

# What two clusters cannot both have: names, addresses, an account for backups; and what was said of one's own data.
_OF_ONE_CLUSTER = (
    *("nodeNames", "nodeAddresses", "witnessAddress", "endpointAddress", "dnsLabel"),
    *("privateDnsName", "existingPrivateDnsZoneId"),
    *("backupStorageAccount", "existingBackupStorageAccountId", "restoreFrom", "restoreTo", "deleteDataDisks"),
)


class NewStackError(OperationError):
    """The stack cannot be made; the text says why."""


def begin_stack_file(cli: Cli, source: Path) -> None:
    """Write a new stack's settings: the plain ones of another stack, with names of its own.

    Its sizes, and whether its data is protected, are not taken over: what was chosen for a small stack would be
    dangerous for a large one. They begin as Pulumi.yaml has them; and so does what two clusters cannot share.

    Args:
        source: the other stack's file, Pulumi.OTHER.yaml.
    """
    if not source.exists():
        raise NewStackError(f"there is no {source.name} to copy from")
    settings = {
        key: value
        for key, value in settings_of(source).items()
        if key.removeprefix(f"{PROJECT}:") not in (*_secrets(), *_SIZES, *_OF_ONE_CLUSTER)
    }
    label = re.sub(r"[^a-z0-9]+", "-", cli.short_name.lower()).strip("-")
    settings[f"{PROJECT}:clusterName"] = f"mysql-{label}"[:33].rstrip("-")
    tags = settings.get(f"{PROJECT}:tags")
    if isinstance(tags, dict) and "environment" in tags:
        settings[f"{PROJECT}:tags"] = {**cast(dict[str, Any], tags), "environment": cli.short_name}
    head = f"# Copied from {source.name}. Pulumi.yaml lists all settings.\n"
    text = yaml.safe_dump({"config": settings}, sort_keys=False)
    cli.settings_file.write_text(head + text, encoding="utf-8")


def _secrets() -> list[str]:
    """Return the keys of all secrets: encrypted for one stack, they are of no use to another."""
    return [key for key, declared in schema().items() if declared.get("secret")]


def networks_to_replace(config_file: Path) -> list[str]:
    """Return the keys of a stack's file whose networks are examples still."""
    found: list[str] = []
    for key in ("adminCidrs", "clientCidrs", "monitorCidrs"):
        values: object = settings_of(config_file).get(f"{PROJECT}:{key}")
        if isinstance(values, list) and any(map(_is_example, cast(list[object], values))):
            found.append(key)
    return found


def shares_a_subnet(config_file: Path) -> bool:
    """Tell whether a stack's file has an existing subnet, but no addresses of its own in it."""
    settings = settings_of(config_file)
    return bool(settings.get(f"{PROJECT}:existingSubnetId")) and not settings.get(f"{PROJECT}:nodeAddresses")


def _is_example(value: object) -> bool:
    try:
        network = ipaddress.IPv4Network(str(value), strict=False)
    except ValueError:
        return False
    return any(network.subnet_of(example) for example in _EXAMPLES)


def main(arguments: list[str] | None = None) -> int:
    parser = stack_parser("new_stack", "Make a stack with every secret that it needs; keep those that it has.")
    parser.add_argument(
        "--from",
        dest="source",
        default="dev",
        metavar="OTHER",
        help="stack from which a new file copies its plain settings (default: %(default)s)",
    )
    options = parser.parse_args(arguments)

    def run() -> int:
        _make(cli_of(options), options.source)
        return 0

    return exit_code_of("new_stack", run)


def _make(cli: Cli, source: str) -> None:
    file = cli.settings_file
    if not file.exists():
        begin_stack_file(cli, CHECKOUT / f"Pulumi.{source}.yaml")
        print(f"{file.name}: copied from Pulumi.{source}.yaml")
    filled = fill_secrets(cli)
    for word, keys in (("kept", filled.kept), ("made", filled.made)):
        for key in keys:
            print(f"{key}: {word}")
    print(f"\nStack {cli.short_name} has all its secrets, encrypted in {file.name}. To read one:")
    print(f"  pulumi config get {PROJECT}:databasePassword --stack {cli.stack}")
    if keys := networks_to_replace(file):
        print(f"Before `pulumi up`, put your own networks into {' and '.join(keys)}.")
    if shares_a_subnet(file):
        print("Its subnet is that of another stack: set nodeAddresses, and whatever else has an address there.")


if __name__ == "__main__":
    sys.exit(main())
