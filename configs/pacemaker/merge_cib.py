"""Put the desired resources, constraints, defaults and properties in place of those in the current CIB.

Usage: merge_cib.py CURRENT DESIRED OUTPUT. Nodes and status stay; so does what a person has set for a time
(by_hand.py), and what the cluster itself writes: its own properties, those of azure-events-az, and the constraint by
which DRBD's fence-peer handler bars an outdated peer from promotion. Any other property that a person has set is put
back, and told: whether nodes are fenced, above all, is the stack's to say.
"""

import sys
import xml.etree.ElementTree as ElementTree

import by_hand

OWN_PROPERTIES = {
    "have-watchdog",
    "dc-version",
    "cluster-infrastructure",
    "last-lrm-refresh",
}
AGENTS_PROPERTIES = ("azure-events-az_", "hostName_")
LEFT_CONSTRAINTS = ("drbd-fence-by-handler-", *by_hand.CONSTRAINTS)
REPLACED = ["resources", "constraints", "rsc_defaults", "op_defaults", "fencing-topology", "tags", "alerts"]


def keep_meta_attributes(current: ElementTree.Element, wanted: ElementTree.Element) -> None:
    """Give a wanted element what a person has set of the current one."""
    for old in current.findall("meta_attributes"):
        kept = [nvpair for nvpair in old if nvpair.get("name") in by_hand.META_ATTRIBUTES]
        new = wanted.find(f"meta_attributes[@id='{old.get('id')}']")
        if kept and new is None:
            new = ElementTree.Element("meta_attributes", {"id": old.get("id", "")})
            wanted.insert(list(current).index(old), new)  # its place counts as a difference too
        if new is not None:
            new.extend(kept)


def main(current_path: str, desired_path: str, output_path: str) -> None:
    current = ElementTree.parse(current_path)
    now = current.getroot().find("configuration")
    wanted = ElementTree.parse(desired_path).getroot().find("configuration")
    assert now is not None and wanted is not None
    left = by_hand.find(current.getroot())

    written = now.findall("crm_config/cluster_property_set[@id='cib-bootstrap-options']/nvpair")
    own = [nvpair for nvpair in written if nvpair.get("name") in OWN_PROPERTIES]
    others = [
        nvpair
        for nvpair in written
        if nvpair.get("name") in by_hand.PROPERTIES or (nvpair.get("name") or "").startswith(AGENTS_PROPERTIES)
    ]
    orders = {e.get("id"): [*e.attrib] for e in now.iter()}
    before = {e.get("id"): e for e in now.iter() if e.tag in ("primitive", "group", "clone", "master")}
    after = {e.get("id"): e for e in wanted.iter() if e.tag in ("primitive", "group", "clone", "master")}
    constraints = [
        constraint
        for constraint in now.findall("constraints/*")
        if (constraint.get("id") or "").startswith(LEFT_CONSTRAINTS) and constraint.get("rsc") in after
    ]
    for name in before.keys() & after.keys():
        keep_meta_attributes(before[name], after[name])
    for defaults in now.findall("rsc_defaults"):
        for new in wanted.findall("rsc_defaults"):
            keep_meta_attributes(defaults, new)

    for section in ["crm_config", *REPLACED]:
        old, new = now.find(section), wanted.find(section)
        if old is not None and new is not None:
            now[list(now).index(old)] = new
        elif new is not None:
            now.append(new)
        elif old is not None:
            now.remove(old)
    properties = now.find("crm_config/cluster_property_set[@id='cib-bootstrap-options']")
    assert properties is not None
    values = {nvpair.get("name"): nvpair.get("value") for nvpair in properties}
    # In the order in which they were written, which counts as a difference too: the cluster before, the others after.
    properties[:0] = own
    properties.extend(others)
    place = now.find("constraints")
    assert place is not None
    place.extend(constraints)

    # The order of attributes counts as a difference too, which no patch makes up for (seen with Pacemaker 3.0.3).
    for element in now.iter():
        order, attributes = orders.get(element.get("id"), []), dict(element.attrib)
        if set(order) == set(attributes):
            element.attrib.clear()
            element.attrib.update({name: attributes[name] for name in order})

    for setting in left:
        print(f"left as set by hand: {by_hand.told([setting])}")
    for nvpair in written:
        name, value = nvpair.get("name"), nvpair.get("value")
        if nvpair not in (*own, *others) and values.get(name) != value:
            print(f"property {name}: was {value}, now {values.get(name, 'as Pacemaker has it')}")
    for name in sorted(filter(None, before.keys() - after.keys())):
        print(f"removed from the cluster: {name}")
    for name in sorted(filter(None, after.keys() - before.keys())):
        print(f"new in the cluster: {name}")
    current.write(output_path, encoding="unicode")


main(*sys.argv[1:])
