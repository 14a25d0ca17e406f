"""What a parser under an attacker's control could still do: nothing. Real hostile children."""

import os
import socket
import threading
from pathlib import Path

import pytest

from registry.formats import sandbox

# Imports come first: afterwards no file can be opened, and a failed import proves nothing.
CONFINE = """
import os, resource, signal, socket, sys
from registry.formats import confine
walls = confine.confine(memory_bytes=512 << 20, cpu_seconds=CPU)
"""


def run(
    code: str, *, before: str = "", cpu: int = 20, wall: float = 20.0
) -> sandbox.Ended | sandbox.Stopped | sandbox.Failed:
    program = ("-c", before + CONFINE.replace("CPU", str(cpu)) + code)
    with Path("/dev/null").open("rb") as null:
        return sandbox.run(program, b"", descriptor=null.fileno(), wall_seconds=wall)


def test_a_child_that_loops_for_ever_is_ended_by_its_processor_limit():
    outcome = run("while True: pass", cpu=1)
    assert outcome == sandbox.Stopped("used up its processor time or memory")


def test_a_child_that_waits_for_ever_is_ended_by_the_deadline():
    outcome = run("signal.pause()", wall=0.5)
    assert outcome == sandbox.Stopped("took longer than 0.5 s")


def test_a_child_that_eats_memory_is_stopped():
    outcome = run("held = [bytearray(16 << 20) for _ in range(1000)]")
    assert isinstance(outcome, sandbox.Failed)
    assert "MemoryError" in outcome.reason


def test_a_child_that_crashes_is_a_value_and_not_an_exception():
    outcome = run("os.abort()")
    assert outcome == sandbox.Failed("crashed the parser (SIGABRT)")


def test_a_child_finds_modules_where_we_find_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Images keep their packages beside the interpreter, on PYTHONPATH."""
    (tmp_path / "beside.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    outcome = run("", before="import beside")
    assert outcome == sandbox.Ended(b"")


def test_a_child_that_talks_without_end_is_cut_off():
    outcome = run("while True: sys.stdout.buffer.write(b'x' * 1048576)")
    assert isinstance(outcome, sandbox.Failed)


@pytest.mark.parametrize(
    "attempt",
    [
        "open('/etc/passwd').read()",
        "open('/tmp/left-behind', 'w')",
        "os.listdir('/root') and open('/proc/1/environ')",
        "socket.create_connection(('127.0.0.1', PORT), 2)",
        "os.fork()",
        "os.execv('/bin/true', ['true'])",
        "os.kill(os.getppid(), 0)",
        "resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)",
        "os.setuid(0) if os.getuid() else open('/etc/passwd')",
    ],
)
def test_a_confined_child_cannot(attempt: str):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        outcome = run(attempt.replace("PORT", str(port)))
    assert isinstance(outcome, sandbox.Failed), attempt
    assert "Error" in outcome.reason
    assert "ModuleNotFound" not in outcome.reason


def test_a_child_sees_nothing_of_our_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PLIMSOLL_TOKEN", "plm_secret")
    outcome = run("sys.stdout.write(' '.join(sorted(os.environ)))")
    assert isinstance(outcome, sandbox.Ended)
    assert "PLIMSOLL_TOKEN" not in outcome.answer.decode()


def test_a_child_inherits_no_open_file(tmp_path: Path):
    secret = tmp_path / "secret"
    secret.write_text("secret")
    with secret.open("rb") as held:
        os.set_inheritable(held.fileno(), True)
        outcome = run(f"os.read({held.fileno()}, 10)")
    assert isinstance(outcome, sandbox.Failed)
    assert "Bad file descriptor" in outcome.reason


def test_the_walls_that_stand_are_told():
    outcome = run("sys.stdout.write(repr(walls))")
    assert isinstance(outcome, sandbox.Ended)
    assert "MiB" in outcome.answer.decode()


def test_many_children_at_once_do_not_disturb_each_other():
    outcomes: list[sandbox.Ended | sandbox.Stopped | sandbox.Failed] = []

    def one(number: int) -> None:
        outcomes.append(run(f"sys.stdout.write('{number}')"))

    threads = [threading.Thread(target=one, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answers = {found.answer for found in outcomes if isinstance(found, sandbox.Ended)}
    assert answers == {str(number).encode() for number in range(8)}
