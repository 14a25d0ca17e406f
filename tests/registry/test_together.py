"""Events told together: one transaction for many, and nobody pays for another's mistake."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import text

from registry import errors
from registry.core import merkle, note
from registry.settings import Settings
from registry.usecases import log, opening, reports
from registry.usecases.access import Caller, Role
from registry.usecases.opening import Registry
from registry.usecases.reports import Event
from registry.usecases.together import Together
from tests.core.publication import stored

RECONCILER = Caller(Role.RECONCILER, "loop")


def require_whole(registry: Registry) -> None:
    """The checkpoint signs the root of what is there, and proofs reach it."""
    signed = note.verify_checkpoint(log.checkpoint(registry), registry.log_name)
    leaves = [leaf for _, leaf in log.page(registry, start=0, limit=1000)[1]]
    assert signed.size == len(leaves)
    assert signed.root == merkle.root(len(leaves), stored(leaves))
    for index, leaf in enumerate(leaves):
        proof = log.inclusion(registry, index, None)
        merkle.check_inclusion(leaf, index, signed.size, proof=proof, expected_root=signed.root)


def test_many_writers_at_once_are_each_logged_once(registry: Registry) -> None:
    def tell(number: int) -> int:
        event = Event(f"e{number % 150}", "deployed", reason=str(number % 150))
        return reports.record(registry, event, RECONCILER).index

    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(tell, range(300)))
    assert found[:150] == found[150:]
    assert sorted(found[:150]) == list(range(150))
    require_whole(registry)


def test_events_told_in_one_call_stand_in_their_order(registry: Registry) -> None:
    events = [Event(f"e{n}", "deployed", reason=str(n)) for n in range(100)]
    found = reports.record_all(registry, events, RECONCILER)
    assert [one.index for one in found] == list(range(100))
    again = reports.record_all(registry, [*events[5:7], Event("new", "deployed")], RECONCILER)
    assert [(one.index, one.is_new) for one in again] == [(5, False), (6, False), (100, True)]
    twice = reports.record_all(registry, [Event("x", "deployed")] * 2, RECONCILER)
    assert [(one.index, one.is_new) for one in twice] == [(101, True), (101, False)]
    require_whole(registry)


@pytest.mark.parametrize(
    ("bad", "kind"),
    [
        (Event("e0", "deployed", reason="not what was said"), errors.Conflict),
        (Event("big", "deployed", detail={"a": "x" * 70_000}), errors.TooLarge),
        (Event("own", "published"), errors.Forbidden),
    ],
)
def test_one_bad_event_of_a_call_keeps_all_of_it_out(
    registry: Registry, bad: Event, kind: type[errors.PlimsollError]
) -> None:
    reports.record(registry, Event("e0", "deployed"), RECONCILER)
    with pytest.raises(kind):
        reports.record_all(registry, [Event("e1", "deployed"), bad], RECONCILER)
    assert log.size(registry) == 1
    assert reports.record(registry, Event("e1", "deployed"), RECONCILER).is_new


def test_a_conflict_meets_only_the_one_who_made_it(registry: Registry) -> None:
    """All of them wait for one commit; the liar alone is told no."""
    reports.record(registry, Event("known", "deployed"), RECONCILER)
    start = threading.Barrier(9)

    def tell(event: Event) -> int | str:
        start.wait()
        try:
            return reports.record(registry, event, RECONCILER).index
        except errors.Conflict as error:
            return error.code

    wishes = [Event(f"e{n}", "deployed") for n in range(8)]
    with ThreadPoolExecutor(9) as pool:
        found = list(pool.map(tell, [*wishes, Event("known", "deployed", reason="a lie")]))
    assert found[-1] == "conflict"
    assert sorted(map(str, found[:-1])) == [str(n) for n in range(1, 9)]
    require_whole(registry)


def test_a_log_that_cannot_be_written_answers_everybody_no(tmp_path: Path) -> None:
    registry = opening.open_registry(Settings(data_dir=tmp_path / "data"))
    with registry.database.migrating() as connection:
        connection.execute(text(
            "CREATE TRIGGER full_disk BEFORE INSERT ON log_entries "
            "BEGIN SELECT RAISE(ABORT, 'the disk says no'); END"
        ))  # fmt: skip

    def tell(number: int) -> str:
        try:
            reports.record(registry, Event(f"e{number}", "deployed"), RECONCILER)
        except errors.PlimsollError as error:
            return error.code
        return "told"

    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(tell, range(32)))
    assert found == {"conflict"}
    assert log.size(registry) == 0
    with registry.database.migrating() as connection:
        connection.execute(text("DROP TRIGGER full_disk"))
    assert tell(0) == "told"
    registry.close()


def test_who_comes_while_another_writes_is_written_with_the_next() -> None:
    together: Together[int, int] = Together()
    is_writing, go_on, groups = threading.Event(), threading.Event(), list[list[int]]()

    def write(items: "list[int] | tuple[int, ...]") -> list[int]:
        groups.append(list(items))
        is_writing.set()
        go_on.wait(60)
        return [item * 10 for item in items]

    with ThreadPoolExecutor(5) as pool:
        first = pool.submit(together.put, 1, write)
        assert is_writing.wait(60)
        rest = [pool.submit(together.put, item, write) for item in (2, 3, 4)]
        while len(together._waiting) < 3:
            time.sleep(0.001)
        go_on.set()
        assert [first.result(), *(one.result() for one in rest)] == [10, 20, 30, 40]
    assert groups[0] == [1]
    assert sorted(groups[1]) == [2, 3, 4]


def test_a_batch_over_http_is_one_answer(client_of: Callable[..., httpx2.Client]) -> None:
    reconciler = client_of(Role.RECONCILER)
    size = int(reconciler.get("/log/checkpoint").text.split("\n")[1])
    events = [{"id": f"e{n}", "kind": "tested"} for n in range(50)]
    told = reconciler.post("/v1/events/batch", json={"events": events})
    assert (told.status_code, told.json()["indices"]) == (201, list(range(size, size + 50)))
    again = reconciler.post("/v1/events/batch", json={"events": events})
    assert (again.status_code, again.json()) == (200, told.json())
    lie = [{"id": "fresh", "kind": "tested"}, {"id": "e3", "kind": "deployed"}]
    assert reconciler.post("/v1/events/batch", json={"events": lie}).status_code == 409
    for junk in ({"events": []}, {"events": events * 21}, []):
        assert reconciler.post("/v1/events/batch", json=junk).status_code == 422
    host = client_of(Role.HOST, "edge-1").post("/v1/events/batch", json={"events": events})
    assert host.status_code == 403
    assert int(reconciler.get("/log/checkpoint").text.split("\n")[1]) == size + 51
