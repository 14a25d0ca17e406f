"""`plimsoll audit proof`: one entry's proof as a file that anybody can check, for ever."""

import io
from pathlib import Path
from typing import Annotated

import typer

from registry import errors
from registry.cli import audit, audit_log, audit_source, options, output
from registry.core import entries, merkle, tlog_proof
from registry.core.audit import checkpoints, proofs
from registry.core.audit.check import Recorded
from registry.core.entries import Entry, Kind
from registry.core.trustroot import TrustRoot

app = audit.app


@audit.audit_app.command()
def proof(  # noqa: PLR0913, PLR0917  the options of a command
    what: Annotated[
        list[str] | None,
        typer.Argument(metavar="INDEX | MODEL VERSION", help="The entry, or whose publication."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Where the .tlog-proof file goes.")] = None,
    check: Annotated[
        Path | None,
        typer.Option(help="Check this file instead of making one: a proof, or many in one file."),
    ] = None,
    entry: Annotated[
        Path | None,
        typer.Option(help="With --check: the entry's bytes, where the file does not carry them."),
    ] = None,
    bundle: audit_source.Bundle = None,
    trust: options.Trust = None,
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
    form: output.Output = output.Form.TABLE,
) -> None:
    """Write a C2SP tlog-proof of one entry, or check one offline by the trust root alone."""
    if check is not None:
        _check(check, entry, trust, form)
        return
    wanted = _wanted(what or [])
    with audit_source.opened(audit_source.Asked(bundle, trust, server, token_file)) as source:
        found = _made(source, wanted)
    target = out or Path(f"{found.index}{tlog_proof.SUFFIX}")
    try:
        target.write_text(tlog_proof.encode(found), encoding="utf-8")
    except OSError as error:
        raise errors.InvalidConfig(
            f"{target}: the proof cannot be written: {error.strerror}",
            fix="name another file",
        ) from error
    typer.echo(
        f"{target}: entry {found.index}, check it with: plimsoll audit proof --check {target}"
    )


def _wanted(what: list[str]) -> "int | tuple[str, int]":
    match what:
        case [index] if index.isdecimal():
            return int(index)
        case [model, version] if version.isdecimal():
            return model, int(version)
        case _:
            raise errors.InvalidInput(
                "which entry?", fix="write its index, or a model and a version: fraud 7"
            )


def _made(source: audit_source.Source, wanted: "int | tuple[str, int]") -> tlog_proof.Proof:
    """Reads the log once from front to back; keeps the hashes of complete subtrees, no leaves."""
    nodes: dict[tuple[int, int], bytes] = {}
    chosen: Recorded | None = None

    def node(level: int, at: int) -> bytes:
        return nodes[level, at]

    for recorded in source.walk():
        for level, at, value in merkle.appended(recorded.index, recorded.leaf, node):
            nodes[level, at] = value
        if chosen is None and _is_wanted(recorded, wanted):
            chosen = recorded
    source.require_sound()
    signed = source.found.signed
    if chosen is None:
        raise errors.NotFound(
            f"the log of {signed.size} entries has no {_named(wanted)}",
            fix="see what there is with `plimsoll audit query --kind published`",
        )
    hashes = merkle.inclusion_proof(chosen.index, signed.size, node)
    return tlog_proof.Proof(chosen.index, tuple(hashes), signed.text, chosen.leaf)


def _is_wanted(recorded: Recorded, wanted: "int | tuple[str, int]") -> bool:
    entry = recorded.entry
    if isinstance(wanted, int):
        return recorded.index == wanted
    return entry.kind is Kind.PUBLISHED and (entry.model, entry.version) == wanted


def _named(wanted: "int | tuple[str, int]") -> str:
    if isinstance(wanted, int):
        return f"entry {wanted}"
    return f"publication of {wanted[0]}@{wanted[1]}"


def _check(path: Path, entry: Path | None, trust: Path | None, form: output.Form) -> None:
    root = options.trust_root(trust)
    content = _read(path)
    if not tlog_proof.looks_like_one(content):
        _check_all(content, root, form)
        return
    text = content.decode("utf-8", "replace")
    leaf = None if entry is None else _read(entry)
    checkpoint = tlog_proof.verify(text, root.log, leaf=leaf)
    witnesses = checkpoints.cosigned(checkpoint, root)
    proven = tlog_proof.parse(text)
    found = entries.decode(proven.extra if leaf is None else leaf)
    if form.is_data:
        output.print_document(
            form,
            {"index": proven.index, "size": checkpoint.size, "origin": checkpoint.origin,
             "witnesses": list(witnesses), "entry": _document(found)}
        )  # fmt: skip
        return
    output.print_fields(_document(found).items())
    signers = " and ".join((checkpoint.origin, *witnesses))
    typer.echo(f"\nproven: entry {proven.index} of {checkpoint.size}, signed by {signers}")


def _check_all(content: bytes, root: TrustRoot, form: output.Form) -> None:
    """Many entries in one file, as a search brings them; none is shown before all hold."""
    proven = [
        (one, checkpoints.cosigned(one.checkpoint, root))
        for one in proofs.checked(io.BytesIO(content).read, root.log)
    ]
    if form.is_data:
        output.print_document(
            form,
            [
                {"index": one.index, "size": one.checkpoint.size, "origin": one.checkpoint.origin,
                 "witnesses": list(witnesses), "entry": _document(one.entry)}
                for one, witnesses in proven
            ],
        )  # fmt: skip
        return
    listed = [(one.index, one.entry) for one, _ in proven]
    audit_log.print_entries(listed, output.Listing.TABLE)
    signers = dict.fromkeys(
        name for one, witnesses in proven for name in (one.checkpoint.origin, *witnesses)
    )
    typer.echo(f"\nproven: {len(proven)} entries, signed by {' and '.join(signers) or 'nobody'}")


def _document(entry: Entry) -> dict[str, object]:
    shown = {name: getattr(entry, name) for name in Entry.__slots__}
    return {name: value for name, value in shown.items() if value not in ("", 0, {})}


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise errors.InvalidConfig(
            f"{path}: cannot be read: {error.strerror}", fix="name the file of the proof"
        ) from error
