"""A published version and evidence about it: who may sign, what the log has, what travels."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from registry.core import canonical, dsse, entries, envelope, evidence, merkle, weighing
from registry.core import digest as digests
from registry.core import evidence_documents as documents
from registry.core.canonical import Json
from registry.core.envelope import Refused, Verified, Wanted
from registry.core.explanation import Explanation, Feature
from registry.core.trustroot import TrustRoot
from registry.trust import keys, sign
from tests.core.publication import ORIGIN, Publication, stored

Bundle = dict[str, Json]
AT = "2026-11-23T09:00:00.000Z"
PEOPLE = {
    name: keys.generate_signing_key()
    for name in ("alice", "bob", "carol", "dave", "lab", "robot", "mallory")
}
CONTENTS = {"model.onnx": b"weights", "labels.txt": b"0 1 2"}
PUBLISHED = Publication(CONTENTS, publisher=PEOPLE["alice"])
WANTED = PUBLISHED.wanted


def people(*names: str) -> tuple[dsse.Signer, ...]:
    """Their keys as trust roots list them."""
    return tuple(dsse.signer(name, PEOPLE[name].public_pem) for name in names)


# alice and bob publish, carol and dave approve, lab tests, robot reconciles; mallory is nobody.
TRUST = replace(
    PUBLISHED.trust,
    publishers=people("alice", "bob"),
    approvers=people("carol", "dave"),
    testers=people("lab"),
    reconcilers=people("robot"),
)


def approval(
    by: str, *, about: Wanted = WANTED, reason: str = "looks right", at: str = AT
) -> Bundle:
    return sign.sign_statement(documents.approval(about, reason=reason, at=at), PEOPLE[by])


def revocation(by: str, of: Bundle | None = None, *, reason: str = "a mistake") -> Bundle:
    """Of one piece of evidence; without one, of the whole version."""
    revokes = id_of(of) if of else ""
    payload = documents.revocation(WANTED, revokes=revokes, reason=reason, at=AT)
    return sign.sign_statement(payload, PEOPLE[by])


def result(
    by: str, *, failed: Sequence[str] = (), at: str = AT, metrics: dict[str, Json] | None = None
) -> Bundle:
    run = documents.SuiteRun(
        [{"name": "models.d/templates/golden.yaml", "digest": {"sha256": "0" * 64}}],
        [] if failed else ["golden"],
        failed,
        metrics or {},
    )
    return sign.sign_statement(documents.test_result(WANTED, run, at=at), PEOPLE[by])


def provenance(by: str, *, builder: str = "https://ci.example.org/train") -> Bundle:
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "digits", "digest": {"sha256": WANTED.digest[7:]}}],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {"buildType": "https://example.org/training/v1"},
            "runDetails": {"builder": {"id": builder}},
        },
    }
    return sign.sign_statement(canonical.encode(statement), PEOPLE[by])


EXPLAINED = Explanation(
    "permutation", "scores", "rise of the error rate", 0, 300, True, "sha256:" + "d" * 64, 64,
    (Feature("age", 0.25, 0.01), Feature("income", 0.125, None)), None,
)  # fmt: skip


def explained(by: str, said: Explanation = EXPLAINED) -> Bundle:
    return sign.sign_statement(documents.explained(WANTED, said, at=AT), PEOPLE[by])


def signature(by: str, published: Publication = PUBLISHED) -> Bundle:
    return sign.sign_model("digits", published.files, PEOPLE[by])


def hint_of(bundle: Bundle) -> str:
    return str(bundle["verificationMaterial"]["publicKey"]["hint"])  # type: ignore[index,call-overload]


def id_of(bundle: Bundle) -> str:
    signed = dsse.pae(dsse.unverified_payload(bundle))
    return digests.of(signed + hint_of(bundle).encode())


def leaf_of(bundle: Bundle, minute: int, *, about: Wanted = WANTED) -> bytes:
    entry = entries.Entry(
        time=f"2026-11-23T10:{minute:02}:00.000Z",
        kind=weighing.ENTRIES[evidence.kind(bundle)],
        actor="approver:somebody",
        model=about.model,
        version=about.version,
        digest=about.digest,
        detail={"evidence": id_of(bundle)},
    )
    return entries.encode(entry)


@dataclass
class Sent:
    """What a registry has in its log, and what of it it sends; change `came` to tell lies."""

    parts: envelope.Parts
    came: list[dict[str, Json]]

    def travelling(self) -> bytes:
        return envelope.encode(WANTED, replace(self.parts, evidence=self.came))

    def verify(self, trust: TrustRoot = TRUST) -> Verified | Refused:
        return envelope.verify(self.travelling(), trust, WANTED)

    def counted(self, trust: TrustRoot = TRUST) -> Verified:
        """What is verified; the version itself always is, whatever evidence came with it."""
        found = self.verify(trust)
        assert isinstance(found, Verified), found
        return found


def sent(*bundles: Bundle, leaves: Sequence[bytes] | None = None) -> Sent:
    """`bundles`, entered into the log in this order (as `leaves` say, if given), and all sent."""
    said = leaves or [leaf_of(bundle, minute) for minute, bundle in enumerate(bundles)]
    honest = PUBLISHED.parts()
    log = [b"before", honest.leaf, *said, b"after"]
    subtrees, size = stored(log), len(log)
    checkpoint = sign.sign_checkpoint(ORIGIN, size, merkle.root(size, subtrees), PUBLISHED.log)
    parts = replace(
        honest,
        index=1,
        proof=merkle.inclusion_proof(1, size, subtrees),
        checkpoint=checkpoint,
        config=PUBLISHED.built.config,
    )
    came = [
        weighing.document(
            weighing.Delivered(bundle, at, log[at], merkle.inclusion_proof(at, size, subtrees))
        )
        for at, bundle in enumerate(bundles, 2)
    ]
    return Sent(parts, came)
