"""What a process holds in memory, as the kernel counts it (proc(5))."""

import re
from pathlib import Path

MIB = 1024 * 1024


def resident(process: int) -> int:
    """Bytes in memory now."""
    return _status(process, "VmRSS")


def peak(process: int) -> int:
    """The most bytes in memory since the start, or since `forget_peak`."""
    return _status(process, "VmHWM")


def forget_peak(process: int) -> None:
    """Let the peak start over from what is in memory now."""
    Path(f"/proc/{process}/clear_refs").write_text("5")


def _status(process: int, field: str) -> int:
    found = re.search(
        rf"^{field}:\s+(\d+) kB$", Path(f"/proc/{process}/status").read_text(), re.MULTILINE
    )
    if found is None:
        raise ProcessLookupError(process)
    return int(found[1]) * 1024
