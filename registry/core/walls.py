"""What tells the Linux kernel which rights a process gives up: programs and attributes, as bytes.

Nothing is done here. Whoever shuts itself in hands them to the kernel: the registry's inspection,
and a model's own process on a host. Numbers are the kernel's, for x86_64 and aarch64.
"""

import struct
from collections.abc import Callable, Iterable

# Calls that open, connect, start, signal, rename or re-own something: (x86_64, aarch64).
_NUMBERS = {
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
_OWN_SIGNAL = (234, 131)  # tgkill, with which a process aborts
_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_X32_BIT = 0x40000000

_LOAD, _AND, _EQUAL, _AT_LEAST, _GIVE_BACK = 0x20, 0x54, 0x15, 0x35, 0x06
_KILL, _ALLOW, _REFUSE = 0x80000000, 0x7FFF0000, 0x00050000
_NOT_PERMITTED, _NOT_THERE = 1, 38  # EPERM, ENOSYS
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16

_CLONE_THREAD = 0x10000
_WRITING = 0o3 | 0o100 | 0o1000 | 0o2000  # O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, O_APPEND
# Allowed where the argument, masked, has the value: of the call by position, mask and value.
_CONDITIONS = {
    "open": (1, _WRITING, 0),
    "openat": (2, _WRITING, 0),
    "clone": (0, _CLONE_THREAD, _CLONE_THREAD),
}
# Their arguments lie in memory, where no filter looks: the C library then takes the older call.
_OF_FILES = frozenset(
    {"open", "creat", "openat", "link", "linkat", "symlink", "symlinkat", "mkdir", "mkdirat",
     "unlink", "unlinkat", "rmdir", "rename", "renameat", "renameat2", "truncate", "chmod",
     "fchmod", "fchmodat", "fchmodat2", "utime", "utimes", "futimesat", "utimensat", "flock"}
)  # fmt: skip
_OLDER_CALL_THERE = frozenset({"clone3", "openat2"})

_Instruction = tuple[int, int, int, int]
# What a rule of Landlock is made of: an open descriptor.
Rule = Callable[[int], bytes]


def reads_nothing(machine: str, *, pid: int) -> bytes | None:
    """A filter for a process that has all it needs: no open, socket, thread, fork or exec.

    None for a machine whose numbers are not known. Another architecture's call ends the process.
    """
    return _program(machine, pid, conditions={}, missing=frozenset())


def computes(machine: str, *, pid: int) -> bytes | None:
    """A filter for an engine at work: it may start threads and read files, and no more of that."""
    return _program(machine, pid, conditions=_CONDITIONS, missing=_OLDER_CALL_THERE)


def makes(machine: str, *, pid: int) -> bytes | None:
    """A filter for a process that writes files: no socket, no other process, no exec.

    Which files it is for Landlock to say.
    """
    of_threads = {"clone": _CONDITIONS["clone"]}
    return _program(machine, pid, conditions=of_threads, missing=_OLDER_CALL_THERE, free=_OF_FILES)


def landlock_ruleset(abi: int) -> bytes:
    """Every right that this version of Landlock can take: nothing is allowed unless by a rule."""
    attributes = struct.pack(
        "=QQQ", _of_files(abi), 0b11 if abi >= 4 else 0, 0b11 if abi >= 6 else 0
    )
    return attributes[: 24 if abi >= 6 else 16 if abi >= 4 else 8]


def landlock_reading(descriptor: int) -> bytes:
    """A rule: what is below the open folder may be read and run. For a file: `landlock_file`."""
    return struct.pack("=Qi", 0b1101, descriptor)


def landlock_file(descriptor: int) -> bytes:
    """A rule: the open file may be read and written."""
    return struct.pack("=Qi", 0b0110, descriptor)


def landlock_all(descriptor: int, abi: int) -> bytes:
    """A rule: whatever can be done to files may be done below the open folder."""
    return struct.pack("=Qi", _of_files(abi), descriptor)


def _of_files(abi: int) -> int:
    return (1 << min(13 + (abi >= 2) + (abi >= 3) + (abi >= 5), 16)) - 1


def _program(
    machine: str,
    pid: int,
    *,
    conditions: dict[str, tuple[int, int, int]],
    missing: frozenset[str],
    free: frozenset[str] = frozenset(),
) -> bytes | None:
    known = _ARCHITECTURES.get(machine)
    if known is None:
        return None
    column, architecture = known
    rules = [*_allowed_if(_OWN_SIGNAL[column], (0, 0xFFFFFFFF, pid))]
    for name, numbers in _NUMBERS.items():
        number = numbers[column]
        if number is None or name in free:
            continue
        condition = conditions.get(name)
        error = _NOT_THERE if name in missing else _NOT_PERMITTED
        rules += _refused(number, error) if condition is None else _allowed_if(number, condition)
    return _packed(
        [
            (_LOAD, 0, 0, _ARCHITECTURE_AT),
            (_EQUAL, 1, 0, architecture),
            (_GIVE_BACK, 0, 0, _KILL),
            (_LOAD, 0, 0, _NUMBER_AT),
            (_AT_LEAST, 0, 1, _X32_BIT),
            (_GIVE_BACK, 0, 0, _REFUSE | _NOT_PERMITTED),
            *rules,
            (_GIVE_BACK, 0, 0, _ALLOW),
        ]
    )


def _refused(number: int, error: int) -> Iterable[_Instruction]:
    return (_EQUAL, 0, 1, number), (_GIVE_BACK, 0, 0, _REFUSE | error)


def _allowed_if(number: int, condition: tuple[int, int, int]) -> Iterable[_Instruction]:
    position, mask, value = condition
    return (
        (_EQUAL, 0, 5, number),
        (_LOAD, 0, 0, _ARGUMENTS_AT + 8 * position),
        (_AND, 0, 0, mask),
        (_EQUAL, 0, 1, value),
        (_GIVE_BACK, 0, 0, _ALLOW),
        (_GIVE_BACK, 0, 0, _REFUSE | _NOT_PERMITTED),
    )


def _packed(instructions: Iterable[_Instruction]) -> bytes:
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in instructions)
