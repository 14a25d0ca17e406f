"""`plimsoll pull`: verify all proofs, download, check every byte, and only then move in place."""

import hashlib
import os
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry import errors
from registry.cli import options, output, progress, verifying
from registry.core.envelope import Verified
from registry.core.oms import File

if TYPE_CHECKING:
    from registry.cli.client import Client

app = typer.Typer()

_WORKERS = 4


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
    root = options.current_trust_root(trust)
    _require_room(folder)
    with options.connect(server, token_file) as client:
        model, version = options.reference(client, reference)
        verified = verifying.version(
            client, root, model=model, version=version, pinned=digest, variant=variant
        )
        total = sum(file.size for file in verified.files)
        with progress.of_bytes("downloading", total) as advance:
            _fetch(client, verified, folder, advance)
    output.message(f"signed by {verified.publisher}, entry {verified.log_index} of the log")
    typer.echo(f"{model} {version} {verified.wanted.digest} {folder}")


def _fetch(client: "Client", verified: Verified, folder: Path, advance: progress.Advance) -> None:
    """All files beside the folder first, several at once; it appears whole or not at all."""
    partial = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        with ThreadPoolExecutor(_WORKERS) as pool:
            waiting = [
                pool.submit(_download, client, file, partial / file.path, advance)
                for file in verified.files
            ]
            try:
                for one in waiting:
                    one.result()
            finally:
                pool.shutdown(cancel_futures=True)
        partial.chmod(0o755)
        partial.replace(folder)
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


def _download(client: "Client", file: File, target: Path, advance: progress.Advance) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    hasher, size = hashlib.sha256(), 0
    with client.blob(file.digest) as blocks, target.open("xb") as stream:
        for block in blocks:
            size += len(block)
            if size > file.size:
                break
            hasher.update(block)
            stream.write(block)
            advance(len(block))
        stream.flush()
        os.fsync(stream.fileno())
    verifying.require_bytes(file, f"sha256:{hasher.hexdigest()}", size)
