"""Who asks."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Account:
    """Whose subscription, and how to log in: the plug-in's configuration.

    Args:
        subscription_id: GUID of the subscription; may be empty where nothing is asked of ARM.
        metadata_host: host, and port where it is not 443, that tells the cloud's endpoints; empty for public Azure.
    """

    subscription_id: str = ""
    tenant_id: str = ""
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    metadata_host: str = ""
