"""Settings that nobody thought of, for hypothesis: such as load, and anything at all."""

import base64
import functools
import ipaddress
import json
import re
import string
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from hypothesis import HealthCheck
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from components import certificates
from components.settings import operating_system
from tests.docs.settings import SECTIONS
from tests.support.brought import Maker
from tests.support.keys import ssh_key
from tests.support.recording import Resource
from tests.support.stack_configuration import schema

Value = SearchStrategy[Any]

# What hypothesis would otherwise stop at: a stack takes a second, and some do not load.
SLOW = (HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large)

# What a shell, SQL, a template, an option file, a terminal or a browser would take for its own.
HOSTILE = (
    *("'", '"', "`id`", "$(id)", "${HOME}", "$", "\\", "\\n", "%s%n", "%", "{{ 7 }}", "{% x %}", "{* x *}", "&", "&&"),
    *(";", "|", ">", "<", "*", "?", "~", "!", "#", "--", "-rf", "../..", "[section]", "FILE", "\nFILE\n", "\n", "\r"),
    *("\t", "\0", "\x1b[2J", "\u202e", "\u2028", "é", "名", "٣", "🙂", "\ud800", "'; DROP TABLE t; -- ", "</script>"),
    "@HA_DRBD_SECRET@",
)  # fmt: skip
PRINTABLE = tuple(text for text in HOSTILE if text.isprintable())

SECRETS = tuple(key for key, declared in schema().items() if declared.get("secret"))
_SUBSCRIPTION = "/subscriptions/11111111-2222-3333-4444-555555555555"
_REGIONS = ("westeurope", "northeurope", "eastus2")


def _regex(pattern: str) -> Value:
    return st.from_regex(re.compile(pattern, re.ASCII), fullmatch=True)


def _text(pieces: tuple[str, ...] = HOSTILE) -> SearchStrategy[str]:
    """Return texts that have something hostile in them."""
    plain = st.text(st.characters(codec="utf-8"), max_size=12)
    return st.lists(st.one_of(st.sampled_from(pieces), plain), max_size=5).map("".join)


_leaf = st.one_of(_text(), st.integers(), st.floats(), st.booleans(), st.none())
_anything: Value = st.recursive(
    _leaf,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_text(), inner, max_size=4)),
    max_leaves=6,
)


@functools.cache
def known(key: str) -> tuple[Any, ...]:
    """Return values of a setting that are right somewhere: its default, and what docs/settings.md is made with."""
    others = [settings[key].changes[key] for settings in SECTIONS.values() if key in settings]
    return (schema()[key]["default"], *others)


def _spoilt(value: Any) -> Value:
    """Return values that are nearly this one: a piece more, less or other in one of its texts."""
    if isinstance(value, list) and value:
        items = cast(list[Any], value)
        return st.integers(0, len(items) - 1).flatmap(
            lambda at: _spoilt(items[at]).map(lambda other: [*items[:at], other, *items[at + 1 :]])
        )
    text = value if isinstance(value, str) else json.dumps(value)
    place = st.integers(0, len(text))
    return st.tuples(place, place, st.one_of(st.just(""), _text())).map(
        lambda cut: text[: min(cut[:2])] + cut[2] + text[max(cut[:2]) :]
    )


def anything(key: str) -> Value:
    """Return values of a setting, most of them wrong."""
    return st.one_of(st.sampled_from(known(key)), st.sampled_from(known(key)).flatmap(_spoilt), _anything, st.none())


def secret(key: str) -> Value:
    """Return values of a secret setting, most of them wrong."""
    right = st.sampled_from([value for value in (*known(key), *_brought().get(key, ())) if value])
    return st.one_of(right, right.flatmap(_spoilt), _text().map(lambda text: f"a-secret-{text}"), st.none())


@functools.cache
def _brought() -> dict[str, tuple[str, ...]]:
    """Return secrets that are wrong in ways that no accident makes."""
    maker = Maker(datetime.now(UTC))
    root = maker.authority("root")
    own = [maker.server(root, [name]) for name in ("$(id).example.org", "a\nb", "'; rm", "*.example.org", "10.0.0.1")]
    key = certificates.make_key().partition("\n")[2]
    dates = ("9999-12-31T23:59:59+00:00", "0001-01-01T00:00:00+14:00", "2026-11-27", "'")
    return {
        "ownCertificate": tuple(server.key + server.pem + root.pem for server in own),
        "tlsCertificate": tuple(f"Made: {date}\n{key}" for date in dates),
        "sshPrivateKey": (ssh_key("rsa"), ssh_key(passphrase="a passphrase")),
        "alertWebhook": ("https://[hooks.example.com/a-secret-path", "https://hooks\uff20.example.com/a-secret-path"),
    }


def settings(base: dict[str, Any]) -> SearchStrategy[dict[str, Any]]:
    """Return whole settings of which some are anything.

    Args:
        base: those that are not.
    """
    keys = st.lists(st.sampled_from([*schema(), "noSuchSetting"]), min_size=1, max_size=6, unique=True)
    return keys.flatmap(lambda chosen: st.fixed_dictionaries({key: _any(key) for key in chosen})).map(
        lambda changes: base | changes
    )


def _any(key: str) -> Value:
    if key not in schema():
        return _anything
    return secret(key) if key in SECRETS else anything(key)


_names = _regex(r"[a-z]([a-z0-9-]{0,20}[a-z0-9])?")
_password = st.text(
    sorted({*string.ascii_letters, *string.digits, *string.punctuation} - set("'\"`\\")), min_size=16, max_size=64
).map("aB3$xY7!".__add__)  # at least eight that are different
_group = _regex(r"[-\w.()]{0,20}[-\w()]")
_account = _group.map(
    lambda group: f"{_SUBSCRIPTION}/resourceGroups/{group}/providers/Microsoft.Storage/storageAccounts/starchive"
)
_option = st.tuples(
    st.one_of(
        st.just("init_connect"),
        # Nothing that a server has: with this word before it, it starts all the same.
        _regex(r"loose[-_]x[a-z0-9_-]{0,30}"),
    ),
    st.one_of(_text(PRINTABLE).map(str.strip), st.integers(), st.booleans(), st.sampled_from(["128M", "ON"])),
)
_email = _regex(r"[a-z0-9!#$%&'*+/=?^_`{|}~.-]{1,20}@[a-z0-9]{1,10}\.[a-z]{2,5}")
_cidr = st.tuples(st.integers(0, 2**32 - 1), st.integers(8, 32)).map(
    lambda drawn: str(ipaddress.IPv4Network(drawn, strict=False))
)


def _internal(address: str) -> SearchStrategy[dict[str, Any]]:
    """An internal endpoint, with or without a name."""
    name = _regex(r"[a-z0-9]{1,20}(\.[a-z][a-z0-9-]{0,10}[a-z0-9]){2,4}")
    return st.fixed_dictionaries(
        {"endpoint": st.just("internal"), "endpointAddress": st.just(address)}, optional={"privateDnsName": name}
    )


@st.composite
def _network(draw: st.DrawFn) -> dict[str, Any]:
    """A subnet, and addresses of it that Azure does not keep for itself."""
    space = draw(st.sampled_from(["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"]))
    bits = draw(st.integers(ipaddress.IPv4Network(space).prefixlen, 27))
    lowest = int(ipaddress.IPv4Network(space)[0])
    offset = draw(st.integers(0, 2 ** (32 - ipaddress.IPv4Network(space).prefixlen) - 1))
    subnet = ipaddress.IPv4Network((lowest + offset, bits), strict=False)
    places = st.integers(4, subnet.num_addresses - 2)
    first, second, third, last = draw(st.lists(places, min_size=4, max_size=4, unique=True))
    return {
        "subnet": str(subnet),
        "nodeAddresses": [str(subnet[first]), str(subnet[second])],
        "witnessAddress": str(subnet[third]),
        **(draw(_internal(str(subnet[last]))) if draw(st.booleans()) else {}),
    }


def _one(key: str, value: Value) -> SearchStrategy[dict[str, Any]]:
    return value.map(lambda drawn: {key: drawn})


@st.composite
def _accounts(draw: st.DrawFn) -> dict[str, Any]:
    """Further accounts of the database, each with its password."""
    names = draw(st.lists(_regex(r"[A-Za-z][A-Za-z0-9_]{0,31}"), min_size=1, max_size=3, unique_by=str.lower))
    database = _regex(r"[A-Za-z][A-Za-z0-9_]{0,63}")
    rights = st.sampled_from(["readOnly", "readWrite", "owner"])
    return {
        "databaseAccounts": {name: {"database": draw(database), "rights": draw(rights)} for name in names},
        "databaseAccountPasswords": {name: draw(_password) for name in names},
    }


# What may be changed together with anything else; most of it loads.
_CHANGES: tuple[SearchStrategy[dict[str, Any]], ...] = (
    _one("clusterName", _names),
    _one("nodeNames", st.lists(_names, min_size=2, max_size=2, unique=True)),
    _one("location", st.sampled_from(_REGIONS)),
    _one("existingResourceGroup", _group),
    _one("operatingSystem", st.sampled_from(operating_system.names())),
    _network(),
    _one("dnsLabel", _regex(r"[a-z][a-z0-9-]{1,20}[a-z0-9]")),
    _one("probePort", st.integers(1, 65535)),
    _one("clientCidrs", st.lists(_cidr, min_size=1, max_size=3)),
    _one("witness", st.just(True)),
    st.lists(st.sampled_from("123"), min_size=1, max_size=2, unique=True).map(
        lambda zones: {"zones": zones, "availabilitySet": False}
    ),
    _one("vmSize", _regex(r"Standard_[DEFL][0-9]{1,2}s_v[2-6]")),
    _one("dataDiskSizeGb", st.integers(4, 32767)),
    _one("adminUser", _regex(r"[a-z_][a-z0-9_-]{0,31}")),
    _one("adminCidrs", st.lists(_cidr, min_size=1, max_size=3)),
    _one("sshAccess", st.sampled_from(["nat-rules", "node-addresses"])),
    _one("sshPorts", st.lists(st.integers(1, 65534), min_size=3, max_size=3, unique=True)),
    _one("databaseName", _regex(r"[A-Za-z][A-Za-z0-9_]{0,63}")),
    _one("databaseUser", _regex(r"[A-Za-z][A-Za-z0-9_]{0,31}")),
    _one("databasePassword", _password),
    _accounts(),
    _one("mysqlOptions", st.lists(_option, max_size=4).map(dict)),
    _one("mysqlOptions", st.lists(_option, max_size=4).map(dict)),
    st.just({"backup": True}),
    _one("restoreFrom", _account),
    st.tuples(st.lists(_cidr, min_size=1, max_size=2), _password, st.booleans()).map(
        lambda drawn: {
            "monitoring": True,
            "monitorCidrs": drawn[0],
            "monitorPassword": drawn[1],
            **({"witness": True, "monitorOnWitness": True} if drawn[2] else {}),
        }
    ),
    _one("alertEmails", st.lists(_email, max_size=3, unique_by=str.lower)),
    _one("alertWebhook", _text(PRINTABLE).map(lambda text: "https://example.com/" + re.sub(r"\s", "", text))),
    _one("failover", st.sampled_from(["fast", "balanced", "safe"])),
    _one("corosyncTokenMs", st.integers(1000, 60000)),
    _one("corosyncKey", st.permutations(range(256)).map(lambda some: base64.b64encode(bytes(some)).decode())),
    st.just({"replicationEncryption": True}),
    _one("drbdSecret", st.permutations(string.ascii_letters + "-_.+/=").map(lambda some: "".join(some[:40]))),
    _one("drbdResyncMaxRate", _regex(r"[1-9][0-9]{2,5}[KM]")),
    _one("fencing", st.sampled_from(["on", "off"])),
    _one("fencingDelaySeconds", st.integers(0, 300)),
    _one("tags", st.dictionaries(_text(), _text(), max_size=4)),
)


def changes_that_load() -> SearchStrategy[dict[str, Any]]:
    """Return changes of a stack's settings, of which most load: whatever its values may be, in their hostile forms."""
    some = st.lists(st.sampled_from(range(len(_CHANGES))), min_size=1, max_size=5, unique=True)
    return some.flatmap(lambda chosen: st.tuples(*(_CHANGES[each] for each in chosen))).map(
        lambda drawn: {key: value for one in drawn for key, value in one.items()}
    )


def scripts_of_first(resources: Sequence[Resource]) -> list[str]:
    """Return the scripts of a recorded program, without those of the second node, which differ in names only."""
    scripts = {each.name: each.inputs["stdin"] for each in resources if "stdin" in each.inputs}
    (_, second) = [name.removesuffix("-corosync") for name in scripts if name.endswith("-corosync")]
    return [text for name, text in scripts.items() if not name.startswith(f"{second}-")]


def words(changes: Mapping[str, Any]) -> list[str]:
    """Return the texts of some changes that are plain words wherever they may stand."""
    named = [changes.get(key) for key in ("clusterName", "adminUser", "databaseName", "databaseUser")]
    return [*filter(None, named), *changes.get("nodeNames", ())]
