"""What needs what."""

from collections.abc import Mapping


def reduced(needs: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Leave out what is needed by something else that is needed (the transitive reduction).

    Args:
        needs: the names of what each needs; every name is a key.
    """
    all_below: dict[str, set[str]] = {}
    for name in ranked(needs):
        all_below[name] = needs[name].union(*(all_below[other] for other in needs[name]))
    return {
        name: {one for one in direct if not any(one in all_below[other] for other in direct)}
        for name, direct in needs.items()
    }


def ranked(needs: Mapping[str, set[str]]) -> dict[str, int]:
    """Return the length of the longest way to each, the shortest first.

    Args:
        needs: the names of what each needs; a name that is not a key does not count.
    """
    ranks: dict[str, int] = {}
    while len(ranks) < len(needs):
        ready = [name for name in sorted(needs) if name not in ranks and needs[name] & needs.keys() <= ranks.keys()]
        ranks |= {name: 1 + max((ranks[one] for one in needs[name] & needs.keys()), default=-1) for name in ready}
    return ranks
