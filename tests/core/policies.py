"""Policies for tests, written as the files that Git would hold."""

from collections.abc import Mapping

from registry.core import policy
from registry.core.policy import Area


def policy_file(
    *expressions: str,
    name: str = "p",
    mode: str = "enforce",
    match: str = "",
    variables: Mapping[str, str] | None = None,
    more: str = "",
) -> str:
    """policies/<area>/NAME.yaml; `more` is added to each validation."""
    named = "".join(
        f"\n    - name: {key}\n      expression: {_quoted(value)}"
        for key, value in (variables or {}).items()
    )
    rules = "".join(
        f"\n    - expression: {_quoted(one)}\n      message: {_quoted(f'because {one}')}{more}"
        for one in expressions
    )
    return f"""\
apiVersion: plimsoll.dev/v1
kind: Policy
metadata: {{name: {name}}}
spec:
  match: {{{match}}}
  mode: {mode}
  variables:{named or " []"}
  validations:{rules}
"""


def policies(
    *expressions: str,
    area: Area = Area.DEPLOY,
    name: str = "p",
    mode: str = "enforce",
    match: str = "",
    variables: Mapping[str, str] | None = None,
    more: str = "",
) -> policy.PolicySet:
    """One policy with these expressions."""
    text = policy_file(
        *expressions, name=name, mode=mode, match=match, variables=variables, more=more
    )
    found = policy.read({f"policies/{area}/{name}.yaml": text.encode()})
    assert found.problems == ()
    return found.policies


def together(*sets: policy.PolicySet) -> policy.PolicySet:
    """All their policies as one set."""
    return policy.PolicySet(tuple(rule for one in sets for rule in one.rules))


def _quoted(text: str) -> str:
    doubled = text.replace("'", "''")
    return f"'{doubled}'"
