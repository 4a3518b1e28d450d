"""Addresses of the lab cloud inside the lab's network namespace (see `lab/fabric.py`)."""

from ipaddress import IPv4Address, IPv4Network

ARM = "198.18.0.1"
"""Resource Manager and the login service, https on port 443 (RFC 2544's range)."""

BLOB = "198.18.0.2"
"""All storage accounts, https on port 443."""

METRICS = "198.18.0.3"
"""All endpoints that take metrics, https on port 443."""

IMDS = "169.254.169.254"
"""Azure's instance metadata service, http on port 80, as every guest agent knows it."""

PLATFORM = "168.63.129.16"
"""Azure's platform address: name server of the guests, source of the balancer's probes."""

OUTSIDE = "198.51.100.10"
"""The outside world: the engine's, the tests' and the loopback listener's connections come from here (TEST-NET-2)."""

PUBLIC_POOL = IPv4Network("203.0.113.0/24")
"""Public IP addresses of the lab cloud (TEST-NET-3)."""

DEFAULT_OUTBOUND = IPv4Address("203.0.113.254")
"""Source of a guest's connections where Azure would give "default outbound access"."""
