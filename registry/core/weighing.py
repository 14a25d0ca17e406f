"""Which evidence counts, out of what came with a version: the rules, all in one place.

Everything that came is only a claim. What is forged, altered, unknown, about something else or
not in the log is left out with a reason, and never makes a version refused: whoever can add
junk must not be able to keep a version from being served. A quarantine that counts does refuse.
"""

import base64
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from registry.core import dsse, entries, evidence, fields, merkle, note
from registry.core.canonical import Json
from registry.core.entries import Kind as Entered
from registry.core.evidence import Kind, Statement, Subject, Verified
from registry.core.trustroot import TrustRoot
from registry.errors import IntegrityError, InvalidInput, Quarantined, SignatureInvalid

ENTRIES = {
    Kind.SIGNATURE: Entered.SIGNED,
    Kind.APPROVAL: Entered.APPROVED,
    Kind.TEST_RESULT: Entered.ATTESTED,
    Kind.PROVENANCE: Entered.ATTESTED,
    Kind.REVOCATION: Entered.REVOKED,
    # Not `attested`: the newest of those must travel, whatever explained the version since.
    Kind.EXPLANATION: Entered.EXPLAINED,
}
_WHAT = "evidence"


@dataclass(frozen=True, slots=True)
class Delivered:
    """One item as it travels, nothing of it believed: a bundle, and its place in the log."""

    bundle: dict[str, Json]
    index: int
    leaf: bytes
    proof: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Weighed:
    """What counts, in the order of the log; `signers` the publisher's name and then others'.

    `ignored` says of all else why it does not count. `shown` are the entries of the log whose
    statements came: also those of signers whom this trust root does not know.
    """

    evidence: tuple[Verified, ...]
    signers: tuple[str, ...]
    ignored: tuple[str, ...]
    shown: frozenset[int]


@dataclass(frozen=True, slots=True)
class _Entry:
    """A statement that the log has, at its first place there."""

    said: Statement
    bundle: dict[str, Json]
    index: int
    entered: str

    @property
    def at(self) -> str:
        """When it was entered; where its signer says it was signed before that, when."""
        return min(self.entered, self.said.said_at or self.entered)


def weigh(
    came: Iterable[dict[str, Json]],
    about: Subject,
    trust: TrustRoot,
    *,
    checkpoint: note.Checkpoint,
    publisher: dsse.Signed,
) -> Weighed:
    """What of `came` counts; raises `Quarantined` where the version must not be served.

    `publisher` is who signed the version itself: approvals of their own do not count.
    """
    ignored: list[str] = []
    found: dict[str, _Entry] = {}
    shown: set[int] = set()
    for number, item in enumerate(came):
        try:
            entry = _entered(parse(item), about, trust, checkpoint)
        except (IntegrityError, InvalidInput) as error:
            ignored.append(f"item {number}: {error.detail}")
            shown |= _strangers(item, trust, checkpoint)
            continue
        shown.add(entry.index)
        known = found.get(entry.said.id)
        # Entering a statement again makes it neither newer nor valid again.
        if known is None or entry.index < known.index:
            found[entry.said.id] = entry
    standing = _standing(found, trust, ignored)
    _require_free(standing)
    counted = tuple(_counted(standing, publisher, ignored))
    others = [one.signer for one in counted if one.kind is Kind.SIGNATURE]
    return Weighed(
        tuple(sorted(counted, key=lambda one: one.log_index)),
        (publisher.signer, *others),
        tuple(ignored),
        frozenset(shown),
    )


def document(item: Delivered) -> dict[str, Json]:
    """The item as envelopes carry it."""
    return {
        "bundle": item.bundle,
        "proof": {
            "index": item.index,
            "entry": base64.b64encode(item.leaf).decode(),
            "hashes": [base64.b64encode(sibling).decode() for sibling in item.proof],
        },
    }


def parse(item: dict[str, Json]) -> Delivered:
    """Read what `document` made; raises `InvalidInput`."""
    proof = fields.mapping(item, "proof", what=_WHAT)
    return Delivered(
        fields.mapping(item, "bundle", what=_WHAT),
        fields.integer(proof, "index", what=_WHAT),
        fields.base64_bytes(proof, "entry", what=_WHAT),
        [
            fields.unbase64(sibling, what="log proof")
            for sibling in fields.sequence(proof, "hashes", what=_WHAT)
        ],
    )


def require_revocable(
    bundle: dict[str, Json], target: Statement | None, trust: TrustRoot, *, index: int, at: str
) -> None:
    """Raise `SignatureInvalid` unless who signed `bundle` may revoke `target`.

    `index` and `at` are its place in the log; with `target` None it quarantines the version.
    """
    may = evidence.revokers(target, trust, index=index, at=at)
    try:
        dsse.verify(bundle, may.signers, may.certified)
    except SignatureInvalid as error:
        if target is None:
            said = "a version is quarantined by a publisher or an approver, and not by its signer"
        else:
            said = f"{target.kind} {short(target.id)} is revoked by those who may make one"
        raise SignatureInvalid(said, fix="have it signed by one of them") from error


def short(digest: str) -> str:
    """A digest as messages show it."""
    return f"{digest[:19]}…"


def _entered(
    item: Delivered, about: Subject, trust: TrustRoot, checkpoint: note.Checkpoint
) -> _Entry:
    merkle.check_inclusion(
        item.leaf, item.index, checkpoint.size, proof=item.proof, expected_root=checkpoint.root
    )
    entry = entries.decode(item.leaf)
    entered = evidence.instant({"time": entry.time}, "time")
    kind = evidence.kind(item.bundle)
    by = evidence.trusted(trust, kind, index=item.index, at=entered)
    said = evidence.read(item.bundle, about, by)
    recorded = (entry.kind, entry.model, entry.version, entry.digest, entry.detail.get("evidence"))
    if recorded != (ENTRIES[said.kind], about.model, about.version, about.digest, said.id):
        raise IntegrityError(f"the log entry shown is not that of {said.kind} {short(said.id)}")
    return _Entry(said, item.bundle, item.index, entered)


def _strangers(
    item: dict[str, Json], trust: TrustRoot, checkpoint: note.Checkpoint
) -> frozenset[int]:
    """The item's place in the log, if it is what the log has there and nobody's we know.

    A known signer's statement that does not verify was spoilt on its way: it was not shown.
    """
    try:
        found = parse(item)
        key = dsse.unverified_hint(found.bundle)
        named = evidence.identity(dsse.unverified_payload(found.bundle), key)
        entry = entries.decode(found.leaf)
        merkle.check_inclusion(
            found.leaf,
            found.index,
            checkpoint.size,
            proof=found.proof,
            expected_root=checkpoint.root,
        )
    except (IntegrityError, InvalidInput):
        return frozenset()
    known = {signer.hint for signer in evidence.signers(trust, Kind.REVOCATION)}
    is_strangers = key not in known and entry.detail.get("evidence") == named
    return frozenset([found.index]) if is_strangers else frozenset()


def _standing(found: dict[str, _Entry], trust: TrustRoot, ignored: list[str]) -> list[_Entry]:
    """Without what was revoked; newest first, for a revocation can itself be revoked."""
    standing: list[_Entry] = []
    revoked: dict[str, Statement] = {}
    for entry in sorted(found.values(), key=lambda one: one.index, reverse=True):
        said = entry.said
        if by := revoked.get(said.id):
            why = by.detail.get("reason")
            ignored.append(f"{_named(said)} was revoked by {by.signer!r}: {why}")
            continue
        if said.kind is Kind.REVOCATION:
            try:
                _require_revocable(entry, found, trust)
            except (IntegrityError, InvalidInput) as error:
                ignored.append(f"{_named(said)}: {error.detail}")
                continue
            revoked[said.revokes] = said
        standing.append(entry)
    return standing


def _require_revocable(entry: _Entry, found: dict[str, _Entry], trust: TrustRoot) -> None:
    target = found.get(entry.said.revokes) if entry.said.revokes else None
    if entry.said.revokes and (target is None or target.index >= entry.index):
        raise InvalidInput(f"nothing before it in the log has the id {short(entry.said.revokes)}")
    require_revocable(
        entry.bundle,
        target.said if target is not None else None,
        trust,
        index=entry.index,
        at=entry.entered,
    )


def _require_free(standing: Iterable[_Entry]) -> None:
    for entry in standing:
        said = entry.said
        if said.kind is Kind.REVOCATION and not said.revokes:
            raise Quarantined(
                f"quarantined by {said.signer!r} on {entry.at}: {said.detail.get('reason')}",
                fix="serve another version; or have the quarantine revoked, if it was wrong",
            )


def _counted(
    standing: Iterable[_Entry], publisher: dsse.Signed, ignored: list[str]
) -> Iterator[Verified]:
    """Newest first. Of signatures and approvals, one for each person: by name, and by key."""
    seen: dict[Kind, set[str]] = {
        kind: {publisher.signer, publisher.key} for kind in (Kind.SIGNATURE, Kind.APPROVAL)
    }
    for entry in standing:
        said = entry.said
        who = {said.signer, said.key}
        known = seen.get(said.kind, set[str]())
        is_again = bool(known & who)
        known |= who
        if is_again:
            ignored.append(f"{_named(said)}: the same person or key has signed for this already")
            continue
        yield Verified(
            said.id, said.kind, said.signer, said.key, entry.at, entry.index, said.passed,
            said.detail,
        )  # fmt: skip


def _named(said: Statement) -> str:
    return f"{said.kind} {short(said.id)} by {said.signer!r}"
