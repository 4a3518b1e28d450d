"""Every mistake in a stack's settings is told, all at once, each with its key and what to do."""

import asyncio
import base64
import dataclasses
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pulumi
import pytest
import yaml

from components import certificates, templates
from components.checkout import CHECKOUT
from components.settings import operating_system, vm_size
from components.settings.load import SettingsError, load
from components.settings.membership import key_file
from components.settings.recorded import DataDisk, Recorded, Restored
from components.settings.section import Section
from components.settings.settings import MachineSettings, Settings
from components.settings.tunnel import make_keys
from tests.support.brought import Maker
from tests.support.keys import ssh_key
from tests.support.recording import WORKSPACE
from tests.support.stack_configuration import schema, throw_away_secrets, use, use_stack

PREFIX = "azure-mysql-ha:"

SUBSCRIPTION = "/subscriptions/11111111-2222-3333-4444-555555555555"
SUBNET_ID = f"{SUBSCRIPTION}/resourceGroups/net/providers/Microsoft.Network/virtualNetworks/hub/subnets/data"
ZONE_ID = f"{SUBSCRIPTION}/resourceGroups/names/providers/Microsoft.Network/privateDnsZones/Corp.Example"
VAULT_ID = f"{SUBSCRIPTION}/resourceGroups/secrets/providers/Microsoft.KeyVault/vaults/Keys-1"
KEY_URL = "https://keys-1.vault.azure.net/keys/disks/0123456789abcdef0123456789abcdef"
ROLE_ID = "/providers/Microsoft.Authorization/roleDefinitions/9980e02c-c2be-4d73-94e8-173b1dc7cf3c"
ACCOUNT_ID = f"{SUBSCRIPTION}/resourceGroups/archive/providers/Microsoft.Storage/storageAccounts/starchive"
MONITORED: dict[str, Any] = {"monitoring": True, "monitorCidrs": ["10.1.0.0/24"]}
BACKUP = {"backup": True}
INTERNAL = {"endpoint": "internal"}
ACCOUNT = {"database": "app", "rights": "readOnly"}
ZONES = {"availabilitySet": False, "zones": ["1", "2"]}
MISSING = "is missing; make stack STACK=trial makes every secret that is missing"
RANDOM = base64.b64encode(bytes(range(256))).decode()
TUNNEL_KEYS = make_keys()


def accounts(**named: object) -> dict[str, Any]:
    """Return further accounts, each with a password."""
    return {
        "databaseAccounts": named,
        "databaseAccountPasswords": dict.fromkeys(named, "Another-throw-away-text-1"),
    }


@pytest.fixture(autouse=True)
def _stack(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    monkeypatch.setattr(pulumi, "get_stack", lambda: "trial")


def mistakes(changes: dict[str, Any], *, secret: bool = True) -> list[str]:
    """Return what is told of the stack dev with these changes, without the common prefix of the keys."""
    values = throw_away_secrets() | DEV | changes
    with pytest.raises(SettingsError) as raised:
        load(use(values, secret=secret))
    return [line.removeprefix(PREFIX) for line in raised.value.mistakes]


def own_certificate(*names: str) -> str:
    """Return a certificate for these hosts, with all that belongs to it."""
    maker = Maker(datetime.now(UTC))
    root = maker.authority("root")
    server = maker.server(root, names)
    return server.key + server.pem + root.pem


AUTHORITY_THAT_HAS_ENDED = certificates.make_authority(
    datetime(2026, 1, 1, tzinfo=UTC) - timedelta(certificates.AUTHORITY_DAYS)
)
KEY_THAT_HAS_ENDED = certificates.make_key(datetime(2020, 1, 2, tzinfo=UTC))


DEV: dict[str, Any] = {"adminCidrs": ["203.0.113.0/24"], "clientCidrs": ["203.0.113.0/24"]}


def wrong(setting: str, value: Any, text: str) -> tuple[dict[str, Any], str]:
    """Return a row of one setting, and what is said of it."""
    return {setting: value}, f"{setting}: {text}"


def option(name: str, value: Any, text: str) -> tuple[dict[str, Any], str]:
    """Return a row of one of the server's options, and what is said of it."""
    return wrong("mysqlOptions", {name: value}, f"{name} {text}")


# What is changed, and the one line that must come of it.
BAD: list[tuple[dict[str, Any], str]] = [
    # Names
    wrong("clusterName", "My_Cluster", "'My_Cluster' is not a valid cluster name: 1 to 33 of a-z, 0-9 and -"),
    wrong("clusterName", "a" * 41, "'aaaaa"),
    wrong("clusterName", "mysql-", "'mysql-' is not a valid cluster name"),
    wrong("clusterName", "", "is missing"),
    wrong("clusterName", None, "is missing"),
    wrong("nodeNames", ["one", "one"], "both nodes are called 'one'; give them different names"),
    wrong("nodeNames", ["one"], "has 1 names; a cluster has 2 nodes"),
    wrong("nodeNames", ["n" * 64, "two"], "'nnn"),
    wrong("nodeNames", ["node_1", "two"], "'node_1' is not a valid host name"),
    wrong("nodeNames", ["localhost", "two"], "'localhost' is not a valid host name"),
    wrong("nodeNames", "one,two", "'one,two' is not a list"),
    wrong("location", "West Europe", "'West Europe' is not the name of an Azure region; did you mean westeurope?"),
    wrong("imageVersion", "newest", "'newest' is neither latest nor a version of Azure's, such as"),
    wrong(
        "operatingSystem",
        "debian12",
        f"'debian12' is not one of {', '.join(operating_system.names())}; did you mean debian-12?",
    ),
    # Network
    (
        {"subnet": "10.99.0.0/24", "addressSpace": "10.32.0.0/16"},
        "subnet: 10.99.0.0/24 is outside addressSpace 10.32.0.0/16; choose one inside it",
    ),
    wrong("subnet", "10.32.0.0/30", "10.32.0.0/30 is not between /8 and /29, the sizes that Azure accepts"),
    wrong("subnet", "10.32.0.7/24", "10.32.0.7/24 is an address within a network; did you mean 10.32.0.0/24?"),
    wrong("subnet", "10.32.0.0", "10.32.0.0 has no prefix length; for a single address, write 10.32.0.0/32"),
    wrong("subnet", "10.32.0.0/33", "'10.32.0.0/33' is not a network; an example is 10.32.0.0/24"),
    wrong("subnet", "fd00::/64", "fd00::/64 is an IPv6 network; only IPv4 is supported"),
    (
        {"addressSpace": "8.0.0.0/8", "subnet": "8.1.0.0/24"},
        "addressSpace: 8.0.0.0/8 is not private; choose one within",
    ),
    ({"subnet": "8.1.0.0/24"}, "addressSpace: 8.1.0.0/16 is not private; choose one within"),
    # What is there already
    wrong("existingResourceGroup", "data.", "'data.' is not a valid resource group name: 1 to 90"),
    (
        {"clusterName": "shop", "existingResourceGroup": "RG-shop"},
        "existingResourceGroup: RG-shop is the group that this stack makes for itself; leave this setting out",
    ),
    wrong(
        "existingSubnetId",
        "snet-data",
        "'snet-data' is not of the form /subscriptions/ID/resourceGroups/NAME/providers/"
        "Microsoft.Network/virtualNetworks/NAME/subnets/NAME",
    ),
    wrong(
        "existingSubnetId",
        SUBNET_ID.partition("/subnets")[0],
        "'/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/net/providers/",
    ),
    (
        {"existingSubnetId": SUBNET_ID, "addressSpace": "10.32.0.0/16"},
        "addressSpace: is for a network that this stack makes; with existingSubnetId leave it out",
    ),
    (
        {"existingSubnetId": SUBNET_ID, "subnet": "10.9.0.0/24", "nodeAddresses": ["10.32.0.4", "10.32.0.5"]},
        "nodeAddresses: 10.32.0.4 is outside subnet 10.9.0.0/24; choose an address inside it",
    ),
    (
        {
            "clusterName": "a",
            "existingSubnetId": SUBNET_ID.replace("Groups/net", "Groups/rg-a").replace("hub", "VNet-A"),
        },
        "existingSubnetId: is the subnet that this stack makes for itself; leave this setting out",
    ),
    wrong(
        "existingRoleDefinitionId",
        "Virtual Machine Contributor",
        "'Virtual Machine Contributor' is not of the form /subscriptions/ID/providers/",
    ),
    wrong("nodeAddresses", ["10.32.0.4", "10.32.0.4"], "both nodes have 10.32.0.4; give them different"),
    wrong(
        "nodeAddresses",
        ["10.32.0.1", "10.32.0.5"],
        "10.32.0.1 is reserved by Azure in subnet 10.32.0.0/24; choose from 10.32.0.4 to 10.32.0.254",
    ),
    wrong("nodeAddresses", ["10.32.0.4", "10.32.0.255"], "10.32.0.255 is reserved by Azure"),
    wrong("nodeAddresses", ["10.32.1.4", "10.32.0.5"], "10.32.1.4 is outside subnet 10.32.0.0/24; choose"),
    wrong("nodeAddresses", ["10.32.0.4"], "has 1 addresses; a cluster has 2 nodes"),
    wrong("nodeAddresses", ["node", "10.32.0.5"], "'node' is not an IPv4 address; an example is 10.32.0.4"),
    wrong("endpoint", "publik", "'publik' is not one of public, internal; did you mean public?"),
    wrong("dnsLabel", "My_Shop", "'My_Shop' is not a label of a domain name: 3 to 63 of a-z, 0-9 and -"),
    wrong("dnsLabel", "my", "'my' is not a label"),
    wrong("dnsLabel", "shop-", "'shop-' is not a label"),
    (INTERNAL | {"dnsLabel": "shop"}, "dnsLabel: is for a public endpoint; an internal one has privateDnsName"),
    wrong("privateDnsName", "db.shop.internal", "is for an internal endpoint; a public one has dnsLabel"),
    (INTERNAL | {"privateDnsName": "DB.shop.internal"}, "privateDnsName: 'DB.shop.internal' is not a domain name: par"),
    (INTERNAL | {"privateDnsName": "db.shop.internal."}, "privateDnsName: 'db.shop.internal.' is not a domain name"),
    (INTERNAL | {"privateDnsName": f"{'d' * 64}.b.c"}, f"privateDnsName: '{'d' * 64}.b.c' is not a domain name"),
    (INTERNAL | {"privateDnsName": ".".join(["abcdefg"] * 32)}, "privateDnsName: 'abcdefg.abcdefg."),
    (INTERNAL | {"privateDnsName": "db"}, "privateDnsName: 'db' is not a domain name"),
    (INTERNAL | {"privateDnsName": "shop.internal"}, "privateDnsName: shop.internal would be in a zone internal, but"),
    (INTERNAL | {"privateDnsName": f"{'a.' * 35}b"}, f"privateDnsName: {'a.' * 35}b has a zone of more than 34 parts"),
    (INTERNAL | {"privateDnsName": "db.azure.com"}, "privateDnsName: db.azure.com would be in a zone azure.com, which"),
    (
        INTERNAL | {"existingPrivateDnsZoneId": ZONE_ID},
        "existingPrivateDnsZoneId: is where privateDnsName is made, which is missing; set it, or leave this setting",
    ),
    (
        INTERNAL | {"existingPrivateDnsZoneId": ZONE_ID, "privateDnsName": "db.shop.internal"},
        "existingPrivateDnsZoneId: is zone corp.example, but privateDnsName db.shop.internal is not in it",
    ),
    (
        INTERNAL | {"existingPrivateDnsZoneId": f"{ZONE_ID}/A/db", "privateDnsName": "db.corp.example"},
        f"existingPrivateDnsZoneId: '{ZONE_ID}/A/db' is not of the form /subscriptions/ID/resourceGroups/",
    ),
    (
        INTERNAL
        | {
            "existingPrivateDnsZoneId": ZONE_ID.replace("/names/", "/rg-mysql/"),
            "privateDnsName": "db.corp.example",
            "clusterName": "mysql",
        },
        "existingPrivateDnsZoneId: is in the group that this stack makes for itself; leave this setting out",
    ),
    wrong("endpointAddress", "10.32.0.10", "is for an internal endpoint; a public one gets its address"),
    (INTERNAL | {"endpointAddress": "10.32.0.5"}, "endpointAddress: 10.32.0.5 is a node's; choose another"),
    (INTERNAL | {"endpointAddress": "10.32.0.3"}, "endpointAddress: 10.32.0.3 is reserved by Azure"),
    # The witness
    wrong("witness", "perhaps", "'perhaps' is neither true nor false"),
    ({"witness": True, "witnessAddress": "10.32.0.5"}, "witnessAddress: 10.32.0.5 is a node's; choose another"),
    ({"witness": True, "nodeAddresses": ["10.32.0.6", "10.32.0.7"]}, "witnessAddress: 10.32.0.6 is a node's; choose"),
    (
        INTERNAL | {"witness": True, "endpointAddress": "10.32.0.6"},
        "witnessAddress: 10.32.0.6 is the endpoint's; choose another",
    ),
    wrong("witnessAddress", "10.33.0.6", "10.33.0.6 is outside subnet 10.32.0.0/24; choose an address"),
    wrong("witnessSize", "tiny", "'tiny' is not a VM size"),
    (
        {"witnessSize": "Standard_D2_v5", "osDiskSku": "Premium_LRS"},
        "witnessSize: Premium_LRS does not fit witnessSize Standard_D2_v5, which has no premium storage",
    ),
    (
        {"clusterName": "shop", "nodeNames": ["shop-1", "shop-witness"]},
        "nodeNames: shop-witness is the witness's name; choose another",
    ),
    # Who may connect
    wrong("adminCidrs", [], "is empty: nobody could reach SSH; name the networks that may"),
    wrong(
        "adminCidrs",
        ["0.0.0.0/0"],
        "0.0.0.0/0 opens SSH to the whole world; name the networks that may, none wider than /8",
    ),
    wrong("adminCidrs", ["0.0.0.0/1", "128.0.0.0/1"], "0.0.0.0/1 opens SSH to 1/2 of the world; name"),
    wrong("adminCidrs", ["Internet"], "Internet opens SSH to the whole world; name the networks that may"),
    wrong(
        "adminCidrs", ["203.0.113.7"], "203.0.113.7 has no prefix length; for a single address, write 203.0.113.7/32"
    ),
    wrong("adminCidrs", ["10.0.0.0/8", "10.1.0.0/16"], "10.0.0.0/8 and 10.1.0.0/16 overlap, which Azure refuses"),
    wrong("adminCidrs", "203.0.113.0/24", "'203.0.113.0/24' is not a list"),
    wrong("clientCidrs", [], "is empty: nobody could reach MySQL; name the networks that may"),
    wrong("clientCidrs", ["0.0.0.0/0"], "0.0.0.0/0 opens MySQL to the whole world; name the networks"),
    (INTERNAL | {"clientCidrs": []}, "clientCidrs: is empty: nobody could reach MySQL"),
    # Ports
    wrong("sshAccess", "bastion", "'bastion' is not one of nat-rules, node-addresses"),
    wrong("sshPorts", [50001, 50001], "50001 is listed twice; give each machine its own port"),
    wrong("sshPorts", [50001], "has 1 ports; a cluster has 2 nodes, and perhaps a witness"),
    ({"sshPorts": [22, 23], "witness": True}, "sshPorts: has 2 ports; a witness needs a third"),
    wrong("sshPorts", [22, 65535], "65535 is not between 1 and 65534"),
    wrong("sshPorts", [22, 3306], "3306 is MySQL's; choose another"),
    wrong("sshPorts", [22, 61500], "61500 is probePort; choose another"),
    wrong("sshPorts", ["ssh", 23], "'ssh' is not a whole number"),
    wrong("probePort", 3306, "3306 is in use on the nodes; choose another, such as 61500"),
    wrong("probePort", 0, "0 is not between 1 and 65535"),
    # Machines and disks
    wrong("vmSize", "standard_b2s", "'standard_b2s' is not a VM size; an example is Standard_D2s_v5"),
    wrong("vmSize", "Basic_A1", "'Basic_A1' is not a VM size; an example is Standard_D2s_v5; Basic sizes cannot"),
    wrong(
        "vmSize",
        "Standard_B2pts_v2",
        "Standard_B2pts_v2 has ARM processors (the p in its name), but the images are for x86-64",
    ),
    wrong("vmSize", "Standard_A2_v2", "Standard_A2_v2 has only generation 1 machines, but the images"),
    wrong("vmSize", "Standard_D2_v3", "Standard_D2_v3 has only generation 1 machines"),
    wrong("witnessSize", "Standard_D1_v2", "Standard_D1_v2 has only generation 1 machines"),
    wrong("vmSize", "Standard_DC2as_v5", "Standard_DC2as_v5 is a confidential size (DC), which needs its own"),
    wrong("vmSize", "Standard_EC4ads_v5", "Standard_EC4ads_v5 is a confidential size (EC)"),
    wrong("vmSize", "Standard_D2s_v", "'Standard_D2s_v' is not a VM size; an example is Standard_D2s_v5"),
    wrong("vmSize", "Standard_D\u0662s_v5", "'Standard_D\u0662s_v5' is not a VM size"),
    wrong("vmSize", ["Standard_B2s"], "'[\"Standard_B2s\"]' is not a VM size"),
    (
        {"vmSize": "Standard_D2_v5"},
        "dataDiskSku: Premium_LRS does not fit vmSize Standard_D2_v5, which has no premium storage (no s in its name)",
    ),
    wrong("osDiskSku", "PremiumV2_LRS", "PremiumV2_LRS cannot hold an operating system; choose Premium_LRS"),
    wrong("dataDiskSku", "Premium_LSR", "'Premium_LSR' is not one of Standard_LRS, StandardSSD_LRS, Premium_LRS"),
    wrong("dataDiskSku", "a\n_ZRS", "a\\n_ZRS is copied across zones"),
    wrong("dataDiskSku", "Premium_ZRS", "Premium_ZRS is copied across zones, which DRBD does already"),
    wrong("dataDiskSku", "PremiumV2_LRS", "PremiumV2_LRS needs zones; an availability set cannot have it"),
    wrong("dataDiskSizeGb", 1, "1 GiB is too small for a database; choose 4 or more"),
    wrong("dataDiskSizeGb", 40000, "40000 is not between 4 and 32767 GiB"),
    wrong("dataDiskSizeGb", "big", "'big' is not a whole number"),
    (
        {"acceleratedNetworking": True, "vmSize": "Standard_B2s"},
        "acceleratedNetworking: vmSize Standard_B2s does not support it: a size needs 2 processors or more",
    ),
    ({"acceleratedNetworking": True, "vmSize": "Standard_DS1_v2"}, "acceleratedNetworking: vmSize Standard_DS1_v2"),
    ({"deletionLock": True, "protectData": False}, "deletionLock: is on, but protectData is off: pulumi destroy"),
    (
        {"diskEncryptionKeyUrl": KEY_URL.replace("https", "http"), "diskEncryptionKeyVaultId": VAULT_ID},
        "diskEncryptionKeyUrl: 'http://keys-1.vault.azure.net/keys/disks/0123456789abcdef0123456789abcdef' is not a",
    ),
    (
        {"diskEncryptionKeyUrl": KEY_URL.rpartition("/")[0], "diskEncryptionKeyVaultId": VAULT_ID},
        "diskEncryptionKeyUrl: https://keys-1.vault.azure.net/keys/disks does not end with a version",
    ),
    (
        {"diskEncryptionKeyUrl": KEY_URL},
        "diskEncryptionKeyVaultId: is missing: it is needed to grant the right to use the key",
    ),
    wrong("diskEncryptionKeyVaultId", VAULT_ID, "is set, but diskEncryptionKeyUrl is not"),
    (
        {"diskEncryptionKeyUrl": KEY_URL.replace("keys-1", "keys-2"), "diskEncryptionKeyVaultId": VAULT_ID},
        "diskEncryptionKeyVaultId: is the id of vault Keys-1, but the key is in vault keys-2",
    ),
    wrong("protectData", "perhaps", "'perhaps' is neither true nor false"),
    wrong("zones", ["1", "2"], "excludes an availability set; set availabilitySet to false, or leave it out"),
    (
        {"availabilitySet": False},
        "zones: is empty, and availabilitySet is false: both nodes could be in the same rack; set one of the two",
    ),
    (ZONES | {"zones": ["1", "4"]}, "zones: '4' is not a zone; zones are 1, 2 and 3"),
    (ZONES | {"zones": ["2", "2"]}, "zones: both nodes are in zone 2; if that is what you want, name it once"),
    (ZONES | {"zones": ["1", "2", "3"]}, "zones: has 3 zones; name one for each node, or one for both"),
    # Accounts
    wrong("adminUser", "admin", "'admin' is a name that Azure forbids; an example is azureuser"),
    wrong("adminUser", "mysql", "'mysql' is one of the system's own accounts; an example is azureuser"),
    wrong("adminUser", "Max Power", "'Max Power' is not a valid user name"),
    wrong("databaseUser", "root", "'root' is one of the server's own accounts; choose another name"),
    wrong("databaseUser", "mariadb.sys", "'mariadb.sys' is one of the server's own accounts"),
    wrong("databaseUser", "o'neill", '"o\'neill" is not a valid account name'),
    wrong("databaseName", "mysql", "'mysql' is one of the server's own databases; choose another name"),
    wrong("databaseName", "my-app", "'my-app' is not a valid database name"),
    # The cluster
    option("datadir", "/srv", "is refused: Pacemaker's resource agent knows it too"),
    option("skip-networking", True, "stands for networking, which is refused: the load balancer"),
    option("loose-sync-binlog", 0, "stands for sync_binlog, which is refused: an acknowledged"),
    option("innodb_flush_log_at_trx", 2, "stands for innodb_flush_log_at_trx_commit, which is refused: an"),
    option("maximum-loose-sync_binl", 0, "stands for sync_binlog, which is refused: an acknowledged"),
    option("autoset_read_only", 1, "stands for read_only, which is refused: the node that"),
    wrong("mysqlOptions", {"SYNC_BINLOG": 0}, "'SYNC_BINLOG' is not a valid option name: a-z, 0-9, _ and -"),
    option("innodb_doublewrite", 0, "is refused: an acknowledged commit"),
    option("innodb_undo_dir", "/u", "stands for innodb_undo_directory, which is refused: everyth"),
    option("plugin-load-add", "x", "is refused: it would open the server"),
    option("skip-ssl", True, "stands for ssl, which is refused: the cluster sets"),
    option("ssl-cert", "/c", "is refused: the cluster sets the options"),
    option("tls_v", "TLSv1", "stands for tls_version, which is refused: the cluster"),
    option("loose_require_secure", "OFF", "stands for require_secure_transport, which is refused: the cluster sets"),
    option("wsrep_on", True, "is refused: DRBD is what copies the data"),
    option("keyring_file_data", "k", "is refused: MySQL keeps the keys"),
    option(
        "log_bin", "/var/log/mysql/mysql-bin", "is refused: the file must be on the replicated disk, so give its name"
    ),
    option("loose-relay-log-ind", "/r", "stands for relay_log_index, which is refused: the"),
    option("log_bin", '""', "is refused: the file must be on the replicated disk"),
    option("log_bin", "", "has a value that cannot stand on one line"),
    option(
        "enable_log_bin", "binlog", "stands for log_bin, which is refused: it needs a name that is the same on both"
    ),
    option(
        "innodb_data_file_path",
        "ibdata1:12M;/disk/ibdata2:12M:autoextend",
        "is refused: the file must be on the replicated disk",
    ),
    option("init_connect", "a\n[mysqld]\nport=1", "has a value that cannot stand on one line of an option file"),
    option(
        "init_connect", "x" * 4080 + "port=1", "has a value of more than 4000 bytes, which MariaDB reads as two options"
    ),
    option(
        "init_connect",
        "set @a = 1 --sync_binlog=0",
        "has a value with a space before --, which looks like another option",
    ),
    wrong("mysqlOptions", {"a b": 1}, "'a b' is not a valid option name: a-z, 0-9, _ and -"),
    wrong("mysqlOptions", {"sql-mode": "x", "sql_mode": "y"}, "sql_mode is listed twice"),
    wrong("mysqlOptions", {"sql_mode": ["x"]}, 'has ["x"] where a text or a number is expected'),
    wrong("mysqlOptions", ["sql_mode"], "'[\"sql_mode\"]' is not an object (name: value)"),
    # TLS
    wrong("tlsAuthority", "x", "has 0 private keys in PEM form; one is needed; make rotate STACK=trial SECRET="),
    wrong("tlsAuthority", AUTHORITY_THAT_HAS_ENDED, "expired on 2026-01-01; make rotate STACK=trial"),
    wrong(
        "tlsCertificate",
        KEY_THAT_HAS_ENDED,
        "expired on 2021-01-01; make rotate STACK=trial SECRET=tlsCertificate makes one",
    ),
    *(
        (
            {"tlsCertificate": re.sub("^Made: .*", f"Made: {date}", KEY_THAT_HAS_ENDED)},
            "tlsCertificate: is not a line with a date and an RSA key; make rotate STACK=trial SECRET=tlsCertificate",
        )
        for date in ("9999-12-31T23:59:59+00:00", "0001-01-01T00:00:00+14:00", "2026-11-27")
    ),
    wrong("ownCertificate", "x", "has 0 private keys in PEM form; one is needed; docs/operations/tls.md"),
    # It would stand in a command that people paste.
    wrong(
        "ownCertificate",
        own_certificate("db.example.org;id"),
        "has a subject alternative name that is not a host's; docs/operations/tls.md says what it",
    ),
    wrong(
        "ownCertificate",
        own_certificate("*.example.org"),
        "is for *.example.org, and none of these is a name that clients can connect to",
    ),
    wrong(
        "ownCertificate",
        own_certificate("192.0.2.1"),
        "is for 192.0.2.1, but the endpoint is public, with an address that Azure chooses; it needs",
    ),
    (
        INTERNAL | {"ownCertificate": own_certificate("192.0.2.1"), "endpointAddress": "10.32.0.9"},
        "ownCertificate: is for 192.0.2.1, but the endpoint is 10.32.0.9; it needs a domain name",
    ),
    # Backups
    wrong("backup", "nightly", "'nightly' is neither true nor false"),
    wrong("backupDays", 6, "6 is not between 7 and 365 days"),
    wrong("backupStorageAccount", "st-1", "'st-1' is not a valid storage account name: 3 to 24 of a-z"),
    wrong(
        "existingBackupStorageAccountId",
        "starchive",
        "'starchive' is not of the form /subscriptions/ID/resourceGroups/NAME/"
        "providers/Microsoft.Storage/storageAccounts/NAME",
    ),
    (
        {"existingBackupStorageAccountId": ACCOUNT_ID, "backupStorageAccount": "stother"},
        "existingBackupStorageAccountId: is set, and so is backupStorageAccount, which names an",
    ),
    wrong("restoreFrom", "prod", "'prod' is not of the form /subscriptions/ID/resourceGroups/NAME/providers"),
    (
        BACKUP | {"restoreFrom": ACCOUNT_ID, "backupStorageAccount": "starchive"},
        "restoreFrom: is the storage account of this stack's own backups; a backup is restored into a new stack",
    ),
    wrong("restoreTo", "2026-11-27T11:59:59Z", "is set, but restoreFrom, which names the backup to"),
    wrong("restoreTo", "", "is missing"),
    (
        {"restoreFrom": ACCOUNT_ID, "restoreTo": "2026-11-27 11:59"},
        "restoreTo: '2026-11-27 11:59' is not a time in UTC to the second; an example is 2026-11-27T11:59:59Z, or",
    ),
    (
        {"restoreFrom": ACCOUNT_ID, "restoreTo": "2026-02-30T11:59:59Z"},
        "restoreTo: '2026-02-30T11:59:59Z' is not a date and time that exists; an example is 2026-11-27T11:59:59Z, or"
        " latest",
    ),
    (
        BACKUP | {"mysqlOptions": {"log-bin": "mysql-bin"}},
        "mysqlOptions: log_bin is refused: with backup on, the backups use the binary log, and set it themselves",
    ),
    (
        BACKUP | {"mysqlOptions": {"loose-skip-log-bin": True}},
        "mysqlOptions: loose_skip_log_bin stands for log_bin, which is refused: with backup on",
    ),
    (BACKUP | {"mysqlOptions": {"binlog_form": "MIXED"}}, "mysqlOptions: binlog_form stands for binlog_format, which"),
    (BACKUP | {"mysqlOptions": {"expire_logs_days": 1}}, "mysqlOptions: expire_logs_days is refused: with backup on"),
    wrong("fencing", "azure", "'azure' is not one of on, off"),
    wrong("failover", "quick", "'quick' is not one of fast, balanced, safe"),
    wrong("fencingDelaySeconds", "soon", "'soon' is not a whole number"),
    wrong("fencingDelaySeconds", -1, "-1 is not between 0 and 300 seconds"),
    wrong("corosyncTokenMs", 300, "300 is not between 1000 and 60000 milliseconds"),
    wrong("drbdResyncMaxRate", "fast", "'fast' is not a rate as DRBD writes it; an example is 100M (per second)"),
    wrong("drbdResyncMaxRate", "5G", "5G is more than DRBD's limit, 4G per second"),
    wrong("drbdResyncMaxRate", "249K", "249K is less than DRBD's minimum, 250K per second"),
    wrong("drbdResyncMaxRate", "1\u0663M", "'1\u0663M' is not a rate as DRBD writes it"),
    wrong("drbdResyncMinRate", "slow", "'slow' is not a rate as DRBD writes it; an example is 100M (per second)"),
    wrong("drbdResyncMinRate", "1G", "1G is more than drbdResyncMaxRate, 100M"),
    # Monitoring
    wrong("monitoring", "perhaps", "'perhaps' is neither true nor false"),
    ({"monitoring": True}, "monitorCidrs: is empty: nobody could reach the exporters; name the networks that may"),
    (
        {"monitoring": True, "monitorCidrs": ["0.0.0.0/0"]},
        "monitorCidrs: 0.0.0.0/0 opens the exporters to the whole world; name the networks that may",
    ),
    wrong("monitorCidrs", ["10.1.0.5"], "10.1.0.5 has no prefix length"),
    (
        {"monitorOnWitness": True, "witness": True},
        "monitorOnWitness: needs monitoring: true, since without it the nodes have no exporters",
    ),
    (MONITORED | {"monitorOnWitness": True}, "monitorOnWitness: is true, but there is no witness (witness: true)"),
    (
        MONITORED | {"monitorWorkspaceId": WORKSPACE},
        "monitorWorkspaceId: is set, but monitorOnWitness is false: there is no Prometheus that would write to it",
    ),
    (
        MONITORED | {"witness": True, "monitorOnWitness": True, "monitorWorkspaceId": "metrics"},
        "monitorWorkspaceId: 'metrics' is not of the form "
        "/subscriptions/ID/resourceGroups/NAME/providers/Microsoft.Monitor/accounts/NAME",
    ),
    (MONITORED | {"monitorPassword": ""}, f"monitorPassword: {MISSING}"),
    (MONITORED | {"monitorPassword": "short"}, "monitorPassword: is weak; use at least 24 characters"),
    (MONITORED | {"monitorPassword": "Ab1-cd2_" * 10}, "monitorPassword: is longer than 72 characters"),
    wrong("probePort", 9100, "9100 is in use on the nodes"),
    wrong("alertEmails", ["night"], "'night' is not an address; an example is night@example.com"),
    wrong("alertEmails", ["\x1b[2Jnight@example.com"], "'\\x1b[2Jnight@example.com' is not an address"),
    wrong("alertEmails", ["a@b.com", "A@b.com"], "a@b.com is listed twice; remove one"),
    wrong("alertEmails", [f"a{number}@b.com" for number in range(1001)], "has 1001 addresses; Azure accepts"),
    # Python's own text of it would quote the host.
    wrong("alertWebhook", "https://hooks\uff20.example.com/", "is not the address of a web hook"),
    wrong("alertWebhook", "https://[hooks.example.com/", "is not the address of a web hook, which begins"),
    wrong("alertWebhook", "http://example.com/", "is not the address of a web hook, which begins with https"),
    # Tags
    wrong("tags", {str(number): "x" for number in range(51)}, "has 51 tags; Azure accepts at most 50"),
    wrong("tags", {"a/b": "x"}, "'a/b' is not a valid tag name: 1 to 512 characters, none of <>%&\\?/"),
    wrong("tags", {"a": "x" * 257}, "'a' has a value of 257 characters; Azure accepts at most 256"),
    wrong(
        "tags", {"Owner": "x", "owner": "y"}, "'owner' is listed twice; Azure does not distinguish upper and lower case"
    ),
    wrong("tags", {"azure-team": "x"}, "'azure-team' begins with a word that Azure reserves"),
    # Secrets
    wrong("sshPrivateKey", "", MISSING),
    wrong("sshHostKeys", [], MISSING),
    wrong("clusterSshKey", None, MISSING),
    wrong("databasePassword", "", MISSING),
    wrong("corosyncKey", "", MISSING),
    wrong("drbdSecret", "", MISSING),
    ({"replicationEncryption": True, "replicationKeys": None}, f"replicationKeys: {MISSING}"),
    wrong("sshPrivateKey", ssh_key("rsa"), "is of type ssh-rsa; make one with ssh-keygen -t ed25519 -N ''"),
    wrong("sshPrivateKey", ssh_key("ecdsa"), "is of type ecdsa-sha2-nistp256; make one"),
    wrong("sshPrivateKey", ssh_key("ed25519", "secret"), "has a passphrase, which nobody could type here"),
    wrong("sshPrivateKey", "ssh-ed25519 AAAA me@here", "is a public key, not a private key in OpenSSH's form"),
    wrong("sshPreviousPrivateKey", ssh_key().replace("b3Bl", "\u00c4"), "is damaged: there is no key"),
    wrong("sshPreviousPrivateKey", "nonsense", "does not begin with -----BEGIN OPENSSH"),
    wrong(
        "sshPreviousPrivateKey", throw_away_secrets()["sshPrivateKey"], "is the same key twice; make one for each use"
    ),
    (
        {"sshPreviousPrivateKey": throw_away_secrets()["clusterSshKey"]},
        "clusterSshKey: is the same key twice; make one for each use",
    ),
    wrong("clusterSshKey", "nonsense", "does not begin with -----BEGIN OPENSSH PRIVATE KEY-----"),
    wrong("clusterSshKey", throw_away_secrets()["sshPrivateKey"], "is the same key twice; make one for each use"),
    wrong("sshHostKeys", [ssh_key(), ssh_key()], "is the same key twice; make one for each use"),
    wrong("sshHostKeys", [ssh_key()], "has 1 keys; a cluster has 2 nodes"),
    wrong("sshHostKeys", [ssh_key(), "x"], "the second does not begin with"),
    wrong("sshHostKeys", "x", "is not a list"),
    wrong("databasePassword", "Tr0ub4dor&3", "is weak; use at least 24 characters"),
    wrong("databasePassword", "correcthorsebatter", "is weak"),
    wrong("databasePassword", "a1" * 20, "is weak"),
    wrong("databasePassword", "it's-4-Long-Password-indeed", "has a character that is not allowed"),
    wrong("databasePassword", "Passwort-für-die-Datenbank-1", "has a character that is not allowed"),
    wrong("databasePassword", "Ab1-" * 33, "is longer than 128 characters"),
    wrong("corosyncKey", "secret", "is not base64"),
    wrong("corosyncKey", RANDOM[:40], "is base64 of 30 bytes; 256 are needed"),
    wrong("corosyncKey", base64.b64encode(bytes(256)).decode(), "is not random"),
    wrong("replicationEncryption", "sometimes", "'sometimes' is neither true nor false"),
    wrong("replicationKeys", "secret", "is not a list"),
    wrong("replicationKeys", TUNNEL_KEYS[:2], "has 2 keys; 3 are needed: one of each node, and a preshar"),
    wrong("replicationKeys", [TUNNEL_KEYS[0], *TUNNEL_KEYS[:2]], "has the same key twice"),
    wrong("replicationKeys", [*TUNNEL_KEYS[:2], "secret"], "has a key that is not base64 of 32 bytes, as"),
    wrong("replicationKeys", [*TUNNEL_KEYS[:2], TUNNEL_KEYS[2][:-4]], "has a key that is not base64 of 32"),
    wrong("drbdSecret", "short", "has 5 characters; 32 to 63 are needed"),
    wrong("drbdSecret", "abcdefghijklm" * 5, "has 65 characters; 32 to 63 are needed"),
    wrong("drbdSecret", '"quoted"-0123456789abcdefghijklm', "has a character that is not allowed"),
    wrong("drbdSecret", "a" * 40, "is weak"),
    # Further accounts
    wrong("databaseAccounts", "x", "'x' is not an object (name: value)"),
    (accounts(reports="app"), 'databaseAccounts: reports is "app", not an object (name: value)'),
    (accounts(root=ACCOUNT), "databaseAccounts: root: 'root' is one of the server's own accounts; choose another na"),
    (accounts(**{"a-b": ACCOUNT}), "databaseAccounts: a-b: 'a-b' is not a valid account name: 1 to 32 of A-Z, a-z, "),
    (accounts(app=ACCOUNT), "databaseAccounts: app is databaseUser; choose another name"),
    (
        accounts(one={"database": "sys", "rights": "all"}, two={"databse": "app", "rights": "owner"}),
        "databaseAccounts: one: 'sys' is one of the server's own databases; choose another name; one: 'all' is not one"
        " of readOnly, readWrite, owner; two: has no database; two: 'databse' is not one of database, rights; did you"
        " mean database?",
    ),
    (
        {"databaseAccounts": {"reports": ACCOUNT, "loader": ACCOUNT}},
        "databaseAccountPasswords: has none for loader, reports; make stack STACK=trial makes what is missing",
    ),
    wrong("databaseAccountPasswords", "x", "is not an object (name: value)"),
    wrong("databaseAccountPasswords", {"a": "short"}, "a: is weak; use at least 24 characters"),
    # What Pulumi.yaml does not have
    wrong("vmSiz", "Standard_B2s", "there is no such setting; did you mean vmSize?"),
    wrong("xyzzy", "1", "there is no such setting; Pulumi.yaml lists them all"),
]


@pytest.mark.parametrize(("changes", "line"), BAD, ids=lambda value: value if isinstance(value, str) else "")
def test_a_mistake_is_told(changes: dict[str, Any], line: str) -> None:
    assert [found[: len(line)] for found in mistakes(changes)] == [line]


def test_all_mistakes_are_told_at_once() -> None:
    config = use(
        throw_away_secrets()
        | DEV
        | {
            "subnet": "10.99.0.0/24",
            "addressSpace": "10.32.0.0/16",
            "nodeNames": ["one", "one"],
            "adminCidrs": ["0.0.0.0/0"],
            "databasePassword": None,
            "dataDiskSizeGb": "1",
            "vmSiz": "Standard_B2s",
        }
    )
    with pytest.raises(SettingsError) as raised:
        load(config)
    assert str(raised.value) == (
        "6 mistakes in the settings of stack trial; nothing was changed:\n"
        "  azure-mysql-ha:nodeNames: both nodes are called 'one'; give them different names\n"
        "  azure-mysql-ha:subnet: 10.99.0.0/24 is outside addressSpace 10.32.0.0/16; choose one inside it\n"
        "  azure-mysql-ha:dataDiskSizeGb: 1 GiB is too small for a database; choose 4 or more\n"
        "  azure-mysql-ha:adminCidrs: 0.0.0.0/0 opens SSH to the whole world; name the networks that may,"
        " none wider than /8\n"
        "  azure-mysql-ha:databasePassword: is missing; make stack STACK=trial makes every secret that is missing\n"
        "  azure-mysql-ha:vmSiz: there is no such setting; did you mean vmSize?"
    )


def test_the_engine_shows_no_traceback() -> None:
    assert issubclass(SettingsError, pulumi.RunError)


def test_a_secret_in_clear_text_is_refused_and_not_shown() -> None:
    at_times = {
        "sshPreviousPrivateKey": ssh_key(),
        "ownCertificate": own_certificate("db.example.org"),
        "alertWebhook": "https://example.com/",
        "databaseAccountPasswords": {"reports": "Another-throw-away-text-1"},
    }
    found = mistakes(at_times, secret=False)
    assert [line.partition(":")[0] for line in found] == [
        key for key, declared in schema().items() if declared.get("secret")
    ]
    assert all("is in clear text" in line for line in found)


def test_no_message_has_a_secret_in_it() -> None:
    private = ssh_key("rsa")
    wrong = {
        "sshPrivateKey": private,
        "sshHostKeys": [private, private],
        "clusterSshKey": "Hush-1\n" + private,
        "databasePassword": "Hush-2 'quoted'",
        "databaseAccountPasswords": {"reports": "Hush-9"},
        "corosyncKey": "Hush-3",
        "drbdSecret": "Hush-4",
        "tlsAuthority": f"Hush-5\n{private}",
        "tlsCertificate": certificates.make_key().replace("Made: ", "Made: Hush-6"),
        "ownCertificate": f"{private}\nHush-7",
    }
    text = "\n".join(mistakes(wrong))
    assert "Hush" not in text
    assert not any(line in text for line in private.splitlines() if "OPENSSH" not in line)
    # As one that Python itself might say: a list that is none.
    assert "Hush" not in "\n".join(mistakes({"sshHostKeys": "Hush-8", "databaseAccountPasswords": "Hush-10"}))


def test_settings_show_no_secret() -> None:
    at_times = {"sshPreviousPrivateKey": ssh_key(), "ownCertificate": own_certificate("db.example.org")}
    made = throw_away_secrets() | at_times
    shown = repr(load(use(made | DEV)))
    for value in made.values():
        for secret in [value] if isinstance(value, str) else value:
            # Certificates are for everybody to see.
            private = re.sub(r"-----BEGIN CERTIFICATE.*?END CERTIFICATE-----", "", secret, flags=re.DOTALL)
            assert not any(line in shown for line in private.splitlines() if len(line) > 12 and "--" not in line)


@pytest.mark.parametrize(
    ("changes", "has", "warned"),
    [
        ({}, False, False),
        ({"hostFirewall": True}, True, False),
        (INTERNAL | {"existingSubnetId": SUBNET_ID, "hostFirewall": True}, True, False),
        ({"existingSubnetId": SUBNET_ID, "hostFirewall": True}, False, True),
        ({"existingSubnetId": SUBNET_ID}, False, False),
    ],
)
def test_the_machines_own_firewall(
    changes: dict[str, Any], has: bool, warned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None where nobody here knows the address from which the nodes check the endpoint; which is said."""
    said: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", said.append)
    assert load(use(throw_away_secrets() | DEV | changes)).has_host_firewall is has
    assert any("hostFirewall: not set up" in line for line in said) is warned


@pytest.mark.parametrize(("changes", "is_on"), [({}, False), ({"replicationEncryption": True}, True)])
def test_replication_in_clear_text_is_warned_of(
    changes: dict[str, Any], is_on: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", said.append)
    assert (load(use(throw_away_secrets() | DEV | changes)).replication.tunnel is not None) is is_on
    warnings = [line for line in said if line.startswith("replicationEncryption: off: what DRBD copies from node to")]
    assert bool(warnings) is not is_on


def test_sections_have_the_projects_settings_once_each() -> None:
    sections = [field.type for field in dataclasses.fields(Settings) if field.name != "before"]
    keys = [key for section in cast(list[type[Section]], sections) for key in section.config_keys()]
    assert sorted(keys) == sorted(schema())


@pytest.mark.parametrize(
    "changes",
    [
        INTERNAL,
        INTERNAL | {"clientCidrs": ["0.0.0.0/0"]},
        INTERNAL | {"subnet": "10.32.0.0/29"},
        ZONES,
        ZONES | {"zones": ["3"]},
        ZONES | {"dataDiskSku": "PremiumV2_LRS"},
        {"vmSize": "Standard_B2s"},
        {"vmSize": "Standard_DS2_v2"},
        {"vmSize": "Standard_E4-2ds_v5"},
        {"vmSize": "Standard_M416s_8_v2"},
        {"vmSize": "Standard_M64"},
        {"vmSize": "Standard_NC24ads_A100_v4"},
        {"databasePassword": "Kurz-aber-gut-16"},
        accounts(reports=ACCOUNT, loader={"database": "stage_in", "rights": "owner"}),
        # Of an account that has gone.
        {"databaseAccountPasswords": {"reports": "Another-throw-away-text-1"}},
        {"databasePassword": "correct-horse-battery-staple"},
        {"databasePassword": "Sign$&;|<>(){}*?~#!^%-16"},
        {"drbdSecret": "0123456789abcdefghijklmnopqrstuv"},
        {"sshAccess": "node-addresses"},
        {"mysqlOptions": {"innodb-buffer-pool-size": "1G", "max_connections": 500, "performance_schema": True}},
        {
            "mysqlOptions": {
                "log_bin": "mysql-bin",
                "loose-relay-log": "relay",
                "slow_query_log_file": "/var/log/mysql/slow",
            }
        },
        {"mysqlOptions": {"skip_log_bin": True, "flush": 0, "innodb": "force", "loose-innodb-log-file-size": "1G"}},
        {"mysqlOptions": {"innodb_data_file_path": "ibdata1:12M;ibdata2:12M:autoextend"}},
        {"tags": {"owner": "me", "cost-centre": 4711}},
        {"addressSpace": "192.168.0.0/16", "subnet": "192.168.7.0/24"},
        {"subnet": "192.168.7.0/24"},
        {"subnet": "10.0.0.0/12"},
        # Whose it is may have chosen what he likes.
        {"existingSubnetId": SUBNET_ID, "subnet": "8.1.0.0/24"},
        {"existingSubnetId": SUBNET_ID.replace("resourceGroups", "resourcegroups")},
        {"existingResourceGroup": "Data_(shared)"},
        {"existingRoleDefinitionId": ROLE_ID},
        {"existingRoleDefinitionId": SUBSCRIPTION + ROLE_ID},
        {"diskEncryptionKeyUrl": KEY_URL, "diskEncryptionKeyVaultId": VAULT_ID},
        {"acceleratedNetworking": True},
        {"acceleratedNetworking": True, "vmSize": "Standard_B2s_v2"},
        {"acceleratedNetworking": True, "vmSize": "Standard_B12ms"},
        {"deletionLock": True},
        BACKUP | {"backupStorageAccount": "a1b", "backupDays": 365},
        BACKUP | {"existingBackupStorageAccountId": ACCOUNT_ID},
        BACKUP | {"mysqlOptions": {"max_binlog_size": "64M", "log_bin_trust_function_creators": True}},
        {"restoreFrom": ACCOUNT_ID, "restoreTo": "2026-11-27T11:59:59Z"},
        {"restoreFrom": ACCOUNT_ID, "restoreTo": "latest", "backupStorageAccount": "starchive"},
    ],
    ids=str,
)
def test_what_is_right_is_taken(changes: dict[str, Any]) -> None:
    load(use(throw_away_secrets() | DEV | changes))


def test_derived_values() -> None:
    settings = load(use(throw_away_secrets() | DEV | {"clusterName": "shop"}))
    assert [node.name for node in settings.nodes] == ["shop-1", "shop-2"]
    # The addresses that the machines had in 2015: Azure has always begun with the 5th.
    assert [node.private_address for node in settings.nodes] == ["10.32.0.4", "10.32.0.5"]
    assert [node.ssh_port for node in settings.nodes] == [50001, 50002]
    assert [node.zone for node in settings.nodes] == [None, None]
    assert settings.machines.zones == ()
    assert settings.internal_endpoint is None
    assert settings.witness is None
    # Kept for a witness: the balancer is the same with it and without.
    assert settings.frontend_ports == {"shop-1": 50001, "shop-2": 50002, "shop-witness": 50003}

    in_one_zone = load(use(throw_away_secrets() | DEV | ZONES | INTERNAL | {"zones": ["3"]}))
    assert [node.zone for node in in_one_zone.nodes] == ["3", "3"]
    assert in_one_zone.internal_endpoint == "10.32.0.10"
    in_zones = load(use(throw_away_secrets() | DEV | ZONES | {"sshAccess": "node-addresses"}))
    assert [node.zone for node in in_zones.nodes] == ["1", "2"]
    assert [node.ssh_port for node in in_zones.nodes] == [22, 22]
    assert in_zones.frontend_ports == {}


def test_a_witness() -> None:
    def witness(**changes: Any) -> MachineSettings:
        settings = load(use(throw_away_secrets() | DEV | {"witness": True} | changes))
        assert settings.witness
        assert settings.witness.size.name == "Standard_B2ts_v2"
        keys = {machine.host_key.public for machine in (*settings.nodes, settings.witness)}
        assert len(keys) == 3
        return settings.witness

    plain = witness(clusterName="shop")
    assert (plain.name, plain.private_address, plain.zone, plain.ssh_port) == ("shop-witness", "10.32.0.6", None, 50003)
    assert witness(witnessAddress="10.32.0.200").private_address == "10.32.0.200"
    # Where neither node is.
    assert witness(**ZONES | {"zones": ["1", "2"]}).zone == "3"
    assert witness(**ZONES | {"zones": ["3", "1"]}).zone == "2"
    assert witness(**ZONES | {"zones": ["1"]}).zone == "2"
    assert witness(sshAccess="node-addresses").ssh_port == 22


def test_a_witness_needs_a_host_key() -> None:
    """A stack from before there was a witness has two: one clear line tells what makes the third."""
    made = throw_away_secrets()
    older = made | DEV | {"sshHostKeys": made["sshHostKeys"][:2]}
    assert load(use(older)).witness is None
    with pytest.raises(SettingsError) as caught:
        load(use(older | {"witness": True}))
    (mistake,) = caught.value.mistakes
    assert "sshHostKeys: has 2 keys; a witness needs a third; make stack STACK=" in mistake


@pytest.mark.parametrize(
    ("changes", "rate"),
    [
        ({"dataDiskSku": "Premium_LRS", "dataDiskSizeGb": 256}, "31M"),
        ({"dataDiskSku": "Premium_LRS", "dataDiskSizeGb": 257}, "37M"),
        ({"dataDiskSku": "StandardSSD_LRS", "dataDiskSizeGb": 32}, "25M"),
        ({"dataDiskSku": "Premium_LRS", "dataDiskSizeGb": 32767}, "100M"),  # 225M, were it not for the most
        ({"drbdResyncMinRate": "5M"}, "5M"),
    ],
)
def test_a_resynchronisation_gets_a_quarter_of_the_disk(changes: dict[str, Any], rate: str) -> None:
    settings = load(use(throw_away_secrets() | DEV | changes))
    assert settings.replication.min_rate(settings.data_disk_speed) == rate


def test_options_are_spelt_one_way() -> None:
    settings = load(
        use(throw_away_secrets() | DEV | {"mysqlOptions": {"max-connections": 500, "event_scheduler": True}})
    )
    assert settings.database.mysql_options == {"max_connections": "500", "event_scheduler": "true"}


def test_what_is_there_already() -> None:
    settings = load(
        use(
            throw_away_secrets()
            | DEV
            | {"existingSubnetId": SUBNET_ID, "subnet": "10.9.0.0/24", "existingResourceGroup": "data"}
            | {"diskEncryptionKeyUrl": KEY_URL, "diskEncryptionKeyVaultId": VAULT_ID}
            | {"existingRoleDefinitionId": ROLE_ID}
        )
    )
    assert settings.names.existing_resource_group == "data"
    assert settings.network.existing_subnet_id
    assert settings.network.existing_subnet_id.names == ("hub", "data")
    assert settings.network.existing_subnet_id.group == "net"
    assert [node.private_address for node in settings.nodes] == ["10.9.0.4", "10.9.0.5"]
    assert settings.encryption.key
    assert settings.encryption.key.id == f"{VAULT_ID}/keys/disks"
    assert settings.fencing.existing_role_definition_id
    assert settings.fencing.existing_role_definition_id.subscription == ""


def test_the_storage_account_of_the_backups() -> None:
    def account(**changes: Any) -> str:
        return load(use(throw_away_secrets() | DEV | changes)).backup_account

    assert re.fullmatch("stmysql[0-9a-f]{8}", account())
    # Two clusters of one stack's secrets, and two stacks with a cluster of one name, have each their own.
    keys = [ssh_key(number=number) for number in (7, 8, 9)]
    names = {account(clusterName=name, **secrets) for name in ("a", "b") for secrets in ({}, {"sshHostKeys": keys})}
    assert len(names) == 4
    longest = account(clusterName="the-longest-name-of-33-characters")
    assert re.fullmatch("stthelongestname[0-9a-f]{8}", longest)
    assert account(backupStorageAccount="stshop") == "stshop"
    assert account(existingBackupStorageAccountId=ACCOUNT_ID) == "starchive"


def test_the_storage_account_that_a_stack_has_made_stays() -> None:
    """With another name, or said to be an existing one, it would be deleted, and all backups with it."""
    before, values = Recorded(storage_account="stmade"), throw_away_secrets() | DEV
    assert load(use(values), before=before).backup_account == "stmade"
    made = ACCOUNT_ID.replace("/archive/", "/rg-mysql/").replace("starchive", "stmade")
    with pytest.raises(SettingsError, match="existingBackupStorageAccountId: is the storage account that this stack m"):
        load(use(values | {"existingBackupStorageAccountId": made}), before=before)


def test_an_address_space_around_the_subnet() -> None:
    assert str(load(use(throw_away_secrets() | DEV | {"subnet": "10.7.5.0/24"})).network.space) == "10.7.0.0/16"
    assert str(load(use(throw_away_secrets() | DEV | {"subnet": "10.0.0.0/12"})).network.space) == "10.0.0.0/12"


TRACKED = ("dev", "staging", "prod", "lab")


@pytest.mark.parametrize("stack", TRACKED)
def test_tracked_stacks_load(stack: str) -> None:
    settings = load(use_stack(stack))
    assert isinstance(settings, Settings)
    assert settings.names.cluster_name == f"mysql-{stack}"


def test_tracked_stacks_have_no_secret() -> None:
    for file in CHECKOUT.glob("Pulumi.*.yaml"):
        if file.name in [f"Pulumi.{stack}.yaml" for stack in TRACKED]:
            assert not re.search("secure:|encryptionsalt|PRIVATE KEY", file.read_text())


def test_every_setting_is_declared_with_all_that_there_is_to_say() -> None:
    for key, declared in schema().items():
        assert declared["description"], key
        assert "default" in declared, key
        # The engine would stop at the first secret that is missing: see Pulumi.yaml.
        assert ("type" in declared) != declared.get("secret", False), key


def test_every_declared_setting_is_read() -> None:
    with pytest.raises(SettingsError) as raised:
        load(use(dict.fromkeys(schema(), "")))
    assert not [line for line in raised.value.mistakes if "no such setting" in line]


def test_secrets_are_outputs_marked_secret() -> None:
    config = use(throw_away_secrets() | DEV | accounts(reports=ACCOUNT))

    async def are_secret() -> list[bool]:
        settings = load(config)
        outputs = (
            settings.nodes[0].host_key.private,
            settings.nodes[1].host_key.private,
            settings.ssh.ssh_private_key.private,
            settings.ssh.cluster_ssh_key.private,
            settings.database.database_password,
            settings.database.account_passwords,
            settings.membership.corosync_key.content,
            settings.replication.drbd_secret,
        )
        return [await output.is_secret() for output in outputs]

    assert all(asyncio.get_event_loop().run_until_complete(are_secret()))


def test_another_key_has_another_file() -> None:
    """Whose name is of the key's content, and tells nothing of it."""
    key = throw_away_secrets()["corosyncKey"]
    name = key_file(key)
    assert re.fullmatch(r"authkey-[0-9a-f]{16}", name)
    assert name == load(use(throw_away_secrets() | DEV)).membership.corosync_key.file
    other = base64.b64encode(base64.b64decode(key)[::-1]).decode()
    assert key_file(other) != name
    assert not any(base64.b64decode(key)[at : at + 4].hex() in name for at in range(252))


def test_private_keys_end_in_a_line_feed() -> None:
    """`pulumi config set` cuts it off, and OpenSSH refuses a file without it."""
    key = throw_away_secrets()["sshPrivateKey"]
    config = use(throw_away_secrets() | DEV | {"sshPrivateKey": key.rstrip()})

    async def read() -> str | None:
        return await load(config).ssh.ssh_private_key.private.future()

    assert asyncio.get_event_loop().run_until_complete(read()) == key


@pytest.mark.parametrize("name", operating_system.names())
def test_operating_systems(name: str) -> None:
    system = operating_system.load(name)
    database = system.database
    assert database.service in system.left_to_pacemaker
    assert "drbd.service" in system.left_to_pacemaker
    assert bool(system.watchdog_packages) == ("sbd.service" in system.left_to_pacemaker)
    assert database.config_file.startswith("/etc/mysql/")
    assert "$directory" in " ".join(database.initialize)
    for repair in system.repairs:
        assert f"repair_{repair}() {{" in (templates.CONFIGS / f"repairs/{repair}.sh.j2").read_text()
    # What Debian's packages have is not written over.
    assert system.drbd_handlers.startswith("/usr/local/") is ("crm_fence_peer" in system.repairs)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"name": "debian-99"}, "debian-x.yaml: its name is 'debian-99'"),
        ({"packages": "corosync"}, "debian-x.yaml: packages: a list of texts expected"),
        ({"kernel": "6.1"}, "debian-x.yaml: unknown kernel"),
        ({"image": {"publisher": "Debian"}}, "debian-x.yaml: image: missing offer, sku"),
        ({"database": "mysql"}, "debian-x.yaml: database: a mapping is expected"),
        ({"warning": 12}, "debian-x.yaml: warning: text expected"),
    ],
)
def test_a_wrong_file_of_an_operating_system(
    change: dict[str, Any], complaint: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = yaml.safe_load((operating_system.FOLDER / "debian-12.yaml").read_text())
    (tmp_path / "debian-x.yaml").write_text(yaml.safe_dump(content | {"name": "debian-x"} | change))
    monkeypatch.setattr(operating_system, "FOLDER", tmp_path)
    with pytest.raises(operating_system.OperatingSystemError) as raised:
        operating_system.load("debian-x")
    assert str(raised.value) == complaint


def test_a_system_past_its_end_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    warnings: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", warnings.append)
    encrypted = {"replicationEncryption": True}  # of which there would be a warning too
    load(use(throw_away_secrets() | DEV | encrypted | {"operatingSystem": "ubuntu-26.04"}))
    assert warnings == []
    load(use(throw_away_secrets() | DEV | encrypted | {"operatingSystem": "ubuntu-24.04"}))
    [warning] = warnings
    assert warning.startswith("ubuntu-24.04: MySQL 8.0 has had no fixes")


def recorded(group: str = "rg-mysql", *, own_group: bool = True, zone: str | None = None) -> Recorded:
    """Return the record of a cluster with the default names."""
    return Recorded(
        data_disks={
            f"mysql-{node}-data": DataDisk(
                f"disk-mysql-{node}-data", 64, "westeurope", zone, f"2026-01-0{node}T00:00:00"
            )
            for node in (1, 2)
        },
        resource_group=group,
        own_group=own_group,
        has_data=True,
    )


DISKS = ["disk-mysql-1-data of 2026-01-01T00:00:00", "disk-mysql-2-data of 2026-01-02T00:00:00"]

# What there was, what is changed, and the setting that would delete both data disks.
LOSSES: list[tuple[Recorded, dict[str, Any], str]] = [
    (recorded(), {"clusterName": "shop"}, "clusterName"),
    (recorded(), {"clusterName": "shop", "nodeNames": ["mysql-1", "mysql-2"]}, "clusterName"),
    (recorded("Data", own_group=False), {"existingResourceGroup": "data", "clusterName": "shop"}, "clusterName"),
    (recorded(), {"nodeNames": ["one", "two"]}, "nodeNames"),
    (recorded("rg-shop"), {"clusterName": "shop"}, "nodeNames"),
    (recorded(), {"existingResourceGroup": "data"}, "existingResourceGroup"),
    (recorded("data", own_group=False), {}, "existingResourceGroup"),
    (recorded("data", own_group=False), {"existingResourceGroup": "other"}, "existingResourceGroup"),
    (recorded(), {"location": "northeurope"}, "location"),
]


@pytest.mark.parametrize(
    ("before", "changes", "key"), LOSSES, ids=lambda value: value if isinstance(value, str) else ""
)
def test_what_would_delete_data_is_refused(before: Recorded, changes: dict[str, Any], key: str) -> None:
    values = throw_away_secrets() | DEV | changes | {"protectData": False}
    with pytest.raises(SettingsError) as raised:
        load(use(values), before=before)
    assert [line.removeprefix(PREFIX) for line in raised.value.mistakes] == [
        f"{key}: would delete disk-mysql-1-data and disk-mysql-2-data with all data; undo the change, or allow it this"
        f" once: deleteDataDisks: {json.dumps(DISKS)}"
    ]
    # In the place of 64 GiB that go, there may be less.
    allowed = values | {"deleteDataDisks": DISKS, "dataDiskSizeGb": 32}
    assert [str(disk) for disk in load(use(allowed), before=before).deleted_disks] == DISKS
    with pytest.raises(SettingsError, match="deleteDataDisks: is set while protectData is on; first run"):
        load(use(allowed | {"protectData": True}), before=before)


def test_a_permission_to_delete_data_is_for_those_disks_only() -> None:
    change = throw_away_secrets() | DEV | {"location": "northeurope", "protectData": False}
    with pytest.raises(SettingsError, match="location: would delete disk-mysql-2-data with all data; undo the change"):
        load(use(change | {"deleteDataDisks": DISKS[:1]}), before=recorded())
    others = ["disk-mysql-1-data of 2025-12-31T00:00:00"]
    with pytest.raises(SettingsError) as raised:
        load(use(change | {"deleteDataDisks": others}), before=recorded())
    assert len(raised.value.mistakes) == 2
    # An update that was interrupted has deleted one of them.
    one = recorded()
    one = dataclasses.replace(one, data_disks={name: disk for name, disk in one.data_disks.items() if "2" in name})
    load(use(change | {"deleteDataDisks": DISKS}), before=one)
    # It is of no use any more, and must not stay there for the next time.
    for before in (recorded(), Recorded()):
        with pytest.raises(
            SettingsError, match="deleteDataDisks: this update does not delete disk-mysql-1-data of 2026"
        ):
            load(use(throw_away_secrets() | DEV | {"deleteDataDisks": DISKS}), before=before)


@pytest.mark.parametrize(
    ("before", "changes"),
    [
        (recorded(), {}),
        (recorded(), {"nodeNames": ["mysql-2", "mysql-1"]}),
        (recorded("Data", own_group=False), {"existingResourceGroup": "data"}),
        (recorded(zone="2"), ZONES | {"zones": ["2"]}),
        (Recorded(), {"location": "northeurope", "clusterName": "shop"}),
    ],
)
def test_what_keeps_the_data_is_taken(before: Recorded, changes: dict[str, Any]) -> None:
    load(use(throw_away_secrets() | DEV | changes), before=before)


def refused(before: Recorded, **changes: Any) -> list[str]:
    """Return what is told of changes to a stack that is there."""
    try:
        load(use(throw_away_secrets() | DEV | changes), before=before)
    except SettingsError as error:
        return [line.removeprefix(PREFIX) for line in error.mistakes]
    return []


def with_disks(**properties: Any) -> Recorded:
    """Return the record of a cluster whose data disks are otherwise."""
    before = recorded(zone=properties.get("zone"))
    disks = {name: dataclasses.replace(disk, **properties) for name, disk in before.data_disks.items()}
    return dataclasses.replace(before, data_disks=disks)


def test_a_backup_is_restored_into_a_new_cluster_only() -> None:
    to = "2026-11-27T11:59:59Z"
    restored = dataclasses.replace(recorded(), restored=Restored(ACCOUNT_ID, to))
    assert not refused(Recorded(), restoreFrom=ACCOUNT_ID, restoreTo=to)
    # An update that was interrupted is run again.
    assert not refused(restored, restoreFrom=ACCOUNT_ID, restoreTo=to)
    assert not refused(restored)
    assert refused(recorded(), restoreFrom=ACCOUNT_ID) == [
        "restoreFrom: this cluster already has data, and a backup can only be restored into a new one: clear this"
        " setting, and make another stack"
    ]
    other = ACCOUNT_ID.replace("starchive", "stother")
    assert refused(restored, restoreFrom=other, restoreTo=to) == [
        f"restoreFrom: this cluster already has the data of {ACCOUNT_ID}, and a backup can only be restored into a new"
        " one: clear this setting, and make another stack"
    ]
    assert refused(restored, restoreFrom=ACCOUNT_ID) == [
        f"restoreTo: is latest, but this cluster was made with {to}: set it back, or clear restoreFrom and restoreTo,"
        " and make another stack"
    ]
    # A first update that has failed in the restore leaves disks without data.
    failed = dataclasses.replace(restored, has_data=False)
    assert not refused(failed, restoreFrom=other, restoreTo="2026-11-27T10:00:00Z")
    # Disks that are made anew have no data.
    anew = {"location": "northeurope", "protectData": False, "deleteDataDisks": DISKS}
    assert not refused(recorded(), **anew, restoreFrom=ACCOUNT_ID)


def test_an_attached_disk_does_not_grow_beyond_4095_gib() -> None:
    before = with_disks(gib=4095, sku="Premium_LRS")
    assert refused(before, dataDiskSizeGb=4096) == [
        "dataDiskSizeGb: 4096 GiB is more than 4095, and Azure does not grow an attached disk beyond that:"
        " disk-mysql-1-data, of 4095 GiB; docs/operations/growing-disk.md says how to do it by hand"
    ]
    assert not refused(before, dataDiskSizeGb=4095)
    assert not refused(with_disks(gib=4096), dataDiskSizeGb=8192)
    assert not refused(Recorded(), dataDiskSizeGb=8192)
    second_kind = with_disks(gib=64, sku="PremiumV2_LRS", zone="1")
    assert not refused(second_kind, **(ZONES | {"zones": ["1"]}), dataDiskSku="PremiumV2_LRS", dataDiskSizeGb=8192)


def test_an_attached_disk_keeps_its_sku() -> None:
    assert refused(with_disks(sku="StandardSSD_LRS"), dataDiskSku="Premium_LRS") == [
        "dataDiskSku: Premium_LRS is not StandardSSD_LRS, which disk-mysql-1-data has, and Azure does not change the"
        " SKU of a disk whose machine is on; docs/operations/growing-disk.md says how to do it by hand"
    ]
    assert not refused(with_disks(sku="Premium_LRS"), dataDiskSku="Premium_LRS")


def test_a_witness_keeps_its_controller() -> None:
    before = dataclasses.replace(recorded(), sizes={"mysql-witness": "Standard_B2ts_v2"})
    assert refused(before, witness=True, witnessSize="Standard_D2ls_v6") == [
        "witnessSize: Standard_D2ls_v6 has NVMe disks, but Standard_B2ts_v2 does not, so the witness would be"
        " rebuilt: set witness to false, run pulumi up, and then set it to true again"
    ]
    assert not refused(before, witness=True, witnessSize="Standard_D2ls_v5")
    assert not refused(recorded(), witness=True, witnessSize="Standard_D2ls_v6")


@pytest.mark.parametrize(
    ("name", "premium", "nvme", "accelerated"),
    [
        ("Standard_B2s", True, False, False),
        ("Standard_B12ms", True, False, True),
        ("Standard_D2_v4", False, False, True),
        ("Standard_DS1_v2", True, False, False),
        ("Standard_E4-2ds_v5", True, False, True),
        ("Standard_D2as_v6", True, True, True),
        ("Standard_D2s_v10", True, True, True),
        ("Standard_L8s_v3", True, False, True),
        ("Standard_L8as_v4", True, True, True),
        ("Standard_NC24ads_A100_v4", True, False, True),
        ("Standard_M416s_8_v2", True, False, True),
    ],
)
def test_what_the_name_of_a_size_says(name: str, premium: bool, nvme: bool, accelerated: bool) -> None:
    size = vm_size.parse(name)
    assert (size.has_premium_storage, size.is_nvme, size.can_accelerate) == (premium, nvme, accelerated)


def test_a_disk_never_shrinks() -> None:
    """It is told with all other mistakes, since Pulumi has recorded how large the disks are."""
    before = recorded()
    with pytest.raises(SettingsError) as raised:
        load(use(throw_away_secrets() | DEV | {"dataDiskSizeGb": 32, "vmSize": "small"}), before=before)
    told = "\n".join(raised.value.mistakes)
    assert (
        "dataDiskSizeGb: 32 GiB is less than the 64 GiB that disk-mysql-1-data has; a disk can grow, but never shrink"
        in told
    )
    assert "vmSize: 'small' is not a VM size" in told
    for size in (64, 65):
        settings = load(use(throw_away_secrets() | DEV | {"dataDiskSizeGb": size}), before=before)
        assert settings.disks.data_disk_size_gb == size
