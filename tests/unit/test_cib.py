"""What a person has set in the cluster for a time survives a new document, and is told with what ends it."""

import contextlib
import io
import runpy
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from components.checkout import CONFIGS

DESIRED = """<cib><configuration>
<crm_config><cluster_property_set id="cib-bootstrap-options">
<nvpair name="cluster-name" value="x"/><nvpair name="stonith-enabled" value="true"/>
</cluster_property_set></crm_config>
<nodes/>
<resources>
<group id="mysql"><meta_attributes id="mysql-meta_attributes"><nvpair name="priority" value="10"/></meta_attributes>
<primitive id="mysql-fs"/><primitive id="mysql-server"/></group>
<clone id="drbd-r0-clone"><primitive id="drbd-r0"/></clone><primitive id="mysql-probe"/>
</resources>
<constraints><rsc_colocation id="mysql-with-drbd" rsc="mysql"/></constraints>
<rsc_defaults><meta_attributes id="rsc-options"><nvpair name="migration-threshold" value="3"/></meta_attributes>
</rsc_defaults>
</configuration></cib>"""

NODES = '<nodes><node id="1" uname="one"/><node id="2" uname="two"/></nodes>'
CURRENT = DESIRED.replace("<nodes/>", NODES)


def cluster(name: str, value: str) -> tuple[str, str]:
    """Return what stands in the CIB, and the same after a property was set."""
    return "</cluster_property_set>", f'<nvpair name="{name}" value="{value}"/></cluster_property_set>'


def meta(owner: str, name: str, value: str) -> tuple[str, str]:
    """Return the same of a meta attribute of a resource."""
    kind = next(kind for kind in ("group", "clone", "primitive") if f'<{kind} id="{owner}"' in CURRENT)
    attributes = (
        f'<meta_attributes id="{owner}-meta_attributes"><nvpair name="{name}" value="{value}"/></meta_attributes>'
    )
    if owner == "mysql":
        return (
            '<nvpair name="priority" value="10"/>',
            f'<nvpair name="priority" value="10"/>{attributes.split(">")[1]}>',
        )
    before = f'<{kind} id="{owner}"/>' if f'<{kind} id="{owner}"/>' in CURRENT else f'<{kind} id="{owner}">'
    after = f'<{kind} id="{owner}">{attributes}' + (f"</{kind}>" if before.endswith("/>") else "")
    return before, after


def node(place: str, name: str) -> tuple[str, str]:
    """Return the same of an attribute of node one: kept in the configuration, or until its restart."""
    nvpair = f'<nvpair name="{name}" value="on"/>'
    if place == "status":
        state = f'<node_state id="1" uname="one"><transient_attributes>{nvpair}</transient_attributes></node_state>'
        return "</configuration>", f"</configuration><status>{state}</status>"
    return (
        '<node id="1" uname="one"/>',
        f'<node id="1" uname="one"><instance_attributes>{nvpair}</instance_attributes></node>',
    )


def location(name: str, resource: str, score: str) -> tuple[str, str]:
    """Return the same of a constraint."""
    line = f'<rsc_location id="{name}" rsc="{resource}" role="Started" node="one" score="{score}"/>'
    return "</constraints>", f"{line}</constraints>"


BAN = location("cli-ban-mysql-on-one", "mysql", "-INFINITY")
STANDBY_OF_TWO = ('uname="two"/>', 'uname="two"><x><nvpair name="standby" value="on"/></x></node>')
ALL_SETTINGS = [
    (cluster("maintenance-mode", "true"), "the cluster in maintenance mode (crm maintenance off", True),
    (cluster("stop-all-resources", "yes"), "stop-all-resources", True),
    (meta("mysql", "is-managed", "false"), "mysql not managed (crm resource manage mysql", True),
    (meta("mysql-server", "maintenance", "true"), "mysql-server in maintenance", True),
    (meta("drbd-r0-clone", "target-role", "Slave"), "drbd-r0-clone not to be promoted", True),
    (meta("mysql-server", "target-role", "Stopped"), "mysql-server stopped (crm resource start mysql-server", True),
    (meta("mysql-probe", "target-role", "Stopped"), "mysql-probe stopped", False),
    (node("nodes", "maintenance"), "one in maintenance (crm node ready one", True),
    (node("nodes", "standby"), "one in standby (crm_standby --node one --delete", False),
    (node("status", "standby"), "one in standby (crm_standby --node one --delete --lifetime reboot", False),
    (BAN, "mysql banned from one (crm resource clear mysql", False),
    (location("cli-prefer-mysql", "mysql", "INFINITY"), "mysql moved to one (crm resource clear mysql", False),
    (
        ('value="3"/>', 'value="3"/><nvpair name="is-managed" value="false"/>'),
        "rsc_defaults not managed (crm_attribute --type rsc_defaults --name is-managed --delete",
        True,
    ),
]  # fmt: skip


def printed(script: str, *arguments: str) -> str:
    """Return what a script prints; it is run in this process, since to start Python for each takes seconds."""
    file, output = CONFIGS / "pacemaker" / script, io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(output):
        patch.setattr(sys, "argv", [str(file), *arguments])
        patch.setattr(sys, "path", [str(file.parent), *sys.path])
        runpy.run_path(str(file), run_name="__main__")
    return output.getvalue()


def merge(folder: Path, current: str, desired: str = DESIRED) -> tuple[ElementTree.Element, str]:
    """Return the CIB that a document makes of a current one, and what is told."""
    (folder / "current.xml").write_text(current)
    (folder / "desired.xml").write_text(desired)
    told = printed("merge_cib.py", *(str(folder / f"{name}.xml") for name in ("current", "desired", "new")))
    return ElementTree.parse(folder / "new.xml").getroot(), told


def by_hand(folder: Path, current: str, look: str) -> str:
    """Return what is told of a CIB."""
    (folder / "cib.xml").write_text(current)
    return printed("by_hand.py", str(folder / "cib.xml"), look)


def canonical(cib: str | ElementTree.Element) -> str:
    text = cib if isinstance(cib, str) else ElementTree.tostring(cib, encoding="unicode")
    return ElementTree.canonicalize(text, strip_text=True)


@pytest.mark.parametrize(("change", "what", "keeps_away"), ALL_SETTINGS)
def test_what_a_person_has_set(tmp_path: Path, change: tuple[str, str], what: str, keeps_away: bool) -> None:
    current = CURRENT.replace(*change)
    assert current != CURRENT
    new, told = merge(tmp_path, current)
    assert canonical(new) == canonical(current)
    assert told.startswith(f"left as set by hand: {what}") and told.count("\n") == 1
    assert by_hand(tmp_path, current, "all") in told
    assert bool(by_hand(tmp_path, current, "service")) == keeps_away


def test_of_standbys_and_bans_only_those_of_all_nodes_keep_the_service_away(tmp_path: Path) -> None:
    both = CURRENT.replace(*BAN).replace(*STANDBY_OF_TWO)
    assert by_hand(tmp_path, CURRENT.replace(*STANDBY_OF_TWO), "service") == ""
    assert (
        by_hand(tmp_path, CURRENT.replace(*STANDBY_OF_TWO), "copy")
        == "two in standby (crm_standby --node two --delete ends it)\n"
    )
    assert by_hand(tmp_path, both, "service") == (
        "two in standby (crm_standby --node two --delete ends it),"
        " mysql banned from one (crm resource clear mysql ends it)\n"
    )


@pytest.mark.parametrize(
    "change",
    [
        cluster("maintenance-mode", "false"),
        meta("mysql", "is-managed", "true"),
        meta("mysql", "maintenance", "off"),
        meta("mysql-server", "target-role", "Started"),
    ],
)
def test_what_has_been_ended_is_no_difference(tmp_path: Path, change: tuple[str, str]) -> None:
    """Pacemaker's tools leave that in the CIB: it says what would be so without it."""
    current = CURRENT.replace(*change)
    new, told = merge(tmp_path, current)
    assert canonical(new) == canonical(current)
    assert told == by_hand(tmp_path, current, "all") == by_hand(tmp_path, current, "copy") == ""


def test_the_document_wins_over_all_else_and_says_so(tmp_path: Path) -> None:
    fencing = ('"stonith-enabled" value="true"', '"stonith-enabled" value="false"')
    new, told = merge(tmp_path, CURRENT.replace(*fencing).replace(*cluster("no-quorum-policy", "ignore")))
    assert canonical(new) == canonical(CURRENT)
    assert told.splitlines() == [
        "property stonith-enabled: was false, now true",
        "property no-quorum-policy: was ignore, now as Pacemaker has it",
    ]


def test_attributes_stay_in_the_order_in_which_they_were_written(tmp_path: Path) -> None:
    """To crm_diff another order is a difference, and to cibadmin --patch it is nothing to do."""
    written, ours = '<nvpair id="n" name="cluster-name" value="x"/>', '<nvpair name="cluster-name" value="x" id="n"/>'
    plain = '<nvpair name="cluster-name" value="x"/>'
    new, _ = merge(tmp_path, CURRENT.replace(plain, written), DESIRED.replace(plain, ours))
    assert written.replace("/>", " />") in ElementTree.tostring(new, encoding="unicode")
    other, _ = merge(tmp_path, CURRENT.replace(plain, written), DESIRED.replace(plain, ours.replace('"x"', '"y"')))
    assert '<nvpair id="n" name="cluster-name" value="y" />' in ElementTree.tostring(other, encoding="unicode")


def test_it_goes_with_its_resource(tmp_path: Path) -> None:
    current = CURRENT.replace('<primitive id="mysql-probe"/>', '<primitive id="mysql-probe"/><primitive id="old"/>')
    current = current.replace(*location("cli-ban-old-on-one", "old", "-INFINITY"))
    new, told = merge(tmp_path, current)
    assert canonical(new) == canonical(CURRENT)
    assert told.endswith("removed from the cluster: old\n")


def test_what_the_cluster_writes_stays(tmp_path: Path) -> None:
    before = '<cluster_property_set id="cib-bootstrap-options">'
    current = (
        CURRENT.replace(before, f'{before}<nvpair name="dc-version" value="2"/>')
        .replace(*cluster("hostName_one", "one"))
        .replace(*location("drbd-fence-by-handler-r0-rule", "drbd-r0-clone", "-INFINITY"))
    )
    new, told = merge(tmp_path, current)
    assert (canonical(new), told) == (canonical(current), "")
