"""The page docs/settings.md: each setting with its default, what it does, and what it reaches."""

import base64
import json
import re
import textwrap
from datetime import UTC, datetime
from typing import Any

from components import certificates, ports
from components.checkout import CHECKOUT
from tests.docs.reach import Another, Reach
from tests.support.brought import Maker
from tests.support.keys import ssh_key, tunnel_keys
from tests.support.quick_keys import quick_keys
from tests.support.recording import EXISTING, WORKSPACE
from tests.support.stack_configuration import schema

PAGE = CHECKOUT / "docs" / "settings.md"

_KEY = {key: EXISTING[key] for key in ("diskEncryptionKeyUrl", "diskEncryptionKeyVaultId")}
_OTHER_VAULT = EXISTING["diskEncryptionKeyVaultId"].replace("/secrets/", "/others/")
_OTHER_BACKUP = EXISTING["existingBackupStorageAccountId"].replace("storageAccounts/", "storageAccounts/other")

_ACCOUNT = {
    "databaseAccounts": {"reports": {"database": "app", "rights": "readOnly"}},
    "databaseAccountPasswords": {"reports": "Another-throw-away-text-1"},
}


def _own_certificate() -> str:
    maker = Maker(datetime.now(UTC))
    root = maker.authority("root")
    server = maker.server(root, ["db.example.org"])
    return server.key + server.pem + root.pem


with quick_keys():
    _AUTHORITY, _KEY_OF_THE_SERVER = certificates.make_authority(), certificates.make_key()

# By section, in Pulumi.yaml's order, another value of each than the stack dev has.
SECTIONS: dict[str, dict[str, Another]] = {
    "Cluster": {
        "clusterName": Another({"clusterName": "other"}),
        "nodeNames": Another({"nodeNames": ["one", "two"]}),
        "location": Another({"location": "northeurope"}),
        "existingResourceGroup": Another({"existingResourceGroup": EXISTING["existingResourceGroup"]}),
        "operatingSystem": Another({"operatingSystem": "debian-13"}),
        "imageVersion": Another({"imageVersion": "24.04.202601010"}),
    },
    "Network": {
        "addressSpace": Another({"addressSpace": "10.32.0.0/20"}),
        "subnet": Another({"subnet": "10.35.0.0/24"}),
        "existingSubnetId": Another({"existingSubnetId": EXISTING["existingSubnetId"]}, {"subnet": "10.34.0.0/24"}),
        "nodeAddresses": Another({"nodeAddresses": ["10.32.0.20", "10.32.0.21"]}),
        "endpoint": Another({"endpoint": "internal"}),
        "endpointAddress": Another({"endpointAddress": "10.32.0.30"}, {"endpoint": "internal"}),
        "dnsLabel": Another({"dnsLabel": "shop"}),
        "privateDnsName": Another({"privateDnsName": "db.shop.internal"}, {"endpoint": "internal"}),
        "existingPrivateDnsZoneId": Another(
            {"existingPrivateDnsZoneId": EXISTING["existingPrivateDnsZoneId"]},
            {"endpoint": "internal", "privateDnsName": "db.corp.example"},
        ),
        "probePort": Another({"probePort": 61501}),
        "clientCidrs": Another({"clientCidrs": ["198.51.100.0/24"]}),
        "hostFirewall": Another({"hostFirewall": True}),
    },
    "Witness": {
        "witness": Another({"witness": True}),
        "witnessAddress": Another({"witnessAddress": "10.32.0.40"}, {"witness": True}),
        "witnessSize": Another({"witnessSize": "Standard_B2s_v2"}, {"witness": True}),
    },
    "Machines and disks": {
        "availabilitySet": Another({"availabilitySet": False, "zones": ["1"]}),
        "zones": Another({"zones": ["1", "2"]}, {"availabilitySet": False, "zones": ["1"]}),
        "vmSize": Another({"vmSize": "Standard_D4s_v5"}),
        "acceleratedNetworking": Another({"acceleratedNetworking": True}),
        "osDiskSku": Another({"osDiskSku": "Premium_LRS"}),
        "dataDiskSizeGb": Another({"dataDiskSizeGb": 128}),
        "dataDiskSku": Another({"dataDiskSku": "Premium_LRS"}),
        "protectData": Another({"protectData": True}),
        # It permits, and makes nothing otherwise. Only a stack that has such disks takes another value.
        "deleteDataDisks": Another({"deleteDataDisks": []}),
        "deletionLock": Another({"deletionLock": True}, {"protectData": True}),
        "diskEncryptionKeyUrl": Another(_KEY),
        "diskEncryptionKeyVaultId": Another({"diskEncryptionKeyVaultId": _OTHER_VAULT}, _KEY),
    },
    "SSH": {
        "adminUser": Another({"adminUser": "keeper"}),
        "adminCidrs": Another({"adminCidrs": ["198.51.100.0/24"]}),
        "sshAccess": Another({"sshAccess": "node-addresses"}),
        "sshPorts": Another({"sshPorts": [50011, 50012, 50013]}),
        "sshPrivateKey": Another({"sshPrivateKey": ssh_key()}),
        "sshPreviousPrivateKey": Another({"sshPreviousPrivateKey": ssh_key()}),
        "sshHostKeys": Another({"sshHostKeys": [ssh_key(number=number) for number in range(1, 4)]}),
        "clusterSshKey": Another({"clusterSshKey": ssh_key()}),
    },
    "Database": {
        "databaseName": Another({"databaseName": "shop"}),
        "databaseUser": Another({"databaseUser": "shop"}),
        "databasePassword": Another({"databasePassword": "Another-throw-away-text-1"}),
        "databaseAccounts": Another(_ACCOUNT),
        "databaseAccountPasswords": Another(
            {"databaseAccountPasswords": {"reports": "Another-throw-away-text-2"}}, _ACCOUNT
        ),
        "mysqlOptions": Another({"mysqlOptions": {"max_connections": 300}}),
    },
    "TLS": {
        "tlsAuthority": Another({"tlsAuthority": _AUTHORITY}),
        "tlsCertificate": Another({"tlsCertificate": _KEY_OF_THE_SERVER}),
        "ownCertificate": Another({"ownCertificate": _own_certificate()}),
    },
    "Backup": {
        "backup": Another({"backup": True}),
        "backupDays": Another({"backupDays": 90}, {"backup": True}),
        "backupStorageAccount": Another({"backupStorageAccount": "stanother1"}, {"backup": True}),
        "existingBackupStorageAccountId": Another(
            {"existingBackupStorageAccountId": EXISTING["existingBackupStorageAccountId"]}, {"backup": True}
        ),
        "restoreFrom": Another({"restoreFrom": _OTHER_BACKUP}),
        "restoreTo": Another({"restoreTo": "2026-11-27T11:59:59Z"}, {"restoreFrom": _OTHER_BACKUP}),
    },
    "Monitoring": {
        "monitoring": Another({"monitoring": True, "monitorCidrs": ["198.51.100.0/24"]}),
        "monitorCidrs": Another(
            {"monitorCidrs": ["203.0.113.0/24"]}, {"monitoring": True, "monitorCidrs": ["198.51.100.0/24"]}
        ),
        "monitorPassword": Another(
            {"monitorPassword": "Another-throw-away-text-1"}, {"monitoring": True, "monitorCidrs": ["198.51.100.0/24"]}
        ),
        "monitorOnWitness": Another(
            {"monitorOnWitness": True},
            {"witness": True, "monitoring": True, "monitorCidrs": ["198.51.100.0/24"]},
        ),
        "monitorWorkspaceId": Another(
            {"monitorWorkspaceId": WORKSPACE},
            {"witness": True, "monitoring": True, "monitorCidrs": ["198.51.100.0/24"], "monitorOnWitness": True},
        ),
    },
    "Alerts of Azure": {
        "alertEmails": Another({"alertEmails": ["night@example.com"]}),
        "alertWebhook": Another({"alertWebhook": "https://example.com/hook"}),
    },
    "Membership and replication": {
        "failover": Another({"failover": "safe"}),
        "corosyncTokenMs": Another({"corosyncTokenMs": 20000}),
        "corosyncKey": Another({"corosyncKey": base64.b64encode(bytes(range(256))).decode()}),
        "replicationEncryption": Another({"replicationEncryption": True}),
        "replicationKeys": Another(
            {"replicationKeys": tunnel_keys(ports.WIREGUARD[1])}, {"replicationEncryption": True}
        ),
        "drbdSecret": Another({"drbdSecret": "another-throw-away-text-of-43-characters-00"}),
        "drbdResyncMaxRate": Another({"drbdResyncMaxRate": "200M"}),
        "drbdResyncMinRate": Another({"drbdResyncMinRate": "20M"}),
    },
    "Fencing and tags": {
        "fencing": Another({"fencing": "off"}),
        "watchdog": Another({"watchdog": "off"}, {"witness": True}),
        "existingRoleDefinitionId": Another({"existingRoleDefinitionId": EXISTING["existingRoleDefinitionId"]}),
        "fencingDelaySeconds": Another({"fencingDelaySeconds": 20}),
        "tags": Another({"tags": {"environment": "dev", "owner": "data"}}),
    },
}
_HEAD = """# Settings

Every setting of a stack. Set one with `pulumi config set azure-mysql-ha:NAME VALUE`, a list or an object with
`--path`, a secret with `--secret`. Pulumi.yaml declares them; [components/settings](../components/settings) checks
them, all at once.

“Reaches” says what changed when the program ran with another value of the setting: resources in Azure that are added,
removed or changed, and scripts that then run on their machines. NODE stands for each node's name. Some changes replace
resources: [changes.md](changes.md). `pulumi preview` shows what yours does.
"""
_REACH = re.compile(r"\nReaches .*?\n(?=\n|\Z)", re.DOTALL)


def page(reaches: dict[str, Reach]) -> str:
    """Return the page."""
    parts = [_HEAD]
    for section, settings in SECTIONS.items():
        parts += [f"\n## {section}\n", *(_setting(key, reaches[key]) for key in settings)]
    return "".join(parts)


def without_reach(text: str) -> str:
    """Return the page without what was computed: what Pulumi.yaml says."""
    return _REACH.sub("", text)


def _setting(key: str, reached: Reach) -> str:
    declared = schema()[key]
    default = "A secret." if declared.get("secret") else f"Default: {_shown(declared['default'])}."
    description = re.sub(
        "^Secret (list|object|text)", lambda found: found[1].capitalize(), declared["description"].strip()
    )
    what = [
        *([f"in Azure {_listed(reached.azure)}"] if reached.azure else []),
        *([f"the scripts {_listed(reached.scripts)}"] if reached.scripts else []),
        *(["how scripts reach their machines"] if reached.connections else []),
    ]
    reaches = f"Reaches {'; '.join(what) or 'no resource by itself'}."
    return f"\n### `{key}`\n\n{_wrapped(f'{description} {default}')}\n\n{_wrapped(reaches)}\n"


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return f"`{text}`" if text else "empty"


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
