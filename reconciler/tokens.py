"""The token that speaks for us, read anew at each call, so that a renewed one is used at once."""

from pathlib import Path

from registry import errors


def read(file: Path) -> str:
    """The token in `file`; raises `Unavailable` where it cannot be read.

    That is no end: who renews a token may take the old one away first, and threads that tell of
    us, or renew our leases, must live on until the new one is there.
    """
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise errors.Unavailable(
            f"the registry's token {file} cannot be read: {error}",
            fix="put the file there again: it is read at each call",
        ) from error
