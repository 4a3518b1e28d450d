"""A key of the user's own for all disks."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from components.settings.azure_id import AzureId, id_of
from components.settings.given import given, optional
from components.settings.mistake import Mistake
from components.settings.section import Check, Section


@dataclass(frozen=True)
class KeyUrl:
    """A key in Key Vault.

    Args:
        text: its URL, with the version.
    """

    text: str
    vault: str
    name: str


@dataclass(frozen=True)
class EncryptionKey:
    """The key that encrypts all disks.

    Args:
        url: the key with its version.
        id: resource id of the key, without a version.
    """

    url: str
    id: str
    vault: AzureId


def _key_url(value: str) -> KeyUrl:
    """Parse the URL of a key in Key Vault, in one of Azure's clouds."""
    match = re.fullmatch(
        r"https://(?P<vault>[a-z][a-z0-9-]{1,22}[a-z0-9])\.vault\.(azure\.net|azure\.cn|usgovcloudapi\.net)(:443)?"
        r"/keys/(?P<name>[A-Za-z0-9-]{1,127})(?P<version>/[0-9a-f]{32})?/?",
        value,
    )
    if match is None:
        raise Mistake(f"{value!r} is not a key's URL, https://VAULT.vault.azure.net/keys/NAME/VERSION")
    if match["version"] is None:
        raise Mistake(f"{value} does not end with a version, which Azure requires; az keyvault key show prints it")
    return KeyUrl(value.rstrip("/"), match["vault"], match["name"])


class EncryptionSection(Section):
    """The key of the user's own: both settings, or none."""

    disk_encryption_key_url: Annotated[KeyUrl | None, given(optional(_key_url))]
    disk_encryption_key_vault_id: Annotated[AzureId | None, given(optional(id_of("Microsoft.KeyVault/vaults/NAME")))]

    @property
    def key(self) -> EncryptionKey | None:
        """The key; None for Azure's own."""
        url, vault = self.disk_encryption_key_url, self.disk_encryption_key_vault_id
        return EncryptionKey(url.text, f"{vault.text}/keys/{url.name}", vault) if url and vault else None

    def checks(self) -> Iterable[Check]:
        return (("diskEncryptionKeyVaultId", self._vault_is_that_of_the_key),)

    def _vault_is_that_of_the_key(self) -> None:
        url, vault = self.disk_encryption_key_url, self.disk_encryption_key_vault_id
        if vault and not url:
            raise Mistake("is set, but diskEncryptionKeyUrl is not; set both or neither")
        if url and not vault:
            raise Mistake("is missing: it is needed to grant the right to use the key; az keyvault show prints it")
        if url and vault and vault.names[0].lower() != url.vault:
            raise Mistake(f"is the id of vault {vault.names[0]}, but the key is in vault {url.vault}")
