"""A process that makes something of a stranger's model shuts itself in before it loads it. Linux.

It may read programs and the model, write below one folder, and start threads. It has no network,
starts no program, and no file elsewhere can be opened. What this machine forbids is left out; the
walls that stand are returned, and are part of what is reported.
"""

import ctypes
import os
import platform
import resource
import struct
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from registry.core import walls

_NEW_NETWORK, _NEW_USER = 0x40000000, 0x10000000
_NO_NEW_PRIVILEGES = 38
_CAPABILITIES_3 = 0x20080522
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_BELOW_PATH = 1
_SECCOMP = {"x86_64": 317, "aarch64": 277}
_FILTER, _ALL_THREADS = 1, 1
_PROGRAMS = (
    "/usr",
    "/lib",
    "/lib64",
    "/opt",
    "/proc",
    "/sys",
    "/etc/ld.so.cache",
    "/etc/localtime",
)
_DEVICES = ("/dev/null", "/dev/urandom", "/dev/random")
_FIRST_TO_GO = "800"


def shut_in(readable: Iterable[Path], writable: Path) -> list[str]:
    """The walls that stand from here on. There is no way back."""
    libc = ctypes.CDLL(None, use_errno=True)
    standing = []
    if libc.unshare(_NEW_NETWORK) == 0 or libc.unshare(_NEW_NETWORK | _NEW_USER) == 0:
        standing.append("no network (namespace)")
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_GO)
    if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0:
        standing.append("no new privileges")
    libc.capset(struct.pack("=Ii", _CAPABILITIES_3, 0), bytes(24))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    paths = [*_PROGRAMS, sys.prefix, sys.base_prefix, *filter(None, sys.path), *map(str, readable)]
    if abi := _landlock(libc, paths, writable):
        standing.append(f"writes below one folder alone (landlock {abi})")
    if _filter_calls(libc):
        standing.append("no socket, fork or exec (seccomp)")
    return standing


def _landlock(libc: ctypes.CDLL, readable: Iterable[str], writable: Path) -> int:
    abi = int(libc.syscall(_LANDLOCK_CREATE, None, 0, 1))
    if abi < 1:
        return 0
    attributes = walls.landlock_ruleset(abi)
    ruleset = libc.syscall(_LANDLOCK_CREATE, attributes, len(attributes), 0)
    if ruleset < 0:
        return 0
    for place in readable:
        is_folder = Path(place).is_dir()
        _allow(libc, ruleset, place, walls.landlock_reading if is_folder else walls.landlock_file)
    for place in _DEVICES:
        _allow(libc, ruleset, place, walls.landlock_file)
    _allow(libc, ruleset, str(writable), lambda opened: walls.landlock_all(opened, abi))
    enforced = libc.syscall(_LANDLOCK_RESTRICT, ruleset, 0) == 0
    os.close(ruleset)
    return abi if enforced else 0


def _allow(libc: ctypes.CDLL, ruleset: int, place: str, rule: walls.Rule) -> None:
    try:
        opened = os.open(place, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what is not there needs no rule
    try:
        libc.syscall(_LANDLOCK_ADD, ruleset, _BELOW_PATH, rule(opened), 0)
    finally:
        os.close(opened)


def _filter_calls(libc: ctypes.CDLL) -> bool:
    program = walls.makes(platform.machine(), pid=os.getpid())
    if program is None:
        return False
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("@HP", len(program) // 8, ctypes.addressof(buffer))
    number = _SECCOMP[platform.machine()]
    return bool(libc.syscall(number, _FILTER, _ALL_THREADS, header) == 0)
