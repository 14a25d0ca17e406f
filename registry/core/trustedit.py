"""Changes to a trust root, as values: the first version, the next, who comes and who goes.

Nobody is ever struck off a list: what they signed must go on to verify. Their keys end at an
entry of the log. Root keys alone are removed, since they sign only what comes next.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from enum import StrEnum

from registry.core.certificates import Authority
from registry.core.dsse import Signer
from registry.core.note import WitnessKey
from registry.core.trustroot import Root, TrustRoot
from registry.errors import InvalidInput, NotFound


class Role(StrEnum):
    """What a key may sign."""

    PUBLISHER = "publisher"
    APPROVER = "approver"
    TESTER = "tester"
    RECONCILER = "reconciler"
    AGENT = "agent"
    ROOT = "root"


def first(plain: TrustRoot, root: Root, expires: str) -> TrustRoot:
    """Version 1 of what was a plain file."""
    if plain.root is not None:
        raise InvalidInput(
            f"this trust root is signed already, as version {plain.version}",
            fix="begin the version after it with: plimsoll trust next",
        )
    return replace(plain, version=1, root=root, expires=expires)


def following(trust: TrustRoot, *, threshold: int, expires: str) -> TrustRoot:
    """The next version; a threshold of 0 stays as it is, and so does an empty `expires`."""
    if trust.root is None:
        raise InvalidInput(
            "this trust root is not signed: there is nothing to follow",
            fix="make its first version with: plimsoll trust init",
        )
    root = replace(trust.root, threshold=threshold or trust.root.threshold)
    return replace(trust, version=trust.version + 1, root=root, expires=expires or trust.expires)


def add(trust: TrustRoot, role: Role, signer: Signer) -> TrustRoot:
    """With one key more."""
    return _changed(trust, role, lambda known: (*known, signer))


def add_authority(trust: TrustRoot, authority: Authority) -> TrustRoot:
    """With one authority more; one of the same name takes the place of the old one."""
    others = tuple(one for one in trust.authorities if one.name != authority.name)
    return replace(trust, authorities=(*others, authority))


def add_witness(trust: TrustRoot, witness: WitnessKey, threshold: int) -> TrustRoot:
    """With one witness more, in place of one of the same name; `threshold` of all must cosign."""
    others = tuple(one for one in trust.witnesses if one.name != witness.name)
    return replace(trust, witnesses=(*others, witness), witness_threshold=threshold)


def replace_registry(trust: TrustRoot, key: Signer, index: int) -> TrustRoot:
    """The registry signs by `key` from entry `index` of the log on, and by its old one before."""
    old = replace(trust.registry, until=index)
    return replace(trust, registry=replace(key, since=index), former=(*trust.former, old))


def end(trust: TrustRoot, role: Role, name: str, index: int) -> TrustRoot:
    """`name` may sign nothing from entry `index` of the log on; raises NotFound."""

    def ended(known: Iterable[Signer]) -> tuple[Signer, ...]:
        listed = tuple(known)
        if not any(signer.name == name and signer.until is None for signer in listed):
            raise NotFound(
                f"the trust root lists no {role} {name!r} whose keys still count",
                fix=f"it lists {', '.join(sorted({one.name for one in listed})) or 'nobody'}",
            )
        if role is Role.ROOT:
            return tuple(signer for signer in listed if signer.name != name)
        return tuple(
            replace(signer, until=index) if signer.name == name and signer.until is None else signer
            for signer in listed
        )

    return _changed(trust, role, ended)


def _changed(
    trust: TrustRoot, role: Role, change: Callable[[tuple[Signer, ...]], tuple[Signer, ...]]
) -> TrustRoot:
    match role:
        case Role.PUBLISHER:
            return replace(trust, publishers=change(trust.publishers))
        case Role.APPROVER:
            return replace(trust, approvers=change(trust.approvers))
        case Role.TESTER:
            return replace(trust, testers=change(trust.testers))
        case Role.RECONCILER:
            return replace(trust, reconcilers=change(trust.reconcilers))
        case Role.AGENT:
            return replace(trust, agents=change(trust.agents))
        case Role.ROOT:
            root = trust.root or Root(1, ())
            return replace(trust, root=replace(root, keys=change(root.keys)))
