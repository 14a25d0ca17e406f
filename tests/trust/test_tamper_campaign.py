"""More than ten thousand changes to what a host is given: not one of them loads anything else.

A change may be without meaning (a label that nobody reads, a blank in JSON): then what is verified
is what the honest bytes gave, to the last field. Evidence may be lost by a change, never gained.
What each campaign promises at least stands in `CHANGES`, and the last test adds them up.
"""

import random
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.core import gitobject
from registry import errors
from registry.core import canonical, envelope, permit, tlog_proof, trustchain
from registry.core.audit import archive, check
from registry.core.envelope import Refused, Verified
from registry.core.permit import Claim, Permit
from registry.core.policy import files as policy_files
from registry.settings import Settings
from registry.trust import sign
from registry.usecases import evidence, opening, publish, pull
from registry.usecases.access import Caller, Role
from runtime.cache import Cache, Copy
from tests.core import audited, evidenced, test_trust_chain
from tests.core.publication import Publication
from tests.reconciler.origin import Origin
from tests.registry import evidencing
from tests.registry.publishing import ALICE, Publisher, onnx_model, store
from tests.trust import mutations

CHANGES = {
    "envelope, bytes": 4500,
    "envelope, fields": 300,
    "artifact on a host's disk": 1500,
    "envelope on a host's disk": 500,
    "permit": 1500,
    "trust root": 1000,
    "proof of an entry": 800,
    "audit bundle": 400,
    "database rows": 300,
    "policy": 400,
    "git objects": 900,
}
CARRIED = evidenced.sent(
    evidenced.approval("carol"), evidenced.result("lab"), evidenced.signature("bob")
)
SENT = CARRIED.travelling()
HONEST = CARRIED.counted()
OTHERS = [
    evidenced.sent(evidenced.approval("dave"), evidenced.approval("mallory")).travelling(),
    Publication({"model.onnx": b"stolen"}, version=2, publisher=evidenced.PEOPLE["bob"]).envelope(),
]


def require_nothing_gained(found: Verified, honest: Verified = HONEST) -> None:
    """Whatever still verifies is what was sent, with the same evidence or less of it."""
    assert {*found.signers} <= {*honest.signers}
    assert all(one in honest.evidence for one in found.evidence)
    assert found.shown <= honest.shown
    assert found.licence in {honest.licence, ""}
    same = replace(
        found,
        signers=honest.signers,
        evidence=honest.evidence,
        ignored=honest.ignored,
        shown=honest.shown,
        licence=honest.licence,
    )
    assert same == honest


def test_no_change_of_the_envelope_s_bytes_is_believed() -> None:
    seen: Counter[str] = Counter()
    for changed in mutations.of_bytes(SENT, CHANGES["envelope, bytes"], others=OTHERS):
        match envelope.verify(changed, evidenced.TRUST, evidenced.WANTED):
            case Refused():
                seen["refused"] += 1
            case Verified() as found:
                require_nothing_gained(found)
                seen["harmless"] += 1
    assert seen.total() == CHANGES["envelope, bytes"]
    # Were all of them refused by the JSON parser alone, this would show nothing.
    assert seen["refused"] > seen["harmless"] > 0


def test_no_field_of_another_envelope_fits_into_this_one() -> None:
    count = 0
    for changed in mutations.of_fields(SENT, OTHERS):
        found = envelope.verify(changed, evidenced.TRUST, evidenced.WANTED)
        if isinstance(found, Verified):
            require_nothing_gained(found)
        count += 1
    assert count >= CHANGES["envelope, fields"]


PULLED = Publication(
    {"model.onnx": random.Random(1).randbytes(20_000), "labels.txt": b"0 1 2 3 4 5 6 7 8 9" * 9}
)
PULLED_ENVELOPE = PULLED.envelope()


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    """A host's cache that holds one honest version."""
    found = Cache(tmp_path / "cache", keep=4)
    verified = envelope.verify(PULLED_ENVELOPE, PULLED.trust, PULLED.wanted)
    assert isinstance(verified, Verified)
    folder = found.incoming(PULLED.wanted.digest, verified.files)
    for path, content in PULLED.contents.items():
        (folder / path).write_bytes(content)
    found.admit(verified, PULLED_ENVELOPE).lease.close()
    return found


def stored(cache: Cache) -> Copy:
    """The honest copy, which nothing holds back from being changed."""
    copy = cache.check(PULLED.wanted, PULLED.trust)
    assert isinstance(copy, Copy), copy
    copy.lease.close()
    return copy


def test_no_changed_file_on_a_host_is_loaded(cache: Cache) -> None:
    files = stored(cache).files
    share = CHANGES["artifact on a host's disk"] // len(PULLED.contents)
    for path, content in PULLED.contents.items():
        place = files / path
        place.chmod(0o600)
        for changed in mutations.of_bytes(content, share):
            place.write_bytes(changed)
            found = cache.check(PULLED.wanted, PULLED.trust)
            assert isinstance(found, Refused), (path, changed)
        place.write_bytes(content)
    stored(cache)


def test_no_changed_envelope_on_a_host_is_believed(cache: Cache) -> None:
    honest = stored(cache)
    place = honest.files.parent / "envelope.json"
    place.chmod(0o600)
    wanted = CHANGES["envelope on a host's disk"]
    for changed in mutations.of_bytes(PULLED_ENVELOPE, wanted, others=OTHERS):
        place.write_bytes(changed)
        found = cache.check(PULLED.wanted, PULLED.trust)
        if isinstance(found, Copy):
            found.lease.close()
            assert found.verified == honest.verified
        else:
            assert isinstance(found, Refused)


def test_no_changed_permit_permits_anything_else() -> None:
    robot = evidenced.PEOPLE["robot"]
    claim = Claim("edge-1", "production/digits", evidenced.WANTED)
    said = Permit(claim, "c0ffee", "sha256:" + "1" * 64, "2026-11-28T09:00:00Z", "", "1")
    honest = canonical.encode(sign.sign_statement(permit.encode(said), robot))
    elsewhere = replace(said, claim=replace(claim, host="edge-2"), serial="2")
    other = canonical.encode(sign.sign_statement(permit.encode(elsewhere), robot))
    refused = 0
    for changed in mutations.of_bytes(honest, CHANGES["permit"], others=[other]):
        try:
            bundle = canonical.decode_object(changed, what="permit")
            found = permit.verify(bundle, evidenced.TRUST.reconcilers)
            permit.require(found.permit, claim)
        except errors.PlimsollError:
            refused += 1
        else:
            assert found.permit == said
    assert refused > CHANGES["permit"] // 2


def test_no_changed_trust_root_is_accepted_after_a_signed_one() -> None:
    chain = test_trust_chain
    held, offered = chain.file(chain.ONE), chain.file(chain.ONE, chain.TWO)
    honest = trustchain.read(offered, held)
    refused = 0
    others = [chain.file(chain.ONE, chain.TWO, chain.THREE)]
    for changed in mutations.of_bytes(offered, CHANGES["trust root"], others=others):
        try:
            found = trustchain.read(changed, held)
        except errors.PlimsollError:
            refused += 1
        else:
            assert found in [honest, chain.THIRD]
    assert refused > CHANGES["trust root"] // 2


def test_no_changed_proof_of_an_entry_proves_anything_else() -> None:
    parts = CARRIED.parts
    honest = tlog_proof.encode(
        tlog_proof.Proof(parts.index, tuple(parts.proof), parts.checkpoint)
    ).encode()
    key = evidenced.TRUST.log
    checkpoint = tlog_proof.verify(honest.decode(), key, leaf=parts.leaf)
    refused = 0
    for changed in mutations.of_bytes(honest, CHANGES["proof of an entry"]):
        try:
            found = tlog_proof.verify(changed.decode(errors="replace"), key, leaf=parts.leaf)
        except errors.PlimsollError:
            refused += 1
        else:
            assert (found.size, found.root) == (checkpoint.size, checkpoint.root)
    assert refused > CHANGES["proof of an entry"] // 2


def test_no_changed_audit_bundle_is_called_sound() -> None:
    story = audited.Story().published("digits", 1).approved("digits", 1).published("digits", 2)
    honest = story.members()
    assert not flaws(honest)
    found = 0
    for number, member in enumerate(honest):
        if member.name in {"README.md", "README"} or not member.content:
            continue
        for changed in mutations.of_bytes(member.content, 40):
            members = [*honest]
            members[number] = replace(member, content=changed)
            # What stands in the bundle for a trust root is for people: the auditor brings his own.
            if "trust" not in member.name:
                assert flaws(members), member.name
            found += 1
    assert found >= CHANGES["audit bundle"]


def flaws(members: list[archive.Member]) -> list[str]:
    found = check.Findings()
    try:
        list(check.walk(iter(members), audited.TRUST, found))
    except errors.PlimsollError as error:
        return [error.detail]
    return [f"{flaw.where}: {flaw.what}" for flaw in found.flaws]


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[opening.Registry]:
    """Two versions of one model, published for real, the first approved and tested."""
    alice, settings = Publisher(), Settings(data_dir=tmp_path / "data")
    evidencing.list_all(settings, alice)
    opened = opening.open_registry(settings)
    for value in (1.0, 2.0):
        files = {"model.onnx": onnx_model(value)}
        store(opened, files)
        publish.publish(opened, alice.draft(files), ALICE)
    about = evidencing.wanted(opened)
    evidence.add(opened, "digits", 1, evidencing.approval(about), evidencing.CAROL)
    evidence.add(opened, "digits", 1, evidencing.results(about), evidencing.LAB)
    yield opened
    opened.close()


def test_no_changed_row_of_the_database_gets_anything_else_verified(
    registry: opening.Registry, tmp_path: Path
) -> None:
    asked, trust = pull.Asked("digits", 1), registry.trust_root()
    auditor = Caller(Role.AUDITOR, "ada")
    with registry.database.reading() as session:
        pinned = pull.chosen(session, asked).digest
    wanted = envelope.Wanted("digits", 1, pinned)
    honest = envelope.verify(pull.bundle(registry, asked, auditor), trust, wanted)
    assert isinstance(honest, Verified)
    count = broken = 0
    with closing(sqlite3.connect(tmp_path / "data" / "registry.db", isolation_level=None)) as rows:
        for _change in changed_rows(rows):
            count += 1
            try:
                sent = pull.bundle(registry, pull.Asked("digits", 1, digest=pinned), auditor)
            except Exception:  # noqa: BLE001  a broken row may break the registry, not the host
                broken += 1
                continue
            found = envelope.verify(sent, trust, wanted)
            if isinstance(found, Verified):
                require_nothing_gained(found, honest)
    assert count >= CHANGES["database rows"]
    assert broken < count // 2


def changed_rows(database: sqlite3.Connection) -> Iterator[str]:
    """Each change in turn is made, yielded, and taken back."""
    database.execute("PRAGMA foreign_keys=OFF")
    for table in (
        "versions", "variants", "files", "evidence", "log_entries", "log_hashes", "log_head",
    ):  # fmt: skip
        told = database.execute(f"PRAGMA table_info({table})").fetchall()
        names = [row[1] for row in told]
        keys = [(row[1], row[2]) for row in told if row[5]]
        there = database.execute(f"SELECT rowid, * FROM {table}").fetchall()  # noqa: S608
        for number, name in enumerate(names, 1):
            for row in there:
                others = [other[number] for other in there if other[number] != row[number]][:2]
                for value in mutations.of_value(row[number], others):
                    set_it = f'UPDATE {table} SET "{name}" = ? WHERE rowid = ?'  # noqa: S608
                    try:
                        database.execute(set_it, (value, row[0]))
                    except sqlite3.IntegrityError:
                        continue
                    yield f"{table}.{name}"
                    # A changed key of this one type is a row at another place.
                    is_key = keys == [(name, "INTEGER")] and isinstance(value, int)
                    database.execute(set_it, (row[number], value if is_key else row[0]))


POLICY = b"""apiVersion: plimsoll.dev/v1
kind: Policy
metadata: {name: two-people}
spec:
  mode: enforce
  validations:
    - expression: verification.approvals.size() >= 2
      message: two approvals are needed
"""


def test_a_changed_policy_is_another_policy_or_none() -> None:
    """A decision names the digest of all policies, so that no change goes without a trace."""
    path = "policies/deploy/two-people.yaml"
    honest = policy_files.read({path: POLICY}).policies
    for changed in mutations.of_bytes(POLICY, CHANGES["policy"]):
        found = policy_files.read({path: changed}).policies
        if found.digest == honest.digest:
            assert [rule.policy for rule in found.rules] == [rule.policy for rule in honest.rules]


def test_no_changed_git_object_is_read(tmp_path: Path) -> None:
    """Commit, tree and file as Git itself made them; signed commits are test_gate's."""
    origin = Origin(tmp_path)
    commit = origin.commit({"models.d/production/digits.yaml": "kind: ModelDeployment\n"})
    names = {
        "commit": commit,
        "tree": f"{commit}:models.d/production",
        "blob": f"{commit}:models.d/production/digits.yaml",
    }
    for kind, name in names.items():
        identity = subprocess.run(
            ["git", "rev-parse", name], cwd=origin.work, check=True, capture_output=True, text=True
        ).stdout.strip()
        honest = subprocess.run(
            ["git", "cat-file", kind, name], cwd=origin.work, check=True, capture_output=True
        ).stdout
        assert gitobject.require(kind, honest, identity) == honest
        for changed in mutations.of_bytes(honest, CHANGES["git objects"] // len(names)):
            with pytest.raises(errors.CommitRefused):
                gitobject.require(kind, changed, identity)


def test_the_campaign_is_as_large_as_promised() -> None:
    assert sum(CHANGES.values()) >= 10_000
