"""A model's own process shuts itself in: first for loading, then closer, for answering.

What this machine forbids or does not know is left out: what is verified and scanned goes on.
`before_loading` must come before numpy and any engine, whose threads then inherit it.
"""

import ctypes
import os
import platform
import resource
import struct
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from registry.core import walls

# The exit code of a process that has no memory left of what it may take.
FULL = 97

_NEW_NETWORK, _NEW_USER = 0x40000000, 0x10000000
_NO_NEW_PRIVILEGES = 38
_CAPABILITIES_3 = 0x20080522
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_BELOW_PATH = 1
_SECCOMP = {"x86_64": 317, "aarch64": 277}
_FILTER, _ALL_THREADS = 1, 1
_FIRST_TO_GO = "800"
_PROGRAMS = ("/usr", "/lib", "/lib64", "/opt", "/etc", "/proc", "/sys", "/dev", "/run/nvidia")
_DEVICES = ("/dev/null",)
# An engine reserves address space while it loads, which nothing lies in yet.
_RESERVED_BYTES, _RESERVED_EACH_CORE = 1 << 30, 16 << 20


def before_loading(files: Path, memory_bytes: int) -> None:
    """No network, no new rights, no core file; no file is written, and none is read that is
    neither the version's own nor a program's. `memory_bytes` is 0 for no limit of its own."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_NEW_NETWORK) != 0:
        libc.unshare(_NEW_NETWORK | _NEW_USER)
    # Where memory runs out it is this process that the kernel ends, not the runtime.
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_GO)
    libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    libc.capset(struct.pack("=Ii", _CAPABILITIES_3, 0), bytes(24))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory_bytes:
        cores = os.cpu_count() or 1
        _limit_memory(memory_bytes + _RESERVED_BYTES + cores * _RESERVED_EACH_CORE)
    _landlock(libc, [*_PROGRAMS, sys.prefix, sys.base_prefix, *filter(None, sys.path), str(files)])


def before_answering(memory_bytes: int) -> str:
    """No program is started, no socket opened, no other process looked into, from any thread.

    Says why the version cannot answer within `memory_bytes`; else nothing.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    program = walls.computes(platform.machine(), pid=os.getpid())
    if program is not None:
        buffer = ctypes.create_string_buffer(program, len(program))
        header = struct.pack("@HP", len(program) // 8, ctypes.addressof(buffer))
        libc.syscall(_SECCOMP[platform.machine()], _FILTER, _ALL_THREADS, header)
    if not memory_bytes:
        return ""
    taken, reserved = _held()
    if taken > memory_bytes:
        return (
            f"once loaded it takes {taken >> 20} MiB of memory, and may take "
            f"{memory_bytes >> 20} MiB: raise spec.runtime.resources.memory"
        )
    _limit_memory(memory_bytes + reserved)
    return ""


def is_full() -> bool:
    """Whether so much of the memory that it may take is taken that the next request would fail."""
    most, _ = resource.getrlimit(resource.RLIMIT_DATA)
    return most != resource.RLIM_INFINITY and sum(_held()) > most // 16 * 15


def _held() -> tuple[int, int]:
    """Bytes that are taken and that no file gives back; bytes that are only reserved."""
    with Path("/proc/self/status").open() as lines:
        said = dict(line.split(":", 1) for line in lines)
    data, taken = (int(said[name].split()[0]) << 10 for name in ("VmData", "RssAnon"))
    return taken, max(data - taken, 0)


def _limit_memory(most: int) -> None:
    """What can be written and is no file's: mapped weights are not counted."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    least = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (least, least))


def _landlock(libc: ctypes.CDLL, readable: Iterable[str]) -> None:
    abi = libc.syscall(_LANDLOCK_CREATE, None, 0, 1)
    if abi < 1:
        return
    attributes = walls.landlock_ruleset(abi)
    ruleset = libc.syscall(_LANDLOCK_CREATE, attributes, len(attributes), 0)
    if ruleset < 0:
        return
    for place in readable:
        _allow(libc, ruleset, place, walls.landlock_reading)
    for place in _DEVICES:
        _allow(libc, ruleset, place, walls.landlock_file)
    libc.syscall(_LANDLOCK_RESTRICT, ruleset, 0)
    os.close(ruleset)


def _allow(libc: ctypes.CDLL, ruleset: int, place: str, rule: Callable[[int], bytes]) -> None:
    try:
        opened = os.open(place, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what is not there needs no rule
    try:
        libc.syscall(_LANDLOCK_ADD, ruleset, _BELOW_PATH, rule(opened), 0)
    finally:
        os.close(opened)
