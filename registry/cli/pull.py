"""`plimsoll pull`: verify all proofs, download, check every byte, and only then move in place."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry import errors
from registry.cli import options, output, progress, verifying
from registry.store import durable

if TYPE_CHECKING:
    from registry.cli.client import Client
    from registry.core.oms import File

app = typer.Typer()


@app.command()
def pull(  # noqa: PLR0913, PLR0917  the options of a command
    reference: Annotated[
        str, typer.Argument(help="NAME@VERSION or NAME:ALIAS.", metavar="REFERENCE")
    ],
    folder: Annotated[Path, typer.Argument(help="A folder that is not there yet, or is empty.")],
    digest: Annotated[
        str | None, typer.Option(help="The digest that it must have, sha256:…")
    ] = None,
    variant: options.Variant = None,
    trust: options.Trust = None,
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
) -> None:
    """Download a version and verify it: signatures, log proof and every byte."""
    access = options.Access(server, token_file)
    typer.echo(" ".join([*fetched(reference, folder, trust, access, digest, variant), str(folder)]))


def fetch(
    reference: str,
    folder: Path,
    trust: Path | None,
    access: options.Access,
    digest: str | None = None,
) -> str:
    """A version's verified files in `folder`; gives which version they are, as MODEL@VERSION."""
    model, version, _ = fetched(reference, folder, trust, access, digest)
    return f"{model}@{version}"


def fetched(
    reference: str,
    folder: Path,
    trust: Path | None,
    access: options.Access,
    digest: str | None = None,
    variant: str | None = None,
) -> tuple[str, str, str]:
    """The same; gives model, version and the digest that was verified."""
    root = options.current_trust_root(trust)
    _require_room(folder)
    with options.connect(access.server, access.token_file) as client:
        model, version = options.reference(client, reference)
        verified = verifying.version(
            client, root, model=model, version=version, pinned=digest, variant=variant
        )
        total = sum(file.size for file in verified.files)
        with progress.of_bytes("downloading", total) as advance:
            bring(client, verified.files, folder, advance)
    output.message(f"signed by {verified.publisher}, entry {verified.log_index} of the log")
    return model, str(version), str(verified.wanted.digest)


def bring(
    client: "Client", files: "Sequence[File]", folder: Path, advance: progress.Advance
) -> None:
    """All files beside the folder first, several at once; it appears whole or not at all."""
    partial = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        _download(client, files, partial, advance)
        _sync(files, partial)
        partial.chmod(0o755)
        partial.replace(folder)
        durable.sync_folder(folder.parent)
    except OSError as error:
        raise errors.StorageFull(
            f"{folder}: cannot be written: {error.strerror}",
            fix="name another folder, or make room",
        ) from error
    finally:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)


def _require_room(folder: Path) -> None:
    if folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
        raise errors.Conflict(
            f"{folder} is there already and not empty", fix="name a folder that is not there yet"
        )


def _download(
    client: "Client", files: "Sequence[File]", folder: Path, advance: progress.Advance
) -> None:
    from registry.cli import downloading  # noqa: PLC0415  heavy

    for inner in {(folder / file.path).parent for file in files}:
        inner.mkdir(parents=True, exist_ok=True)

    def store(file: "File", blocks: Iterator[memoryview]) -> None:
        with (folder / file.path).open("xb", buffering=0) as stream:
            written = 0
            for block in blocks:
                durable.write_whole(stream.fileno(), block)
                # Begins to write it out, which the syncs at the end then wait for together.
                os.posix_fadvise(stream.fileno(), written, len(block), os.POSIX_FADV_DONTNEED)
                written += len(block)
                advance(len(block))

    downloading.each(client, files, store)


def _sync(files: "Sequence[File]", folder: Path) -> None:
    """What survives a power cut, before the name is there by which anybody finds it."""
    for file in files:
        durable.sync_file(folder / file.path)
    for inner in {parent for file in files for parent in Path(file.path).parents}:
        durable.sync_folder(folder / inner)
