"""Cosignatures at the registry: gathered on one checkpoint, demanded of hosts, proof of forks."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest

from registry import errors
from registry.api.server import Server
from registry.core import cosignature, envelope, note, tlog_proof
from registry.settings import Settings
from registry.usecases import log, opening, publish, pull, reports, witnessing
from registry.usecases.access import Caller, Role
from registry.usecases.opening import Registry
from registry.usecases.reports import Event
from tests.core.logs import Log, Witness
from tests.registry import witnesses
from tests.registry.publishing import ALICE, Publisher, onnx_model, store
from tests.registry.witnesses import cosigned, named, shown

RECONCILER = Caller(Role.RECONCILER, "loop")


def now() -> int:
    return int(time.time())


def grow(registry: Registry, count: int = 1) -> int:
    for _ in range(count):
        reports.record(registry, Event(f"e{log.size(registry)}", "deployed"), RECONCILER)
    return log.size(registry)


@pytest.fixture
def three(registry: Registry) -> tuple[Witness, ...]:
    """Three witnesses, of whom hosts demand two."""
    found = named("one", "two", "three")
    witnesses.list_in(registry.settings.witnesses_file, found, threshold=2)
    return found


def lines_on(registry: Registry) -> tuple[int, set[str]]:
    seen = shown(registry)
    said = cosignature.verified(seen, registry.witnesses().keys)
    return seen.size, {one.witness for one in said}


def test_without_witnesses_the_newest_checkpoint_is_shown(registry: Registry) -> None:
    size = grow(registry, 3)
    assert shown(registry).size == size


def test_a_checkpoint_stays_up_until_enough_have_cosigned_it(
    registry: Registry, three: tuple[Witness, ...]
) -> None:
    first = grow(registry, 3)
    assert not witnessing.accept(registry, cosigned(registry, three[0], time=now())).is_witnessed
    newest = grow(registry, 4)
    assert lines_on(registry) == (first, {three[0].name})
    assert witnessing.accept(registry, cosigned(registry, three[1], time=now())).is_witnessed
    assert lines_on(registry) == (newest, set())


def test_the_cosigned_checkpoint_is_shown_as_long_as_nothing_happens(
    registry: Registry, three: tuple[Witness, ...]
) -> None:
    size = grow(registry)
    for witness in three:
        witnessing.accept(registry, cosigned(registry, witness, time=now()))
    assert lines_on(registry) == (size, {one.name for one in three})


def test_a_witness_that_went_away_holds_up_nobody_for_long(
    registry: Registry, three: tuple[Witness, ...]
) -> None:
    grow(registry)
    long_ago = now() - int(witnessing.PATIENCE_S) - 1
    witnessing.accept(registry, cosigned(registry, three[0], time=long_ago))
    size = grow(registry)
    assert shown(registry).size == size


def test_witnesses_that_saw_different_sizes_meet_at_the_larger(
    registry: Registry, three: tuple[Witness, ...]
) -> None:
    grow(registry)
    of_one = cosigned(registry, three[0], time=now())
    larger = grow(registry)
    of_two = cosigned(registry, three[1], time=now())
    witnessing.accept(registry, of_one)
    witnessing.accept(registry, of_two)
    assert shown(registry).size == larger
    assert witnessing.accept(registry, cosigned(registry, three[0], time=now())).is_witnessed


def test_a_cosignature_told_twice_or_late_changes_nothing(
    registry: Registry, three: tuple[Witness, ...]
) -> None:
    grow(registry)
    moment = now()
    early = cosigned(registry, three[0], time=moment - 5)
    late = cosigned(registry, three[0], time=moment)
    for text in (late, late, early):
        assert witnessing.accept(registry, text).witnesses == (three[0].name,)
    assert cosignature.verified(shown(registry), registry.witnesses().keys)[0].time == moment
    assert log.size(registry) == 1, "a cosignature is no entry: it would need the next one"


def test_who_is_no_witness_of_the_trust_root_is_turned_away(
    registry: Registry, three: tuple[Witness, ...]
) -> None:
    grow(registry)
    for stranger in (Witness("stranger"), Witness(three[0].name)):
        with pytest.raises(errors.Forbidden):
            witnessing.accept(registry, cosigned(registry, stranger, time=now()))
    assert lines_on(registry) == (1, set())


def test_a_cosignature_for_another_checkpoint_is_refused(
    registry: Registry, three: tuple[Witness, ...]
) -> None:
    grow(registry)
    line = cosigned(registry, three[0], time=now()).rpartition("\u2014 ")[2]
    grow(registry)
    text = note.alone(shown(registry), registry.log_name) + "\u2014 " + line
    with pytest.raises(errors.SignatureInvalid):
        witnessing.accept(registry, text)


def test_a_witness_whose_clock_is_ahead_is_told_so(
    registry: Registry, three: tuple[Witness, ...]
) -> None:
    grow(registry)
    with pytest.raises(errors.InvalidInput, match="seconds from now"):
        witnessing.accept(registry, cosigned(registry, three[0], time=now() + 3600))


def test_hosts_get_a_version_once_enough_witnesses_have_seen_its_publication(
    registry: Registry, alice: Publisher, three: tuple[Witness, ...]
) -> None:
    files = {"model.onnx": onnx_model()}
    store(registry, files)
    published = publish.publish(registry, alice.draft(files), ALICE)
    wanted = envelope.Wanted("digits", 1, published.version.digest or "")
    with pytest.raises(errors.Unavailable, match="not yet cosigned"):
        pull.bundle(registry, pull.Asked("digits", 1), ALICE)
    for witness in three[:2]:
        witnessing.accept(registry, cosigned(registry, witness, time=now()))
    grow(registry, 5)
    sent = pull.bundle(registry, pull.Asked("digits", 1), ALICE)
    trust = registry.trust_root()
    assert trust.witness_threshold == 2
    found = envelope.verify(sent, trust, wanted, now=time.time())
    assert isinstance(found, envelope.Verified), found
    assert found.checkpoint.size < log.size(registry)


def test_a_host_refuses_an_envelope_that_too_few_have_cosigned_or_long_ago(
    registry: Registry, alice: Publisher
) -> None:
    pair = named("one", "two")
    witnesses.list_in(registry.settings.witnesses_file, pair, threshold=1, max_age=600)
    files = {"model.onnx": onnx_model()}
    store(registry, files)
    published = publish.publish(registry, alice.draft(files), ALICE)
    witnessing.accept(registry, cosigned(registry, pair[0], time=now()))
    sent = pull.bundle(registry, pull.Asked("digits", 1), ALICE)
    wanted = envelope.Wanted("digits", 1, published.version.digest or "")
    trust = registry.trust_root()
    assert isinstance(envelope.verify(sent, trust, wanted, now=time.time()), envelope.Verified)
    frozen = envelope.verify(sent, trust, wanted, now=time.time() + 700)
    assert isinstance(frozen, envelope.Refused)
    assert "old view" in frozen.reason
    on_disk = envelope.verify(sent, trust, wanted)
    assert isinstance(on_disk, envelope.Verified), "what serves goes on while the registry is away"
    witnesses.list_in(registry.settings.witnesses_file, pair, threshold=2)
    too_few = envelope.verify(sent, registry.trust_root(), wanted)
    assert isinstance(too_few, envelope.Refused)
    assert "by 1 of" in too_few.reason


def test_a_proof_file_bears_the_cosignatures_once_they_cover_the_entry(
    registry: Registry, three: tuple[Witness, ...]
) -> None:
    grow(registry, 2)
    for witness in three[:2]:
        witnessing.accept(registry, cosigned(registry, witness, time=now()))
    grow(registry, 3)
    trusted = registry.witnesses()
    for index, lines in ((0, 2), (4, 0)):
        seen = tlog_proof.verify(log.proof_file(registry, index), registry.log_name)
        assert len(cosignature.verified(seen, trusted.keys)) == lines


@pytest.fixture
def old_copy(settings: Settings, tmp_path: Path) -> tuple[Settings, Settings]:
    """A data folder with 4 entries, and a copy of it from when there were 2."""
    one = named("one")[0]
    with_two = Settings(data_dir=tmp_path / "old")
    registry = opening.open_registry(settings)
    grow(registry, 2)
    registry.close()
    shutil.copytree(settings.data_dir, with_two.data_dir)
    registry = opening.open_registry(settings)
    grow(registry, 2)
    for opened in (settings, with_two):
        witnesses.list_in(opened.witnesses_file, (one,), threshold=1)
    (tmp_path / "seen").write_text(cosigned(registry, one, time=now()))
    registry.close()
    return settings, with_two


def test_a_restored_old_database_beside_a_newer_witness_signs_nothing_more(
    old_copy: tuple[Settings, Settings], tmp_path: Path
) -> None:
    text = (tmp_path / "seen").read_text()
    registry = opening.open_registry(old_copy[1])
    with pytest.raises(errors.LogForked, match="old copy"):
        witnessing.accept(registry, text)
    before = log.checkpoint(registry)
    with pytest.raises(errors.LogForked, match="nothing more is written"):
        grow(registry)
    registry.close()
    registry = opening.open_registry(old_copy[1])
    with pytest.raises(errors.LogForked):
        grow(registry)
    assert log.checkpoint(registry) == before
    registry.close()
    whole = opening.open_registry(old_copy[0])
    assert witnessing.accept(whole, text).is_witnessed
    assert grow(whole) == 5
    whole.close()


def test_an_old_database_that_went_on_is_found_out_as_well(
    old_copy: tuple[Settings, Settings], tmp_path: Path
) -> None:
    registry = opening.open_registry(old_copy[1])
    for number in range(4):
        reports.record(registry, Event(f"other{number}", "deployed"), RECONCILER)
    with pytest.raises(errors.LogForked):
        witnessing.accept(registry, (tmp_path / "seen").read_text())
    with pytest.raises(errors.LogForked):
        grow(registry)
    registry.close()


def test_a_note_by_another_key_halts_nothing(
    registry: Registry, three: tuple[Witness, ...]
) -> None:
    grow(registry)
    other = Log([b"x"] * 9)
    with pytest.raises(errors.SignatureInvalid):
        witnessing.accept(registry, three[0].cosign(other.checkpoint()).text)
    assert grow(registry) == 2


def test_a_witness_cosigns_over_http(
    server: Server, client_of: Callable[..., httpx2.Client]
) -> None:
    registry: Registry = server.app.state.registry
    one = named("one")[0]
    witnesses.list_in(registry.settings.witnesses_file, (one,), threshold=1)
    host = client_of(Role.HOST, "edge-1")
    text = cosigned(registry, one, time=now())
    plain = {"content-type": "text/plain; charset=utf-8"}
    answer = host.post("/log/cosignatures", content=text.encode(), headers=plain)
    assert answer.status_code == 200, answer.text
    assert answer.json()["witnesses"] == [one.name]
    assert answer.json()["isWitnessed"]
    assert client_of().get("/log/checkpoint").text == text
    for junk, status in ((b"", 422), (b"\xff\xfe", 422), (b"x" * 20_000, 422)):
        answer = host.post("/log/cosignatures", content=junk, headers=plain)
        assert answer.status_code == status, answer.text
