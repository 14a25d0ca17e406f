"""The log: its proofs checked by registry.core and by a naive reading of RFC 6962."""

import base64
import hashlib
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest

from registry import errors
from registry.api.server import Server
from registry.core import merkle, note, tlog_proof
from registry.db import log as rows
from registry.db.tables_log import LogEntry
from registry.settings import Settings
from registry.usecases import log, opening, reports, tiles
from registry.usecases.access import Caller, Role
from registry.usecases.opening import Registry
from registry.usecases.reports import Event

RECONCILER = Caller(Role.RECONCILER, "loop")
SIZE = 21


def naive_root(leaves: list[bytes]) -> bytes:
    """RFC 6962 §2.1, as it is written there."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + naive_root(leaves[:k]) + naive_root(leaves[k:])).digest()


def naive_path(m: int, leaves: list[bytes]) -> list[bytes]:
    """RFC 6962 §2.1.1, as it is written there."""
    if len(leaves) == 1:
        return []
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if m < k:
        return [*naive_path(m, leaves[:k]), naive_root(leaves[k:])]
    return [*naive_path(m - k, leaves[k:]), naive_root(leaves[:k])]


def fill(registry: Registry, count: int) -> None:
    for number in range(count):
        reports.record(registry, Event(f"e{number}", "deployed", reason=str(number)), RECONCILER)


def leaves_of(registry: Registry) -> list[bytes]:
    return [leaf for _, leaf in log.page(registry, start=0, limit=1000)[1]]


def test_every_checkpoint_signs_the_root_of_all_leaves(registry: Registry) -> None:
    for size in range(SIZE):
        signed = note.verify_checkpoint(log.checkpoint(registry), registry.log_name)
        assert (signed.size, signed.root) == (size, naive_root(leaves_of(registry)))
        reports.record(registry, Event(f"e{size}", "deployed"), RECONCILER)


def test_every_inclusion_proof_holds_at_every_size(registry: Registry) -> None:
    fill(registry, SIZE)
    leaves = leaves_of(registry)
    for size in range(1, SIZE + 1):
        for index in range(size):
            proof = log.inclusion(registry, index, size)
            assert proof == naive_path(index, leaves[:size])
            root = naive_root(leaves[:size])
            merkle.check_inclusion(leaves[index], index, size, proof=proof, expected_root=root)


def test_every_consistency_proof_holds(registry: Registry) -> None:
    fill(registry, SIZE)
    leaves = leaves_of(registry)
    for new in range(1, SIZE + 1):
        for old in range(1, new + 1):
            proof = log.consistency(registry, old, new)
            roots = naive_root(leaves[:old]), naive_root(leaves[:new])
            merkle.check_consistency((old, roots[0]), (new, roots[1]), proof)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (5, 5), (0, 6), (5, None)])
def test_a_proof_of_what_is_not_there_is_not_found(
    registry: Registry, index: int, size: int | None
) -> None:
    fill(registry, 5)
    with pytest.raises(errors.NotFound):
        log.inclusion(registry, index, size)


@pytest.mark.parametrize(("old", "new"), [(0, 3), (4, 3), (3, 6)])
def test_a_consistency_proof_between_impossible_sizes_is_not_found(
    registry: Registry, old: int, new: int
) -> None:
    fill(registry, 5)
    with pytest.raises(errors.NotFound):
        log.consistency(registry, old, new)


def test_an_event_told_twice_is_logged_once(registry: Registry) -> None:
    event = Event("once", "deployed", deployment="production/digits", commit="c0ffee")
    first = reports.record(registry, event, RECONCILER)
    again = reports.record(registry, event, RECONCILER)
    assert (first.is_new, again.is_new, first.index) == (True, False, again.index)
    assert log.size(registry) == 1
    with pytest.raises(errors.Conflict):
        reports.record(registry, Event("once", "deployed", reason="other"), RECONCILER)


@pytest.mark.parametrize("kind", ["published", "pulled", "token_created", "alias_moved"])
def test_nobody_tells_what_only_the_registry_does(registry: Registry, kind: str) -> None:
    with pytest.raises(errors.Forbidden):
        reports.record(registry, Event("x", kind), RECONCILER)


def test_a_host_tells_only_of_itself(registry: Registry) -> None:
    host = Caller(Role.HOST, "edge-1")
    reports.record(registry, Event("a", "loaded", host="edge-1"), host)
    for event in (
        Event("b", "loaded", host="edge-2"),
        Event("c", "loaded"),
        Event("d", "deployed", host="edge-1"),
    ):
        with pytest.raises(errors.Forbidden):
            reports.record(registry, event, host)


def test_an_entry_too_long_for_a_leaf_is_refused(registry: Registry) -> None:
    with pytest.raises(errors.TooLarge):
        reports.record(registry, Event("x", "deployed", detail={"a": "x" * 70_000}), RECONCILER)
    assert log.size(registry) == 0


def tile_root(registry: Registry, size: int) -> bytes:
    """The root over what the entry bundles hold, read as C2SP tlog-tiles says."""
    leaves: list[bytes] = []
    for number in range(-(-size // 256)):
        width = min(256, size - number * 256)
        path = f"{number:03}" + ("" if width == 256 else f".p/{width}")
        bundle = tiles.entries(registry, tiles.place(path))
        while bundle:
            length = int.from_bytes(bundle[:2], "big")
            leaves.append(bundle[2 : 2 + length])
            bundle = bundle[2 + length :]
    return naive_root(leaves)


def test_the_tiles_hold_the_tree_that_the_checkpoint_signs(registry: Registry) -> None:
    fill(registry, 260)
    signed = note.verify_checkpoint(log.checkpoint(registry), registry.log_name)
    assert tile_root(registry, signed.size) == signed.root
    full = tiles.hashes(registry, 0, tiles.place("000"))
    assert len(full) == 256 * 32
    leaves = leaves_of(registry)
    assert full[:32] == merkle.leaf_hash(leaves[0])
    top = tiles.hashes(registry, 1, tiles.place("000.p/1"))
    assert top == naive_root(leaves[:256])


@pytest.mark.parametrize(
    "path", ["001", "000.p/6", "000.p/256", "000.p/0", "x000/000", "0", "../x", ""]
)
def test_a_tile_that_is_not_there_is_not_found(registry: Registry, path: str) -> None:
    fill(registry, 5)
    with pytest.raises(errors.NotFound):
        tiles.hashes(registry, 0, tiles.place(path))


@pytest.mark.parametrize(
    ("path", "number", "width"),
    [("000", 0, 256), ("x001/x234/067", 1234067, 256), ("x001/000.p/7", 1000, 7)],
)
def test_a_tile_path_is_read_as_specified(path: str, number: int, width: int) -> None:
    assert tiles.place(path) == tiles.Place(number, width)


def test_an_auditor_without_a_token_can_check_the_log_over_http(
    client_of: Callable[..., httpx2.Client],
) -> None:
    reconciler = client_of(Role.RECONCILER)
    for number in range(6):
        event = {"id": f"e{number}", "kind": "tested", "reason": "golden data"}
        assert reconciler.post("/v1/events", json=event).status_code == 201
    anyone = client_of()
    size = int(anyone.get("/log/checkpoint").text.split("\n")[1])
    page = anyone.get("/log/entries", params={"start": 2, "limit": 3}).json()
    assert (page["size"], [entry["index"] for entry in page["entries"]]) == (size, [2, 3, 4])
    leaf = base64.b64decode(page["entries"][0]["leaf"])
    hashes = anyone.get("/log/proof/2").json()["hashes"]
    root = base64.b64decode(anyone.get("/log/checkpoint").text.split("\n")[2])
    proof = [base64.b64decode(one) for one in hashes]
    merkle.check_inclusion(leaf, 2, size, proof=proof, expected_root=root)
    assert anyone.get("/log/consistency", params={"from": 1, "to": size}).status_code == 200


def test_an_entry_and_its_proof_come_as_one_file_that_verifies_offline(
    server: Server, client_of: Callable[..., httpx2.Client]
) -> None:
    reconciler = client_of(Role.RECONCILER)
    for number in range(6):
        event = {"id": f"e{number}", "kind": "tested", "reason": "golden data"}
        reconciler.post("/v1/events", json=event)
    anyone = client_of()
    key = server.app.state.registry.log_name
    answer = anyone.get("/log/entries/2.tlog-proof")
    assert tlog_proof.verify(answer.text, key).text == anyone.get("/log/checkpoint").text
    proof = tlog_proof.parse(answer.text)
    leaf = anyone.get("/log/entries", params={"start": 2, "limit": 1}).json()["entries"][0]["leaf"]
    assert (proof.index, proof.extra) == (2, base64.b64decode(leaf))
    assert anyone.get("/log/entries/1000.tlog-proof").status_code == 404
    assert anyone.get("/log/entries/x.tlog-proof").status_code == 422


def test_what_an_append_files_has_a_value_for_each_column() -> None:
    assert set(rows.Entry.__slots__) == {column.name for column in LogEntry.__table__.columns}


def test_hashes_are_looked_up_in_the_index_however_many_are_asked_for(tmp_path: Path) -> None:
    """Or else an append would read the whole log, and a log of a million would stand still."""
    registry = opening.open_registry(Settings(data_dir=tmp_path / "data"))
    fill(registry, 9)
    for count in (1, 2, 20, 63):
        statement = rows._read_hashes(count).statement.compile(registry.database.engine)
        values = tuple(n for n in range(count) for _ in ("level", "index"))
        with registry.database.reading() as session:
            asked = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
            plan = [str(row) for row in asked]
        assert plan
        assert not [step for step in plan if "SCAN" in step], plan
    registry.close()
