"""IPv4 networks in CIDR form, and who may connect from which."""

from collections.abc import Callable, Sequence
from ipaddress import AddressValueError, IPv4Address, IPv4Network, NetmaskValueError

from components.settings.mistake import Mistake

# Fewer bits than a class A network's are as good as the whole world.
_WIDEST_SOURCE = 8


def cidr(value: str) -> IPv4Network:
    """Parse an IPv4 network in CIDR form whose host bits are all 0."""
    address, slash, _length = value.partition("/")
    if ":" in value:
        raise Mistake(f"{value} is an IPv6 network; only IPv4 is supported")
    if not slash:
        try:
            IPv4Address(address)
        except AddressValueError:
            raise Mistake(f"{value!r} is not a network; an example is 10.32.0.0/24") from None
        raise Mistake(f"{value} has no prefix length; for a single address, write {value}/32")
    try:
        loose = IPv4Network(value, strict=False)
    except (AddressValueError, NetmaskValueError):
        raise Mistake(f"{value!r} is not a network; an example is 10.32.0.0/24") from None
    if str(loose) != value:
        raise Mistake(f"{value} is an address within a network; did you mean {loose}?")
    return loose


def sources(what: str, *, may_be_world: bool = False) -> Callable[[Sequence[str]], Sequence[str]]:
    """Return the check for networks that may connect.

    Args:
        what: what they may reach, for the message.
        may_be_world: whether a network wider than /8 is allowed.
    """

    def check(values: Sequence[str]) -> Sequence[str]:
        if not values:
            raise Mistake(f"is empty: nobody could reach {what}; name the networks that may")
        networks: list[IPv4Network] = []
        for value in values:
            if value.lower() in ("*", "any", "internet", "::/0"):
                raise Mistake(f"{value} opens {what} to the whole world; name the networks that may")
            network = cidr(value)
            if network.prefixlen < _WIDEST_SOURCE and not may_be_world:
                raise Mistake(
                    f"{network} opens {what} to {_share(network)}; name the networks that may, none"
                    f" wider than /{_WIDEST_SOURCE}"
                )
            for other in networks:
                # Azure: OverlappingSubnetsNotPermittedInSecurityRule.
                if network.overlaps(other):
                    raise Mistake(f"{other} and {network} overlap, which Azure refuses; keep the wider one")
            networks.append(network)
        return values

    return check


def _share(network: IPv4Network) -> str:
    return "the whole world" if network.prefixlen == 0 else f"1/{2**network.prefixlen} of the world"
