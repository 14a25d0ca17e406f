"""This host's age identity: what the registry encrypts files to on their way here.

Made at the first start, in the cache's folder, for this user alone. Only its public half, the
recipient, is ever told: the host is enrolled with that.
"""

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from registry.core import age
from registry.core.age import Identity
from registry.errors import InvalidConfig, InvalidInput
from runtime import durable

_LIMIT = 4096


def load_or_create(path: Path) -> Identity:
    """The identity at `path`; of several runtimes that start at once, all get the same.

    Raises InvalidConfig where it is none, or others may read it.
    """
    if not path.exists():
        made = Identity(secrets.token_bytes(32))
        with suppress(FileExistsError):
            durable.create(path, f"# recipient: {made.recipient}\n{made.text}\n".encode())
    lines = _read(path).decode("utf-8", "replace").splitlines()
    found = [line for line in lines if line and not line.startswith("#")]
    try:
        return age.identity(found[0] if len(found) == 1 else "")
    except InvalidInput as error:
        raise InvalidConfig(
            f"{path}: not an age identity: {error.detail}",
            fix="put the file back, or remove it and enrol the host again with its new recipient",
        ) from None


def _read(path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise InvalidConfig(f"{path}: cannot be read: {error.strerror}") from error
    try:
        # The open file is judged, not the path: nobody can swap it in between.
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode) or mode & 0o077:
            raise InvalidConfig(
                f"{path}: mode {stat.S_IMODE(mode):04o} lets others read this host's key",
                fix=f"remove {path}, then enrol the host again with its new recipient",
            )
        return os.read(descriptor, _LIMIT)
    finally:
        os.close(descriptor)
