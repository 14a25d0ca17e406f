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

NOBODY = 65534
MAX_ANSWER = 8 * 1024 * 1024

_CLONE_NEWUSER, _CLONE_NEWNET, _CLONE_NEWIPC = 0x10000000, 0x40000000, 0x08000000
_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 22, 38
_SECCOMP_MODE_FILTER = 2
_SIGKILL = 9
_LANDLOCK_CREATE, _LANDLOCK_RESTRICT = 444, 446

# Calls that open, connect, start, signal, rename or re-own something: (x86_64, aarch64).
_DENIED = {
    "open": (2, None), "creat": (85, None), "openat": (257, 56), "openat2": (437, 437),
    "open_by_handle_at": (304, 265), "socket": (41, 198), "connect": (42, 203),
    "fork": (57, None), "vfork": (58, None), "clone": (56, 220), "clone3": (435, 435),
    "execve": (59, 221), "execveat": (322, 281), "kill": (62, 129), "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240),
    "pidfd_send_signal": (424, 424), "pidfd_open": (434, 434), "pidfd_getfd": (438, 438),
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "io_uring_setup": (425, 425), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "bpf": (321, 280),
    "keyctl": (250, 219), "shmget": (29, 194), "msgget": (68, 186), "semget": (64, 190),
    "link": (86, None), "linkat": (265, 37), "symlink": (88, None), "symlinkat": (266, 36),
    "mkdir": (83, None), "mkdirat": (258, 34), "mknod": (133, None), "mknodat": (259, 33),
    "unlink": (87, None), "unlinkat": (263, 35), "rmdir": (84, None),
    "rename": (82, None), "renameat": (264, 38), "renameat2": (316, 276),
    "truncate": (76, 45), "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53),
    "fchmodat2": (452, 452), "chown": (92, None), "lchown": (94, None), "fchown": (93, 55),
    "fchownat": (260, 54), "utime": (132, None), "utimes": (235, None),
    "futimesat": (261, None), "utimensat": (280, 88), "setxattr": (188, 5),
    "lsetxattr": (189, 6), "fsetxattr": (190, 7), "removexattr": (197, 14),
    "lremovexattr": (198, 15), "fremovexattr": (199, 16), "flock": (73, 32),
}  # fmt: skip
_TGKILL = (234, 131)
_AUDIT_ARCHES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_X32_BIT = 0x40000000


def confine(*, memory_bytes: int, cpu_seconds: int) -> list[str]:
    """The walls that stand from here on. There is no way back."""
    libc = ctypes.CDLL(None, use_errno=True)
    walls = ["no network (namespace)"] if _leave_network(libc) else []
    if _drop_user():
        walls.append(f"user {NOBODY}")
    libc.prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0:
        walls.append("no new privileges")
    landlock = _landlock(libc)
    if landlock:
        walls.append(f"no files (landlock {landlock})")
    walls.append(_limit(memory_bytes=memory_bytes, cpu_seconds=cpu_seconds))
    if _filter_calls(libc):
        walls.append("no open, socket, fork or exec (seccomp)")
    return walls


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
    files = (1 << min(13 + (abi >= 2) + (abi >= 3) + (abi >= 5), 16)) - 1
    attributes = struct.pack("=QQQ", files, 0b11 if abi >= 4 else 0, 0b11 if abi >= 6 else 0)
    size = 24 if abi >= 6 else 16 if abi >= 4 else 8
    ruleset = libc.syscall(_LANDLOCK_CREATE, attributes, size, 0)
    if ruleset < 0:
        return 0
    enforced = libc.syscall(_LANDLOCK_RESTRICT, ruleset, 0) == 0
    os.close(ruleset)
    return int(abi) if enforced else 0


def _filter_calls(libc: ctypes.CDLL) -> bool:
    known = _AUDIT_ARCHES.get(platform.machine())
    if known is None:
        return False
    column, arch = known
    numbers = [pair[column] for pair in _DENIED.values()]
    denied = [number for number in numbers if number is not None]
    program = _program(arch, denied, own_signal=_TGKILL[column])
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("@HP", len(program) // 8, ctypes.addressof(buffer))
    return bool(libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, header, 0, 0) == 0)


def _program(arch: int, denied: list[int], *, own_signal: int) -> bytes:
    """BPF: another architecture dies, a denied number gets EPERM, the rest runs.

    `own_signal`, with which a process aborts, may only be sent to this process.
    """
    load, jump_equal, jump_at_least, give_back = 0x20, 0x15, 0x35, 0x06
    kill, deny, allow = 0x80000000, 0x00050001, 0x7FFF0000
    number_at, arch_at, argument_at = 0, 4, 16
    count = len(denied)
    instructions = [
        (load, 0, 0, arch_at),
        (jump_equal, 1, 0, arch),
        (give_back, 0, 0, kill),
        (load, 0, 0, number_at),
        (jump_at_least, count + 4, 0, _X32_BIT),
        (jump_equal, 0, 2, own_signal),
        (load, 0, 0, argument_at),
        (jump_equal, count, count + 1, os.getpid()),
        *((jump_equal, count - index, 0, number) for index, number in enumerate(denied)),
        (give_back, 0, 0, allow),
        (give_back, 0, 0, deny),
    ]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in instructions)
