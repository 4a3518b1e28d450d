"""Network security groups; `lab.cloud.nsg` says what their rules mean."""

from ipaddress import AddressValueError, IPv4Network, NetmaskValueError

from lab.cloud import nsg
from lab.cloud.errors import bad_request, not_in_lab
from lab.cloud.fields import choice, integer, items, section, text, texts, unique_names
from lab.cloud.inventory import SECURITY_GROUP, Inventory
from lab.cloud.model import Json, Resource
from lab.cloud.resource_id import ResourceId
from lab.cloud.resources.base import NETWORK_NAME, Kind

_PROTOCOLS = ("Tcp", "Udp", "Icmp", "Esp", "Ah", "*")


def _is_prefix(word: str) -> bool:
    try:
        IPv4Network(word, strict=False)
    except (AddressValueError, NetmaskValueError, ValueError):
        return False
    return True


def _checked_prefixes(rule: Json, one: str, many: str) -> Json:
    single, several = text(rule, one), texts(rule, many)
    if not single and not several:
        raise bad_request("SecurityRuleParameterNotSpecified", f"Security rule has neither {one} nor {many}.", one)
    if single and several:
        raise bad_request("SecurityRuleInvalidAddressPrefix", f"Security rule has both {one} and {many}.", one)
    if single:
        tag = next((tag for tag in nsg.TAGS if tag.lower() == single.lower()), None)
        if single in ("*", "Any") or tag:
            return {one: tag or "*", many: []}
        if not _is_prefix(single):
            raise bad_request(
                "SecurityRuleInvalidAddressPrefix",
                f"Security rule has invalid Address prefix. Value provided: {single}",
                one,
            )
        return {one: single, many: []}
    for word in several:
        if not _is_prefix(word):
            # Tags and "*" belong into the singular field.
            raise bad_request(
                "SecurityRuleParameterContainsUnsupportedValue",
                f"Security rule parameter {many} contains an unsupported value: {word}",
                many,
            )
    return {many: several}


def _checked_ports(rule: Json, one: str, many: str) -> Json:
    single, several = text(rule, one), texts(rule, many)
    if not single and not several:
        raise bad_request("SecurityRuleParameterNotSpecified", f"Security rule has neither {one} nor {many}.", one)
    if single and several:
        raise bad_request("SecurityRuleInvalidPortRange", f"Security rule has both {one} and {many}.", one)
    for word in several or [single]:
        if nsg.parse_ports(word) is None:
            raise bad_request(
                "SecurityRuleInvalidPortRange",
                f"Security rule has invalid Port range. Value provided: {word}. Value should be an integer OR integer "
                "range with '-' delimiter. Valid range 0-65535.",
                one,
            )
    return {one: single, many: []} if single else {many: several}


def checked_rule(entry: Json) -> Json:
    """Return a security rule in its complete form.

    Args:
        entry: `name` and `properties` as a client sends them.
    """
    rule = section(entry, "properties")
    priority = integer(rule, "priority")
    if not 100 <= priority <= 4096:
        raise bad_request(
            "SecurityRuleInvalidPriority",
            f"Security rule has invalid Priority. Value provided: {priority} Allowed range 100-4096.",
            "priority",
        )
    checked: Json = {
        "priority": priority,
        "direction": choice(rule, "direction", ("Inbound", "Outbound")),
        "access": choice(rule, "access", ("Allow", "Deny")),
        "protocol": choice(rule, "protocol", _PROTOCOLS),
        **_checked_ports(rule, "sourcePortRange", "sourcePortRanges"),
        **_checked_ports(rule, "destinationPortRange", "destinationPortRanges"),
        **_checked_prefixes(rule, "sourceAddressPrefix", "sourceAddressPrefixes"),
        **_checked_prefixes(rule, "destinationAddressPrefix", "destinationAddressPrefixes"),
    }
    if description := text(rule, "description"):
        if len(description) > 140:
            raise bad_request("SecurityRuleInvalidDescription", "A description has at most 140 characters.")
        checked["description"] = description
    for unsupported in ("sourceApplicationSecurityGroups", "destinationApplicationSecurityGroups"):
        if items(rule, unsupported):
            raise not_in_lab("Application security groups are not supported by the lab cloud.")
    return {"name": text(entry, "name"), "properties": checked}


def _default_shown(group: Resource, rule: nsg.Rule) -> Json:
    return {
        "id": f"{group.id}/defaultSecurityRules/{rule.name}",
        "name": rule.name,
        "properties": {
            "priority": rule.priority,
            "direction": "Inbound" if rule.inbound else "Outbound",
            "access": "Allow" if rule.allow else "Deny",
            "protocol": rule.protocol,
            "sourcePortRange": "*",
            "destinationPortRange": "*",
            "sourceAddressPrefix": rule.sources[0],
            "destinationAddressPrefix": rule.destinations[0],
            "provisioningState": "Succeeded",
        },
    }


class SecurityGroupKind(Kind):
    type = SECURITY_GROUP

    def check(self, inventory: Inventory, target: ResourceId, body: Json, existing: Resource | None) -> Resource:
        """Check every rule, and that no two of a direction have one priority."""
        resource = self.envelope(inventory, target, body, existing)
        entries = items(section(body, "properties"), "securityRules")
        unique_names(entries, "securityRules", NETWORK_NAME)
        rules = [checked_rule(entry) for entry in entries]
        seen: dict[tuple[str, int], str] = {}
        for rule in rules:
            slot = (rule["properties"]["direction"], rule["properties"]["priority"])
            if slot in seen:
                raise bad_request(
                    "SecurityRuleConflict",
                    f"Security rule {rule['name']} conflicts with rule {seen[slot]}. Rules cannot have the same "
                    "Priority and Direction.",
                )
            seen[slot] = rule["name"]
        resource.body["properties"] = {"securityRules": rules}
        return resource

    def view(self, inventory: Inventory, resource: Resource) -> Json:
        """Add identities, default rules, and what the group is on."""
        shown: Json = {
            "securityRules": [
                {
                    "id": f"{resource.id}/securityRules/{rule['name']}",
                    "name": rule["name"],
                    "etag": resource.etag,
                    "properties": {**rule["properties"], "provisioningState": "Succeeded"},
                }
                for rule in items(resource.properties, "securityRules")
            ],
            "defaultSecurityRules": [_default_shown(resource, rule) for rule in nsg.DEFAULT_RULES],
        }
        if subnets := inventory.subnets_with("networkSecurityGroup", resource.id):
            shown["subnets"] = [{"id": identity} for identity in subnets]
        if interfaces := inventory.interfaces_with_group(resource.id):
            shown["networkInterfaces"] = [{"id": interface.id} for interface in interfaces]
        return shown

    def check_removal(self, inventory: Inventory, resource: Resource) -> None:
        users = inventory.subnets_with("networkSecurityGroup", resource.id)
        users += [interface.id for interface in inventory.interfaces_with_group(resource.id)]
        if users:
            raise bad_request(
                "InUseNetworkSecurityGroupCannotBeDeleted",
                f"Network security group {resource.id} cannot be deleted because it is in use by the following "
                f"resources: {', '.join(users)}. In order to delete the Network security group, remove the "
                "association with the resource(s).",
            )
