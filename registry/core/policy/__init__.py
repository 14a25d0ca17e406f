"""Policies: CEL rules in Kubernetes' ValidatingAdmissionPolicy shape, and decisions by them.

Fails closed: no enforcing policy, a policy file that cannot be read, an expression that ends in
an error or in anything but the boolean true, all deny. Pure: who asks brings the files, the
facts and the time. docs/trust/policies.md tells the rest.
"""

from registry.core.policy.areas import VARIABLES, Area, Request, request
from registry.core.policy.deciding import (
    Allowed,
    Decision,
    Denied,
    Refusal,
    covers,
    decide,
    evaluate,
    record,
)
from registry.core.policy.facts import verification
from registry.core.policy.files import FOLDER, Found, read
from registry.core.policy.rules import PolicySet, Rule

__all__ = [
    "FOLDER",
    "VARIABLES",
    "Allowed",
    "Area",
    "Decision",
    "Denied",
    "Found",
    "PolicySet",
    "Refusal",
    "Request",
    "Rule",
    "covers",
    "decide",
    "evaluate",
    "read",
    "record",
    "request",
    "verification",
]
