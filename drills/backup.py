"""The backup of a stack that is proved: that it comes, is kept, can be restored, and goes.

`python -m drills.backup ACCOUNT`, with a storage account's resource id, takes the policy away that keeps it.
"""

import subprocess
import sys
import time
from typing import Any

from azure.core import MatchConditions
from azure.mgmt.storage import StorageManagementClient

from components.azure import cloud
from components.checkout import CHECKOUT
from components.settings.azure_id import id_of
from configs.backup.blobs import CONTAINER, Base
from configs.backup.moments import from_stamp
from drills.target import Target
from operations import backups, verify_backup
from operations.cli import Cli
from operations.error import OperationError

_FIRST_SECONDS = 900.0
"""Longest wait for the first backup: a role counts within ten minutes (Microsoft Learn, "Troubleshoot Azure RBAC")."""

# The node's own identity, as the backup's programs have it; the token is on no command line.
_TRY = """set -euo pipefail
token=$(curl --silent --fail --header 'Metadata: true' \
'http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://storage.azure.com/' |
  python3 -c 'import json, sys; print(json.load(sys.stdin)["access_token"])')
attempt() {{
  printf 'header = "Authorization: Bearer %s"\\n' "$token" |
    curl --config - --silent --output /dev/null --dump-header - --header 'x-ms-version: 2021-08-06' "$@" {url} |
    sed --silent 's/\\r$//; s/^HTTP[^ ]* \\([0-9]*\\).*/\\1/p; s/^x-ms-error-code: //Ip' | xargs
}}
attempt --request DELETE
attempt --request PUT --header 'x-ms-blob-type: BlockBlob' --data spoilt
"""

_REFUSALS = ("403 AuthorizationPermissionMismatch", "409 BlobImmutableDueToPolicy")


def comes(target: Target) -> str:
    """Wait for the first time to which one can restore.

    Raises:
        OperationError: it does not come.
    """
    begin = time.monotonic()
    while not (found := backups.ask(target.stack))["windows"]:
        if time.monotonic() - begin > _FIRST_SECONDS:
            raise OperationError(f"nothing can be restored after {_FIRST_SECONDS:.0f} s: {found['alarms']}")
        time.sleep(10)
    return f"restorable since {found['windows'][0][0]}"


def is_kept(target: Target) -> str:
    """Let a node try to delete a base, and to write over it: Azure refuses both.

    Raises:
        OperationError: it does not.
    """
    [*_, last] = backups.ask(target.stack)["bases"]
    base = _base(last)
    url = f"https://{backups.account(target.stack)}.blob.core.windows.net/{CONTAINER}/{base.data}"
    said = tuple(target.nodes[0].run(_TRY.format(url=url)).splitlines())
    if said != _REFUSALS:
        raise OperationError(f"asked to delete a base and to overwrite it, Azure says {said}, not {_REFUSALS}")
    return f"a node's attempts to delete a base and to overwrite it: {', '.join(said)}"


def _base(details: dict[str, Any]) -> Base:
    ended, begun = from_stamp(details["ended"]), from_stamp(details["begun"])
    return Base(details["history"], ended, begun, details["log"], details["position"])


def is_proved(target: Target) -> str:
    """Restore it on the node that does not serve.

    Raises:
        OperationError: it is not whole.
    """
    proof = verify_backup.prove(target.stack)
    if not proof.ok:
        raise OperationError(f"the backup is not good: {proof.why}")
    return f"{proof.tables} tables restored and checked in {proof.seconds} s"


def goes(cli: Cli) -> str:
    """Let Azure delete the backups: what docs/operations/backup.md has a person do.

    Raises:
        OperationError: Azure refuses.
    """
    account = str(cli.outputs().get("backup") or "OFF")
    if account.startswith("OFF"):
        return "there is none"
    command = [*cli.prefix, sys.executable, "-m", "drills.backup", account]
    run = subprocess.run(command, cwd=CHECKOUT, env=cli.environment, capture_output=True, text=True, check=False)
    if run.returncode:
        raise OperationError(run.stderr.strip().splitlines()[-1])
    return "the policy that protects them is removed"


def _release(account: str) -> None:
    found, where = cloud.find(), id_of("Microsoft.Storage/storageAccounts/NAME")(account)
    client = StorageManagementClient(
        found.credential, where.subscription, base_url=found.arm, credential_scopes=[f"{found.audience}/.default"],
        transport=found.transport,
    )  # fmt: skip
    policy = client.blob_containers.get_immutability_policy(where.group, where.names[0], CONTAINER)
    client.blob_containers.delete_immutability_policy(
        where.group, where.names[0], CONTAINER, etag=policy.etag or "", match_condition=MatchConditions.IfNotModified
    )


if __name__ == "__main__":
    _release(sys.argv[1])
