"""`plimsoll audit export`: everything an auditor needs, checked and written in one go."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from registry import errors
from registry.cli import audit, audit_source, options, output
from registry.core.audit import archive, findings
from registry.core.audit.archive import Member
from registry.core.canonical import Json

app = audit.app

_BUFFER = 1024 * 1024


@audit.audit_app.command()
def export(
    out: Annotated[Path, typer.Option(help="Where the bundle goes; it appears when it is whole.")],
    since: Annotated[
        Path | None,
        typer.Option(help="An earlier bundle: its tiles are not fetched, its checkpoint is kept."),
    ] = None,
    trust: options.Trust = None,
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
    form: output.Output = output.Form.TABLE,
) -> None:
    """Write the log and all its evidence into one file, which `audit verify` checks offline.

    The same log gives the same bytes. What does not hold is exported all the same, as evidence;
    the exit code then is 5.
    """
    asked = audit_source.Asked(None, trust, server, token_file, since)
    with audit_source.opened(asked) as source, _appearing(out) as writer:
        source.members = writer.written(source.members)
        for _ in source.walk():
            pass
        writer.end()
    found = source.found
    if form.is_data:
        written = {"bundle": str(out), "sha256": writer.sha256, "bytes": writer.size}
        output.print_document(form, {**written, **_document(found)})
    else:
        typer.echo(
            f"{out}: {found.entries} entries, {found.documents} documents, "
            f"{output.size(writer.size)}, sha256 {writer.sha256}"
        )
    findings.require_sound(found)


def _document(found: findings.Findings) -> dict[str, Json]:
    return {
        "size": found.signed.size,
        "root": found.signed.root.hex(),
        "documents": found.documents,
        "flaws": [f"{flaw.where}: {flaw.what}" for flaw in found.flaws],
    }


class _Writer:
    """Writes members as they pass by, and knows their sum."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._hasher = hashlib.sha256()
        self.size = 0

    @property
    def sha256(self) -> str:
        return self._hasher.hexdigest()

    def written(self, members: Iterable[Member]) -> Iterator[Member]:
        for member in members:
            self._write(archive.pack(member))
            yield member

    def end(self) -> None:
        self._write(archive.END)

    def _write(self, data: bytes) -> None:
        self._stream.write(data)
        self._hasher.update(data)
        self.size += len(data)


@contextmanager
def _appearing(path: Path) -> Iterator[_Writer]:
    """A file that is there whole or not at all, whatever breaks in between."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with partial.open("xb", buffering=_BUFFER) as stream:
            yield _Writer(stream)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    except OSError as error:
        raise errors.InvalidConfig(
            f"{path}: the bundle cannot be written: {error.strerror}",
            fix="name a file in a folder that this user may write to, with room on its disk",
        ) from error
    finally:
        partial.unlink(missing_ok=True)
