"""What a parser under an attacker's control could still do: nothing. Real hostile children."""

import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from registry import errors
from registry.formats import sandbox
from tests.runtime.process import halt

Outcome = sandbox.Outcome
JOB = "tests.formats.hostile"


@pytest.fixture(scope="module")
def shared() -> Iterator[sandbox.Sandbox]:
    found = sandbox.Sandbox(JOB)
    yield found
    found.close()


@pytest.fixture
def own() -> Iterator[sandbox.Sandbox]:
    """For tests that break it."""
    found = sandbox.Sandbox(JOB)
    yield found
    found.close()


def run(
    box: sandbox.Sandbox,
    code: str,
    *,
    cpu: int = 20,
    wall: float = 120.0,
    files: tuple[int, ...] = (),
) -> Outcome:
    bounds = sandbox.Bounds(memory_bytes=512 << 20, cpu_seconds=cpu, wall_seconds=wall)
    return box.run(code.encode(), files=files, bounds=bounds)


def parent_of_children(box: sandbox.Sandbox) -> int:
    outcome = run(box, "print(os.getppid())")
    assert isinstance(outcome, sandbox.Ended), outcome
    return int(outcome.answer)


def held_by(process: int) -> list[str]:
    """The kinds of what it has open."""
    held = []
    for link in Path(f"/proc/{process}/fd").iterdir():
        try:
            held.append(str(link.readlink()).partition(":")[0])
        except FileNotFoundError:
            continue  # closed meanwhile
    return sorted(held)


def await_end(number: int) -> None:
    """Or that nobody has reaped it yet."""
    deadline = time.monotonic() + 60
    while is_running(number):
        assert time.monotonic() < deadline
        time.sleep(0.005)


def is_running(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_child_that_loops_for_ever_is_ended_by_its_processor_limit(shared: sandbox.Sandbox):
    outcome = run(shared, "while True: pass", cpu=1)
    assert outcome == sandbox.Stopped("used up its processor time or memory")


def test_a_child_that_waits_for_ever_is_ended_by_the_deadline(shared: sandbox.Sandbox):
    outcome = run(shared, "signal.pause()", wall=0.2)
    assert outcome == sandbox.Stopped("took longer than 0.2 s")


def test_a_child_that_ran_out_of_time_is_gone_when_that_is_said(shared: sandbox.Sandbox, tmp_path):
    place, wall = tmp_path / "number", 0.5
    with place.open("wb+") as file:
        number = "os.write(files[0], str(os.getpid()).encode()); signal.pause()"
        while not place.read_text():  # its time was over before it came to that
            run(shared, number, wall=wall, files=(file.fileno(),))
            wall *= 2
    assert not Path("/proc", place.read_text()).exists()


def test_a_child_that_eats_memory_is_stopped(shared: sandbox.Sandbox):
    outcome = run(shared, "held = [bytearray(16 << 20) for _ in range(1000)]")
    assert isinstance(outcome, sandbox.Failed)
    assert "MemoryError" in outcome.reason


def test_a_child_that_crashes_is_a_value_and_not_an_exception(own: sandbox.Sandbox):
    assert run(own, "os.abort()") == sandbox.Failed("crashed the parser (Aborted)")


def test_a_child_that_writes_without_end_is_cut_off(shared: sandbox.Sandbox):
    outcome = run(shared, "while True: os.write(3, b'x' * 1048576)")
    assert isinstance(outcome, sandbox.Failed)


@pytest.mark.parametrize(
    "attempt",
    [
        "open('/etc/passwd').read()",
        "open('/tmp/left-behind', 'w')",
        "os.listdir('/root') and open('/proc/1/environ')",
        "socket.create_connection(('127.0.0.1', PORT), 2)",
        "socket.socket(socket.AF_UNIX)",
        "os.fork()",
        "os.execv('/bin/true', ['true'])",
        "os.kill(os.getppid(), 0)",
        "os.kill(os.getpid(), 0)",
        "signal.pidfd_send_signal(files[0], 0)",
        "os.fchmod(files[0], 0o777)",
        "os.truncate('/tmp', 0)",
        "resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)",
        "os.setuid(0) if os.getuid() else open('/etc/passwd')",
    ],
)
def test_a_confined_child_cannot(shared: sandbox.Sandbox, attempt: str):
    with socket.create_server(("127.0.0.1", 0)) as server, Path("/dev/null").open("rb") as null:
        port = server.getsockname()[1]
        outcome = run(shared, attempt.replace("PORT", str(port)), files=(null.fileno(),))
    assert isinstance(outcome, sandbox.Failed), attempt
    assert "Error" in outcome.reason
    assert "NameError" not in outcome.reason


def test_a_child_may_signal_only_itself(shared: sandbox.Sandbox):
    """What abort() needs, which would otherwise reach the parent where both are one user."""
    code = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
print([libc.syscall(NUMBER, target, target, 0) for target in (os.getpid(), os.getppid())])
"""
    number = {"x86_64": "234", "aarch64": "131"}[os.uname().machine]
    assert run(shared, code.replace("NUMBER", number)) == sandbox.Ended(b"[0, -1]\n")


def test_a_child_sees_nothing_of_our_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PLIMSOLL_TOKEN", "plm_secret")
    box = sandbox.Sandbox(JOB)
    outcome = run(box, "print(' '.join(sorted(os.environ)))")
    box.close()
    assert isinstance(outcome, sandbox.Ended)
    assert "PLIMSOLL_TOKEN" not in outcome.answer.decode()


def test_a_child_has_no_open_file_but_those_it_was_given(tmp_path: Path):
    secret = tmp_path / "secret"
    secret.write_text("secret")
    with secret.open("rb") as held:
        os.set_inheritable(held.fileno(), True)
        box = sandbox.Sandbox(JOB)
        code = """
def is_open(number):
    try:
        os.fstat(number)
    except OSError:
        return False
    return True
print([number for number in range(2000) if is_open(number)], os.read(files[0], 3))
"""
        outcome = run(box, code, files=(held.fileno(),))
        box.close()
    assert outcome == sandbox.Ended(b"[0, 1, 2, 3, 4] b'sec'\n")


def test_the_parent_of_all_children_holds_nothing_and_has_one_thread(own: sandbox.Sandbox):
    parent = parent_of_children(own)
    assert len(list(Path(f"/proc/{parent}/task").iterdir())) == 1
    # Of a child that has answered it holds two more until it has seen the child's end.
    deadline = time.monotonic() + 60
    while len(held_by(parent)) > 3 and time.monotonic() < deadline:
        time.sleep(0.005)
    assert held_by(parent) == ["/memfd", "/memfd", "socket"]
    assert Path(f"/proc/{parent}/oom_score_adj").read_text().strip() == "1000"


def test_the_walls_that_stand_are_told(shared: sandbox.Sandbox):
    outcome = run(shared, "print(walls)")
    assert isinstance(outcome, sandbox.Ended)
    assert "512 MiB" in outcome.answer.decode()


def test_a_child_is_its_own_session_and_process(shared: sandbox.Sandbox):
    code = "print(json.dumps([os.getpid(), os.getsid(0), os.getppid()]))"
    outcomes = [run(shared, code) for _ in range(2)]
    first, second = (json.loads(one.answer) for one in outcomes if isinstance(one, sandbox.Ended))
    assert first[0] == first[1] != second[0]
    assert first[2] == second[2]  # one warm parent for both


def test_many_children_at_once_do_not_disturb_each_other(shared: sandbox.Sandbox):
    with ThreadPoolExecutor(32) as pool:
        outcomes = list(pool.map(lambda number: run(shared, f"print({number})"), range(200)))
    assert outcomes == [sandbox.Ended(f"{number}\n".encode()) for number in range(200)]


def test_one_child_more_than_there_are_places_is_told_to_come_back(own: sandbox.Sandbox):
    reads, writes = os.pipe()
    with ThreadPoolExecutor(sandbox.PLACES) as pool:
        code = "print(os.read(files[0], 1))"
        held = [pool.submit(run, own, code, files=(reads,)) for _ in range(sandbox.PLACES)]
        while own._places._value:
            time.sleep(0.005)
        with pytest.raises(errors.Busy):
            run(own, "", wall=0.05)
        os.close(writes)
        assert {one.result() for one in held} == {sandbox.Ended(b"b''\n")}
    os.close(reads)
    assert run(own, "print(1)") == sandbox.Ended(b"1\n")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_parent_that_was_killed_is_replaced(own: sandbox.Sandbox, number: int):
    first = parent_of_children(own)
    os.kill(first, number)
    assert parent_of_children(own) != first
    await_end(first)


def test_a_parent_that_is_killed_takes_its_children_with_it_and_the_question_is_asked_again(
    own: sandbox.Sandbox, tmp_path: Path
):
    first = parent_of_children(own)
    place = tmp_path / "numbers"
    # The first child waits to be killed, the second finds the first one's number and answers.
    code = """
seen = os.pread(files[0], 100, 0)
os.pwrite(files[0], str(os.getpid()).encode(), 0)
if not seen:
    signal.pause()
print(int(seen))
"""
    place.touch()
    with place.open("rb+") as file, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(run, own, code, files=(file.fileno(),))
        while not place.read_text():
            time.sleep(0.005)
        os.kill(first, signal.SIGKILL)
        outcome = waiting.result()
    assert isinstance(outcome, sandbox.Ended)
    await_end(int(outcome.answer))


def test_a_child_killed_from_outside_is_an_answer_and_the_next_one_runs(
    own: sandbox.Sandbox, tmp_path: Path
):
    place = tmp_path / "number"
    place.touch()
    with place.open("rb+") as file, ThreadPoolExecutor(1) as pool:
        code = "os.write(files[0], str(os.getpid()).encode()); signal.pause()"
        waiting = pool.submit(run, own, code, files=(file.fileno(),))
        while not place.read_text():
            time.sleep(0.005)
        os.kill(int(place.read_text()), signal.SIGKILL)
        assert waiting.result() == sandbox.Stopped("used up its processor time or memory")
    assert run(own, "print(1)") == sandbox.Ended(b"1\n")


def test_a_crash_is_followed_by_a_parent_with_another_layout_of_memory(own: sandbox.Sandbox):
    first = parent_of_children(own)
    run(own, "os.abort()")
    assert parent_of_children(own) != first


def test_a_parent_that_hangs_is_given_up(own: sandbox.Sandbox, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sandbox, "_TO_END", 0.2)
    wall, outcome = 1.0, None
    # What is given up is waited for as long as its successor may take to start and to answer.
    while outcome != sandbox.Ended(b"1\n"):
        wall *= 2
        assert wall < 300, outcome
        first = parent_of_children(own)
        halt(first)
        with suppress(errors.Unavailable):
            outcome = run(own, "print(1)", wall=wall)
    assert parent_of_children(own) != first
    await_end(first)


def test_a_job_that_cannot_be_imported_is_told_with_its_reason():
    box = sandbox.Sandbox("registry.formats.no_such_job")
    with pytest.raises(errors.Unavailable, match=r"No module named .*no_such_job"):
        run(box, "")
    box.close()


def test_closing_ends_the_parent_and_running_again_starts_another(own: sandbox.Sandbox):
    first = parent_of_children(own)
    own.close()
    assert not Path(f"/proc/{first}").exists()
    assert parent_of_children(own) != first


def test_the_parent_ends_when_the_registry_is_killed():
    code = f"""
import signal
from registry.formats import sandbox
box = sandbox.Sandbox({JOB!r})
bounds = sandbox.Bounds(memory_bytes=1 << 29, cpu_seconds=9, wall_seconds=120)
print(box.run(b"print(os.getppid())", files=(), bounds=bounds).answer.decode(), flush=True)
signal.pause()
"""
    number, parent = _started(code)
    assert is_running(parent)
    os.kill(number, signal.SIGKILL)
    os.waitpid(number, 0)
    await_end(parent)


def test_a_forked_registry_starts_its_own_and_leaves_its_parents(own: sandbox.Sandbox):
    first = parent_of_children(own)
    reads, writes = os.pipe()
    number = os.fork()
    if number == 0:
        other = parent_of_children(own)
        own.close()
        os.write(writes, str(other).encode())
        os._exit(0)
    os.waitpid(number, 0)
    assert int(os.read(reads, 100)) != first
    os.close(reads)
    os.close(writes)
    assert parent_of_children(own) == first


def test_a_registry_that_forgets_to_close_leaves_nothing_behind():
    first = parent_of_children(sandbox.Sandbox(JOB))
    assert not Path(f"/proc/{first}").exists()


def test_threads_that_ask_first_at_once_start_one_parent(own: sandbox.Sandbox):
    ready = threading.Barrier(8)

    def ask(_: int) -> int:
        ready.wait()
        return parent_of_children(own)

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(ask, range(8)))) == 1


def _started(code: str) -> tuple[int, int]:
    """A process that runs `code`, and the number that it prints."""
    reads, writes = os.pipe()
    path = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    number = os.posix_spawn(
        sys.executable,
        [sys.executable, "-c", code],
        path,
        file_actions=[(os.POSIX_SPAWN_DUP2, writes, 1)],
    )
    os.close(writes)
    with os.fdopen(reads) as file:
        return number, int(file.readline())
