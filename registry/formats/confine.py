"""Shuts the inspecting process in before it reads its first untrusted byte. Linux only.

Called by the child on itself, once, after all imports. Each wall is independent of the others,
and the list of those that stand is returned, so that a kernel or container that forbids one is
seen and not guessed. Open file descriptors stay usable: they are how the model comes in.
"""

import ctypes
import os
import platform
import resource
import struct

from registry.core import walls

NOBODY = 65534
MAX_ANSWER = 8 * 1024 * 1024

_CLONE_NEWUSER, _CLONE_NEWNET, _CLONE_NEWIPC = 0x10000000, 0x40000000, 0x08000000
_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 22, 38
_SECCOMP_MODE_FILTER = 2
_SIGKILL = 9
_LANDLOCK_CREATE, _LANDLOCK_RESTRICT = 444, 446


def confine(*, memory_bytes: int, cpu_seconds: int) -> list[str]:
    """The walls that stand from here on. There is no way back."""
    libc = ctypes.CDLL(None, use_errno=True)
    standing = ["no network (namespace)"] if _leave_network(libc) else []
    if _drop_user():
        standing.append(f"user {NOBODY}")
    libc.prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0:
        standing.append("no new privileges")
    landlock = _landlock(libc)
    if landlock:
        standing.append(f"no files (landlock {landlock})")
    standing.append(_limit(memory_bytes=memory_bytes, cpu_seconds=cpu_seconds))
    if _filter_calls(libc):
        standing.append("no open, socket, fork or exec (seccomp)")
    return standing


def _leave_network(libc: ctypes.CDLL) -> bool:
    """An empty network namespace; as root at once, else inside an own user namespace."""
    flags = _CLONE_NEWNET | _CLONE_NEWIPC
    return bool(libc.unshare(flags) == 0 or libc.unshare(flags | _CLONE_NEWUSER) == 0)


def _drop_user() -> bool:
    if os.geteuid() != 0:
        return False
    try:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    except OSError:
        return False  # root of a user namespace that maps nobody else: nothing to drop to
    return True


def _limit(*, memory_bytes: int, cpu_seconds: int) -> str:
    for limit, value in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_FSIZE, MAX_ANSWER),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        # A limit that was lower already stays: raising it would need a privilege.
        _, hard = resource.getrlimit(limit)
        low = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (low, low))
    return f"{memory_bytes >> 20} MiB, {cpu_seconds} s of processor"


def _landlock(libc: ctypes.CDLL) -> int:
    """Handle every right and allow none; returns the kernel's ABI, 0 where there is none."""
    abi = libc.syscall(_LANDLOCK_CREATE, None, 0, 1)
    if abi < 1:
        return 0
    attributes = walls.landlock_ruleset(abi)
    ruleset = libc.syscall(_LANDLOCK_CREATE, attributes, len(attributes), 0)
    if ruleset < 0:
        return 0
    enforced = libc.syscall(_LANDLOCK_RESTRICT, ruleset, 0) == 0
    os.close(ruleset)
    return int(abi) if enforced else 0


def _filter_calls(libc: ctypes.CDLL) -> bool:
    program = walls.reads_nothing(platform.machine(), pid=os.getpid())
    if program is None:
        return False
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("@HP", len(program) // 8, ctypes.addressof(buffer))
    return bool(libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, header, 0, 0) == 0)
