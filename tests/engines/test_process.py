"""The embedded engine: one process that outlives us, and files that survive it."""

import dataclasses
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.core.observed import Phase
from reconciler.engines import loaded, process, records, wire
from registry import errors
from tests.engines import rigs
from tests.engines.rigs import Process, route_to, seen, serve, served, start


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Process]:
    with rigs.processes(tmp_path / "edge-1") as rig:
        yield rig


def test_the_process_is_not_our_child_to_lose(rig: Process) -> None:
    start(rig, rig.spec())
    assert os.getsid(rig.pid()) == rig.pid()
    rig.engine.close()
    assert rig.engine.observe().ingress_ready


def test_what_was_active_serves_again_after_a_restart_without_any_routing(rig: Process) -> None:
    one, two = rig.spec(1), rig.spec(2)
    serve(rig, one)
    serve(rig, two)
    os.kill(rig.pid(), signal.SIGKILL)
    assert wire.until(lambda: not rig.engine.observe().ingress_ready, timeout=60)
    assert [i.phase for i in rig.engine.observe().instances] == [Phase.EXITED] * 2
    rig.engine.restart(two.name)
    rig.await_answers(two)
    assert served(rig) == 2
    assert rig.engine.observe().routes == (route_to(two),)
    assert [i.phase for i in rig.engine.observe().instances] == [Phase.RUNNING] * 2


def test_a_label_stays_with_what_serves_until_traffic_moves(rig: Process) -> None:
    one, two = (
        dataclasses.replace(rig.spec(version), settings='{"labels":["stable"]}')
        for version in (1, 2)
    )
    serve(rig, one)
    start(rig, two)
    rig.await_answers(two)
    status = f"{rig.engine.front().url}/plimsoll/status"
    assert loaded.labels(wire.ask(status, timeout=60).body, one.model) == {"stable": 1}
    serve(rig, two)
    assert loaded.labels(wire.ask(status, timeout=60).body, one.model) == {"stable": 2}


def test_a_reconciler_killed_right_after_the_switch_leaves_no_label_behind(
    rig: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(_: object) -> None:
        raise KeyboardInterrupt

    one, two = (
        dataclasses.replace(rig.spec(version), settings='{"labels":["stable"]}')
        for version in (1, 2)
    )
    serve(rig, one)
    start(rig, two)
    rig.await_answers(two)
    monkeypatch.setattr(rig.engine, "_label", dies)
    with pytest.raises(KeyboardInterrupt):
        rig.engine.route(route_to(two))
    successor = rig.connect()
    assert successor.observe().routes == (route_to(two),)
    successor.remove(one.name)
    status = wire.ask(f"{successor.front().url}/plimsoll/status", timeout=60).body
    assert loaded.labels(status, one.model) == {"stable": 2}
    answer = wire.ask(f"{successor.front().url}/v1/models/digits/labels/stable", timeout=60)
    assert answer.status == 200


def test_what_was_recorded_and_never_loaded_waits_for_its_spec_and_its_permit(
    rig: Process,
) -> None:
    """Its reconciler and then the runtime died; a runtime that lost its file is the same."""
    one, two = rig.spec(1), rig.spec(2)
    serve(rig, one)
    records.write(rig.state / "instances.json", records.Records({two.name: two}, {}))
    rig.lose_ingress()
    with pytest.raises(errors.EngineRefused, match="never loaded"):
        rig.engine.restart(two.name)
    status = wire.ask(f"{rig.engine.front().url}/plimsoll/status", timeout=60).body
    assert [version for _, version in loaded.versions(status)] == [1]
    rig.lose_ingress()
    (rig.state / "runtime.json").unlink()
    found = seen(rig, two)
    assert found is not None
    assert found.phase is Phase.CREATED
    serve(rig, two)
    assert served(rig) == 2


def test_halting_lets_the_process_end_and_forgets_nothing(rig: Process) -> None:
    serve(rig, rig.spec())
    rig.engine.halt()
    state = rig.engine.observe()
    assert (state.ingress_ready, state.routes) == (False, (route_to(rig.spec()),))
    rig.engine.halt()


def test_only_we_can_read_the_tokens(rig: Process) -> None:
    start(rig, rig.spec())
    for name in ("token", "control-token", "instances.json", "runtime.log"):
        assert (rig.state / name).stat().st_mode & 0o077 == 0, name
    line = Path(f"/proc/{rig.pid()}/cmdline").read_text()
    environment = Path(f"/proc/{rig.pid()}/environ").read_text()
    for token in (rig.launch.token, (rig.state / "control-token").read_text()):
        assert token not in line + environment


def test_a_port_that_another_program_has_is_told(tmp_path: Path) -> None:
    with rigs.processes(tmp_path / "edge-1") as rig, socket.socket() as other:
        other.bind(("127.0.0.1", int(rig.engine.front().url.rpartition(":")[2])))
        rig.engine._timeout = 2
        with pytest.raises(errors.EngineRefused, match="does not answer") as raised:
            rig.engine.start(rig.spec(), rig.launch)
        assert "that the port is free" in raised.value.fix


def test_a_damaged_record_is_told_and_what_runs_runs_on(rig: Process) -> None:
    serve(rig, rig.spec())
    (rig.state / "instances.json").write_text('{"instances": [')
    with pytest.raises(errors.EngineRefused, match=r"instances\.json cannot be read"):
        rig.engine.observe()
    assert served(rig) == 1


def test_a_damaged_file_of_the_runtime_is_told_and_not_written_over(rig: Process) -> None:
    rig.state.mkdir(parents=True, exist_ok=True)
    (rig.state / "runtime.json").write_text('{"limits": {')
    with pytest.raises(errors.EngineRefused, match=r"runtime\.json cannot be read") as raised:
        rig.engine.start(rig.spec(), rig.launch)
    assert "remove it" in raised.value.fix
    assert (rig.state / "runtime.json").read_text() == '{"limits": {'


@pytest.mark.parametrize("name", ["token", "runtime.json"])
def test_a_disk_that_takes_nothing_is_told(rig: Process, name: str) -> None:
    (rig.state / f".{name}.new").mkdir(parents=True)  # where it is written first
    with pytest.raises(errors.EngineRefused, match=f"{name} cannot be written") as raised:
        rig.engine.start(rig.spec(), rig.launch)
    assert "room on its disk" in raised.value.fix


def test_a_log_that_cannot_be_opened_is_told(rig: Process) -> None:
    (rig.state / "runtime.log").mkdir(parents=True)
    with pytest.raises(errors.EngineRefused, match="cannot be started"):
        rig.engine.start(rig.spec(), rig.launch)


def test_a_version_that_is_still_loading_gets_no_traffic(rig: Process) -> None:
    serve(rig, rig.spec(1))
    bad = rig.bad(2)
    rig.engine.start(bad, rig.launch)
    with pytest.raises(errors.EngineRefused, match="not AVAILABLE"):
        rig.engine.route(route_to(bad))
    assert served(rig) == 1
    assert rig.engine.observe().routes == (route_to(rig.spec(1)),)


def test_the_reason_of_a_refusal_is_seen(rig: Process) -> None:
    bad = rig.bad()
    rig.engine.start(bad, rig.launch)

    def reason() -> str:
        found = seen(rig, bad)
        return found.detail if found else ""

    assert wire.until(lambda: bool(reason()), timeout=60)
    assert "digest" in reason()


def test_looking_at_what_nobody_changed_finds_nothing_and_writes_nothing(rig: Process) -> None:
    serve(rig, rig.spec())

    def written() -> dict[str, int]:
        files = (path for path in rig.state.iterdir() if path.suffix != ".log")
        return {path.name: path.stat().st_mtime_ns for path in files if path.is_file()}

    before = written()
    states = [rig.engine.observe() for _ in range(3)]
    assert [one.drift for state in states for one in state.instances] == ["", "", ""]
    assert {"instances.json", "runtime.json"} <= before.keys()
    assert written() == before


def test_an_engine_on_an_empty_folder_has_nothing(tmp_path: Path) -> None:
    engine = process.ProcessEngine("edge-1", state=tmp_path / "new", port=1, timeout=1)
    assert engine.observe().instances == ()
    assert not (tmp_path / "new").exists()
