"""Put the desired resources, constraints, defaults and properties in place of those in the current CIB.

Usage: merge_cib.py CURRENT DESIRED OUTPUT. Nodes and status stay; so does what the cluster itself writes: its own
properties, and the constraint by which DRBD's fence-peer handler bars an outdated peer from promotion.
"""

import sys
import xml.etree.ElementTree as ElementTree

OWN_PROPERTIES = {
    "have-watchdog",
    "dc-version",
    "cluster-infrastructure",
    "last-lrm-refresh",
}
REPLACED = ["resources", "constraints", "rsc_defaults", "op_defaults", "fencing-topology", "tags", "alerts"]


def main(current_path: str, desired_path: str, output_path: str) -> None:
    current = ElementTree.parse(current_path)
    now = current.getroot().find("configuration")
    wanted = ElementTree.parse(desired_path).getroot().find("configuration")
    assert now is not None and wanted is not None

    own = [
        nvpair
        for properties in now.findall("crm_config/cluster_property_set[@id='cib-bootstrap-options']")
        for nvpair in properties
        if nvpair.get("name") in OWN_PROPERTIES
    ]
    fenced = [c for c in now.findall("constraints/*") if (c.get("id") or "").startswith("drbd-fence-by-handler-")]
    before = {e.get("id") for e in now.iter() if e.tag in ("primitive", "group", "clone", "master")}
    after = {e.get("id") for e in wanted.iter() if e.tag in ("primitive", "group", "clone", "master")}

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
    for nvpair in reversed(own):
        properties.insert(0, nvpair)
    constraints = now.find("constraints")
    assert constraints is not None
    constraints.extend(fenced)

    for name in sorted(filter(None, before - after)):
        print(f"removed from the cluster: {name}")
    for name in sorted(filter(None, after - before)):
        print(f"new in the cluster: {name}")
    current.write(output_path, encoding="unicode")


main(*sys.argv[1:])
