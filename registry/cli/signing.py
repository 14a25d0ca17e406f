"""`plimsoll sign` and `plimsoll verify`: a folder and its signature, with no registry around.

The signature is an OpenSSF Model Signing bundle: `model_signing verify` reads what is written
here, and what `model_signing sign` writes is read here.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry import errors
from registry.cli import options, output, progress
from registry.core import canonical, dsse, oms
from registry.core.canonical import Json
from registry.core.certificates import Certified
from registry.core.trustroot import TrustRoot

if TYPE_CHECKING:
    from registry.core.oms import File

app = typer.Typer()

SIGNATURE = "model.sig"
MAX_SIGNATURE = 8 * 1024**2
# Beyond every entry of every log: keys that count from now on, and none that has ended.
_LATEST = 2**62

Folder = Annotated[Path, typer.Argument(help="The model's folder.")]
Signature = Annotated[
    Path | None, typer.Option(help="The signature's file; without it, model.sig in the folder.")
]


@app.command()
def sign(
    folder: Folder,
    key: Annotated[
        Path, typer.Option(envvar="PLIMSOLL_KEY", help="The publisher's private key file.")
    ],
    certificate_chain: Annotated[
        Path | None,
        typer.Option(help="The key's certificate and its intermediates, in one PEM file."),
    ] = None,
    signature: Signature = None,
    name: Annotated[
        str, typer.Option(help="The model's name in the signature; without it, the folder's.")
    ] = "",
) -> None:
    """Sign a folder, offline. `plimsoll push --signature` publishes it later, elsewhere."""
    from registry.trust import chains, keys  # noqa: PLC0415  heavy
    from registry.trust import sign as signing  # noqa: PLC0415  heavy

    target = _place(folder, signature)
    signing_key = keys.load_signing_key(key)
    chain = [] if certificate_chain is None else chains.load(certificate_chain, signing_key)
    files = hashed(folder, target)
    bundle = signing.sign_model(name or folder.resolve().name, files, signing_key, chain)
    try:
        target.write_text(json.dumps(bundle) + "\n", encoding="utf-8")
    except OSError as error:
        raise errors.InvalidConfig(
            f"{target}: the signature cannot be written: {error.strerror}",
            fix="name another file with --signature",
        ) from error
    output.message(f"signed {len(files)} files")
    typer.echo(str(target))


@app.command()
def verify(
    folder: Folder,
    signature: Signature = None,
    trust: options.Trust = None,
    public_key: Annotated[
        Path | None, typer.Option(help="Believe this public key (PEM) instead of a trust root.")
    ] = None,
    form: output.Output = output.Form.TABLE,
) -> None:
    """Check a folder against its signature: exactly these files, by a publisher who is trusted."""
    source = _place(folder, signature)
    bundle = read(source)
    signers, certified = _trusted(trust, public_key)
    files = hashed(folder, source)
    signer = oms.verify(bundle, files, signers, certified)
    result = {
        "folder": str(folder),
        "signer": signer,
        "files": len(files),
        "bytes": sum(file.size for file in files),
        "verdict": "verified",
    }
    if form.is_data:
        output.print_document(form, result)
    else:
        output.print_fields(result.items())


def read(path: Path) -> dict[str, Json]:
    """The bundle in `path`; raises InvalidConfig or InvalidInput."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise errors.InvalidConfig(
            f"{path}: the signature cannot be read: {error.strerror}",
            fix="sign the folder with: plimsoll sign FOLDER --key KEY",
        ) from error
    if len(content) > MAX_SIGNATURE:
        raise errors.TooLarge(f"{path}: {len(content)} bytes are no signature")
    return canonical.decode_object(content, what=str(path))


def hashed(folder: Path, signature: Path) -> "tuple[File, ...]":
    """Every file of the folder but its signature. Nothing else is ever left out."""
    from registry.cli import uploading  # noqa: PLC0415  heavy

    places = uploading.collect(folder, signature)
    total = sum(place.stat().st_size for place in places.values())
    with progress.of_bytes("hashing", total) as advance:
        return uploading.hash_files(places, advance)


def _place(folder: Path, signature: Path | None) -> Path:
    if not folder.is_dir():
        raise errors.InvalidInput(
            f"{folder} is not a folder",
            fix="put a model of one file into a folder: verifiers disagree on the name of a lone "
            "file",
        )
    return signature or folder / SIGNATURE


def _trusted(
    trust: Path | None, public_key: Path | None
) -> tuple[tuple[dsse.Signer, ...], Certified | None]:
    if public_key is None:
        root: TrustRoot = options.current_trust_root(trust)
        now = datetime.now(UTC)
        return root.publishers_at(_LATEST), Certified(root.authorities, _LATEST, now)
    try:
        return (dsse.signer(public_key.name, public_key.read_text(encoding="utf-8")),), None
    except (OSError, UnicodeDecodeError) as error:
        raise errors.InvalidConfig(f"{public_key}: the key cannot be read: {error}") from error
