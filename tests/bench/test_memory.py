"""Memory of processes as the kernel counts it."""

import os
import subprocess
import sys
import time

from bench import memory


def test_a_tree_is_a_process_and_all_that_descend_from_it() -> None:
    program = "import subprocess; subprocess.run(['sleep', '60'])"
    with subprocess.Popen([sys.executable, "-c", program]) as child:
        try:
            while len(found := memory.tree(child.pid)) < 2:
                time.sleep(0.01)
            assert found[0] == child.pid
            assert len(found) == 2
            assert set(found) < set(memory.tree(os.getpid()))
        finally:
            for process in reversed(memory.tree(child.pid)):
                os.kill(process, 9)


def test_shared_pages_count_for_each_process_or_once() -> None:
    this = [os.getpid()]
    assert 0 < memory.proportional(this) <= memory.resident(this) * 1.1
    assert memory.resident(this * 2) > 1.9 * memory.resident(this)


def test_the_peak_is_at_least_what_is_held_now_and_can_be_forgotten() -> None:
    this = [os.getpid()]
    held = bytearray(b"x" * 64 * memory.MIB)
    del held
    before = memory.peak(this)
    memory.forget_peak(this)
    assert memory.peak(this) <= before


def test_a_process_that_has_ended_holds_nothing() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        child.wait()
    assert memory.resident([child.pid]) == 0
