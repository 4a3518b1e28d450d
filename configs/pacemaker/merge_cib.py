"""Put the desired resources, constraints, defaults and properties in place of those in the current CIB.

Usage: merge_cib.py CURRENT DESIRED OUTPUT. Nodes and status stay; so does what the cluster itself writes: its own
properties, those of azure-events-az, and the constraint by which DRBD's fence-peer handler bars an outdated peer from
promotion.
"""

import sys
import xml.etree.ElementTree as ElementTree

OWN_PROPERTIES = {
    "have-watchdog",
    "dc-version",
    "cluster-infrastructure",
    "last-lrm-refresh",
}
AGENTS_PROPERTIES = ("azure-events-az_", "hostName_")
REPLACED = ["resources", "constraints", "rsc_defaults", "op_defaults", "fencing-topology", "tags", "alerts"]


def main(current_path: str, desired_path: str, output_path: str) -> None:
    current = ElementTree.parse(current_path)
    now = current.getroot().find("configuration")
    wanted = ElementTree.parse(desired_path).getroot().find("configuration")
    assert now is not None and wanted is not None

    written = now.findall("crm_config/cluster_property_set[@id='cib-bootstrap-options']/nvpair")
    own = [nvpair for nvpair in written if nvpair.get("name") in OWN_PROPERTIES]
    agents = [nvpair for nvpair in written if (nvpair.get("name") or "").startswith(AGENTS_PROPERTIES)]
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
    # In the order in which they were written, which counts as a difference too: the cluster before, agents after.
    properties[:0] = own
    properties.extend(agents)
    constraints = now.find("constraints")
    assert constraints is not None
    constraints.extend(fenced)

    for name in sorted(filter(None, before - after)):
        print(f"removed from the cluster: {name}")
    for name in sorted(filter(None, after - before)):
        print(f"new in the cluster: {name}")
    current.write(output_path, encoding="unicode")


main(*sys.argv[1:])
