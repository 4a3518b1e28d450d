"""The policy pack: the rules of `rules.py`, run by the engine on what it is about to make."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pulumi_policy import (
    EnforcementLevel,
    PolicyPack,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.deserialize import serialize_properties

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this is run as a folder, not as a module

from components.wire import readable
from policy import rules


def _resource(args: ResourceValidationArgs) -> rules.Resource:
    stack = args.urn.split("::")[0].rpartition(":")[2]
    properties: Mapping[str, Any] = readable(serialize_properties(args.props))
    return rules.Resource(stack, args.resource_type, args.name, bool(args.opts.protect), properties)


class _ResourcePolicy(ResourceValidationPolicy):
    """One rule about one resource.

    The SDK hides the marks of secrets from a validation, and shows them to a remediation, which the engine asks first.
    So a rule that needs them looks there, changes nothing, and tells what it saw in the validation.
    """

    def __init__(self, rule: rules.Rule) -> None:
        self._rule = rule
        self._seen: dict[str, list[str]] = {}
        level = EnforcementLevel.REMEDIATE if rule.needs_marks else EnforcementLevel.MANDATORY
        super().__init__(  # pyright: ignore[reportUnknownMemberType]
            rule.name,
            rule.description,
            validate=self._validate,
            remediate=self._look if rule.needs_marks else None,
            enforcement_level=level,
        )

    def _look(self, args: ResourceValidationArgs) -> None:
        self._seen[args.urn] = list(self._rule.check(_resource(args)))

    def _validate(self, args: ResourceValidationArgs, report_violation: ReportViolation) -> None:
        found = self._seen.pop(args.urn) if self._rule.needs_marks else self._rule.check(_resource(args))
        for violation in found:
            report_violation(violation, None)


def _fencing(args: StackValidationArgs, report_violation: ReportViolation) -> None:
    registered = [
        rules.Resource(
            each.urn.split("::")[0].rpartition(":")[2],
            each.resource_type,
            each.name,
            bool(each.opts.protect),
            readable(serialize_properties(each.props)),
        )
        for each in args.resources
    ]
    for violation in rules.fencing_is_on(registered):
        report_violation(violation, None)


PolicyPack(
    name="azure-mysql-ha",
    enforcement_level=EnforcementLevel.MANDATORY,
    policies=[
        *(_ResourcePolicy(rule) for rule in rules.RULES),
        StackValidationPolicy(*rules.FENCING, validate=_fencing),
    ],
)
