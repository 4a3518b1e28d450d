"""What lies in a storage account's containers, read as whoever runs this."""

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceNotFoundError,
)
from azure.storage.blob import BlobServiceClient, LinearRetry

from components.azure.cloud import Cloud

READER = "Storage Blob Data Reader"
"""Azure's own role that lets one read."""

_NO_RIGHT = "AuthorizationPermissionMismatch"
"""Azure's code for a role that is missing; it takes some minutes until a new one counts."""

# The client's own newest version may be one that not every cloud has yet; this one has all that is used here.
_API_VERSION = "2021-08-06"

# Somebody waits; the client itself would try again for a minute.
_RETRIES = 2
_RETRY_SECONDS = 2


class UnreadableError(Exception):
    """The account is not read; the text says why."""


class Blobs:
    """The blobs of a storage account.

    Args:
        account: its name.
        address: where it answers; by default where Azure has it.
    """

    def __init__(self, account: str, cloud: Cloud, address: str = "") -> None:
        self.account = account
        self._service = BlobServiceClient(
            address or f"https://{account}.blob.{cloud.storage_suffix}",
            credential=cloud.credential, transport=cloud.transport, api_version=_API_VERSION,
            retry_policy=LinearRetry(backoff=_RETRY_SECONDS, retry_total=_RETRIES, random_jitter_range=0),
        )  # fmt: skip

    def sizes(self, container: str) -> dict[str, int]:
        """Return the names in a container, each with its bytes.

        Raises:
            UnreadableError: the account is not reached, refuses, or has no such container.
        """
        try:
            found = self._service.get_container_client(container).list_blobs(results_per_page=5000)
            return {blob.name: blob.size for blob in found}
        except ResourceNotFoundError:
            raise UnreadableError(f"storage account {self.account} has no container {container}") from None
        except AzureError as error:
            raise self._unreadable(error) from None

    def content(self, container: str, name: str) -> bytes | None:
        """Return what a blob has; None where there is no such blob.

        Raises:
            UnreadableError: as of `sizes`.
        """
        try:
            return self._service.get_blob_client(container, name).download_blob(encoding=None).readall()
        except ResourceNotFoundError:
            return None
        except AzureError as error:
            raise self._unreadable(error) from None

    def _unreadable(self, error: AzureError) -> UnreadableError:
        said = str(error).splitlines()[0].strip()
        if isinstance(error, HttpResponseError) and getattr(error, "error_code", "") == _NO_RIGHT:
            return UnreadableError(f"you may not read storage account {self.account}: you need the role {READER} on it")
        if isinstance(error, ClientAuthenticationError):
            return UnreadableError(f"storage account {self.account} cannot be read without a login: {said}")
        return UnreadableError(f"storage account {self.account} cannot be read: {said}")
