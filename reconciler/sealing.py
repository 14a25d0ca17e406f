"""`plimsoll secrets`: files of secrets for Git, encrypted where a person has them in the clear.

Values are in the clear in memory, in the editor and in a folder that nobody else may enter, in
memory where the system has one; nothing here prints one.
"""

import os
import secrets
import shlex
import stat
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry import errors

if TYPE_CHECKING:
    from reconciler.core.sops.file import Opened, Tree
    from registry.core.age import Identity

app = typer.Typer(no_args_is_help=True, help="Secrets in Git, encrypted with age as SOPS does.")

File = Annotated[Path, typer.Argument(help="Such as models.d/secrets/tracing.yaml.")]
Key = Annotated[
    Path, typer.Option(envvar="SOPS_AGE_KEY_FILE", help="A file of age identities, mode 0600.")
]
Recipients = Annotated[
    list[str] | None, typer.Option("--recipient", help="Who may open it, as age1…; repeatable.")
]
_MEMORY = Path("/dev/shm")  # noqa: S108  a folder of our own is made in it


@app.command()
def keys(
    config: Annotated[Path, typer.Option(help="The configuration file.")] = Path("plimsoll.toml"),
    *,
    identity: Annotated[Path | None, typer.Option(help="This file instead.")] = None,
) -> None:
    """Print who secrets must be encrypted to here; make the key if there is none."""
    from reconciler import unsealing  # noqa: PLC0415  heavy

    path = identity or _configured(config)
    if not path.exists():
        _make_key(path)
    for one in unsealing.identities(path):
        typer.echo(one.recipient)


@app.command()
def encrypt(path: File, *, recipient: Recipients = None) -> None:
    """Encrypt the values of a file in place; it is in the clear before."""
    tree = _tree(path)
    if "sops" in tree:
        raise errors.Conflict(f"{path} is encrypted already", fix="change it with secrets edit")
    _save(path, _closed(tree, recipient or []))
    typer.echo(f"{path}: encrypted to {len(recipient or [])}")


@app.command()
def edit(path: File, *, identity: Key) -> None:
    """Open the values of a file in $EDITOR; what does not change keeps its ciphertext."""
    from reconciler.core.kubernetes import text  # noqa: PLC0415  heavy
    from reconciler.core.sops import file  # noqa: PLC0415  heavy

    known = _tree(path)
    opened = file.opened(known, _identities(identity), what=str(path))
    before = text.documents([opened.tree])
    after = _edited(before, path.name)
    if after == before:
        typer.echo(f"{path}: nothing changed")
        return
    tree = _parsed(str(path), after.encode())
    if "sops" in tree:
        raise errors.InvalidInput(f"{path}: sops is written here", fix="leave it out")
    _save(path, _closed(tree, opened.recipients, before=(known, opened)))
    typer.echo(f"{path}: changed")


@app.command()
def rotate(
    path: File,
    *,
    identity: Key,
    add: Annotated[list[str] | None, typer.Option(help="One more recipient, age1…")] = None,
    remove: Annotated[list[str] | None, typer.Option(help="One recipient less, age1…")] = None,
) -> None:
    """Encrypt a file anew with another data key, for more or fewer recipients."""
    from reconciler.core.sops import file  # noqa: PLC0415  heavy

    opened = file.opened(_tree(path), _identities(identity), what=str(path))
    gone = remove or []
    for one in gone:
        if one not in opened.recipients:
            raise errors.NotFound(
                f"{path} is not encrypted to {one}", fix=f"it is to {', '.join(opened.recipients)}"
            )
    to = [one for one in dict.fromkeys([*opened.recipients, *(add or [])]) if one not in gone]
    _save(path, _closed(opened.tree, to))
    typer.echo(f"{path}: encrypted anew to {len(to)}")
    if gone:
        typer.echo("Git keeps the former file, which they can open: change the values as well")


def _configured(path: Path) -> Path:
    from reconciler import config  # noqa: PLC0415  heavy

    found = config.load(path).age_identity_file
    if found is None:
        raise errors.InvalidConfig(
            f"{path}: the setting age_identity_file is missing",
            fix='add age_identity_file = "age.key", or name a file with --identity',
        )
    return found


def _make_key(path: Path) -> None:
    from registry.core import age  # noqa: PLC0415  heavy
    from registry.trust import keys as private  # noqa: PLC0415  heavy

    made = age.Identity(secrets.token_bytes(32))
    lines = [f"# created: {_now()}", f"# public key: {made.recipient}", made.text, ""]
    try:
        private.write_new(path, "\n".join(lines).encode())
    except OSError as error:
        raise errors.InvalidConfig(f"{path} cannot be made: {error.strerror}") from error


def _identities(path: Path) -> "list[Identity]":
    from reconciler import unsealing  # noqa: PLC0415  heavy

    return unsealing.identities(path)


def _tree(path: Path) -> "Tree":
    try:
        return _parsed(str(path), path.read_bytes())
    except OSError as error:
        raise errors.NotFound(f"{path} cannot be read: {error.strerror}") from error


def _parsed(name: str, data: bytes) -> "Tree":
    """A parser's own words may repeat a value, so that only the place is told."""
    from registry.core import documents  # noqa: PLC0415  heavy

    found = documents.read(name, data)
    if isinstance(found, documents.Problem):
        raise errors.InvalidDesiredState(
            f"{name}:{found.line}:{found.column}: cannot be read as YAML",
            fix="put quotes around the value there",
        )
    return found.value


def _closed(
    tree: "Tree", to: Sequence[str], *, before: "tuple[Tree, Opened] | None" = None
) -> "Tree":
    from reconciler.core.sops import file  # noqa: PLC0415  heavy

    return file.closed(tree, to, now=_now(), entropy=secrets.token_bytes, before=before)


def _save(path: Path, tree: "Tree") -> None:
    """Only what would be read again replaces the file; a crash leaves the one or the other."""
    from reconciler import unsealing  # noqa: PLC0415  heavy
    from reconciler.core.kubernetes import text  # noqa: PLC0415  heavy

    data = text.documents([tree]).encode()
    unsealing.read(str(path), data)
    draft = path.with_name(f".{path.name}.new")
    draft.write_bytes(data)
    draft.chmod(stat.S_IMODE(path.stat().st_mode))
    draft.replace(path)


def _edited(text: str, name: str) -> str:
    import subprocess  # noqa: PLC0415  for this command alone
    import tempfile  # noqa: PLC0415  for this command alone

    editor = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
    place = _MEMORY if _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=place) as folder:  # mode 0700
        draft = Path(folder) / name
        draft.write_text(text, encoding="utf-8")
        try:
            done = subprocess.run([*editor, str(draft)], check=False)  # noqa: S603  the person's own
        except OSError as error:
            raise errors.InvalidInput(
                f"the editor {editor[0]} cannot be run", fix="set EDITOR"
            ) from error
        if done.returncode:
            raise errors.InvalidInput(f"the editor ended with {done.returncode}: nothing changed")
        return draft.read_text(encoding="utf-8")


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
