"""`plimsoll evidence`: what was signed about a version; what of it counts, and why the rest not."""

from pathlib import Path
from typing import Annotated

import typer

from registry.cli import options, output, statements, verifying
from registry.cli.approving import Digest, Key, Reason, Reference
from registry.core import canonical, dsse, evidence, fields
from registry.core import digest as digests
from registry.core import evidence_documents as documents
from registry.core.canonical import Json
from registry.core.envelope import Verified, Wanted

app = typer.Typer()
evidence_app = typer.Typer(no_args_is_help=True, help="Signed statements about versions.")
app.add_typer(evidence_app, name="evidence")

Id = Annotated[str, typer.Argument(help="Its id, as `plimsoll evidence list` shows it.")]
_WHAT = "evidence"


@evidence_app.command()
def add(
    reference: Reference,
    file: Annotated[Path, typer.Argument(help="A Sigstore bundle, such as model.sig.")],
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
) -> None:
    """Add a bundle that is signed: a further model signature, a test result, provenance."""
    bundle = canonical.decode_object(statements.read(file), what=str(file))
    with options.connect(server, token_file) as client:
        model, version = options.reference(client, reference)
        statements.told(statements.add(client, model, version, bundle))


@evidence_app.command()
def sign(
    reference: Reference,
    file: Annotated[Path, typer.Argument(help="An in-toto statement about the version's digest.")],
    key: Key,
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
) -> None:
    """Sign an in-toto statement, such as a test result or SLSA provenance, and add it."""
    bundle = statements.signed(statements.read(file), key)
    evidence.kind(bundle)
    with options.connect(server, token_file) as client:
        model, version = options.reference(client, reference)
        statements.told(statements.add(client, model, version, bundle))


@evidence_app.command()
def revoke(
    reference: Reference,
    statement: Id,
    reason: Reason,
    key: Key,
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
) -> None:
    """Withdraw evidence, your own or another's; or lift a quarantine."""
    with options.connect(server, token_file) as client:
        model, version = options.reference(client, reference)
        found = statements.one(client, model, version, digests.parse(statement))
        about = Wanted(model, version, digests.parse(found.get("digest")))
        payload = documents.revocation(about, revokes=statement, reason=reason, at=statements.now())
        statements.told(statements.add(client, model, version, statements.signed(payload, key)))


@evidence_app.command("list")
def list_evidence(
    reference: Reference,
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
    form: output.Listed = output.Listing.TABLE,
) -> None:
    """All there is, as the registry says; to check it, verify."""
    with options.connect(server, token_file) as client:
        found = statements.listed(client, *options.reference(client, reference))
    if form.is_data:
        output.print_document(form, found)
        return
    rows = [
        (item.get("logIndex"), _named(item), item.get("signer"), item.get("at"), item.get("note"),
         item.get("id"))
        for item in found
    ]  # fmt: skip
    output.print_listing(form, ("entry", "what", "signer", "at", "note", "id"), rows)


@evidence_app.command()
def show(
    reference: Reference,
    statement: Id,
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
) -> None:
    """One statement, as it was signed."""
    with options.connect(server, token_file) as client:
        model, version = options.reference(client, reference)
        found = statements.one(client, model, version, digests.parse(statement))
    bundle = fields.mapping(found, "bundle", what=_WHAT)
    payload = canonical.decode_object(dsse.unverified_payload(bundle), what=_WHAT)
    output.print_json(found | {"bundle": bundle, "statement": payload})


@evidence_app.command()
def verify(  # noqa: PLR0913, PLR0917  the options of a command
    reference: Reference,
    file: Annotated[
        Path | None,
        typer.Option(help="The evidence as its page gives it; then no registry is asked."),
    ] = None,
    digest: Digest = None,
    variant: options.Variant = None,
    trust: options.Trust = None,
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
    form: output.Output = output.Form.TABLE,
) -> None:
    """What counts by your own trust root, checked here: signatures, log proofs, revocations.

    What does not count is told, and is no failure; a quarantine that counts is.
    """
    root = options.trust_root(trust)
    if file is not None:
        model, version = options.pinned_reference(reference)
        content = statements.read(file)
        verified = verifying.kept(content, root, model=model, version=version, pinned=digest)
    else:
        with options.connect(server, token_file) as client:
            model, version = options.reference(client, reference)
            verified = verifying.version(
                client, root, model=model, version=version, pinned=digest, variant=variant
            )
    if form.is_data:
        output.print_document(form, _document(verified))
        return
    typer.echo(f"signed by {', '.join(verified.signers)}")
    rows = [
        (one.log_index, _kind(one.kind, one.passed), one.signer, one.at, one.id)
        for one in verified.evidence
    ]
    output.print_table(("entry", "what", "signer", "at", "id"), rows)
    for why in verified.ignored:
        output.message(f"does not count: {output.plain(why)}")


def _document(verified: Verified) -> dict[str, Json]:
    return {
        "model": verified.wanted.model,
        "version": verified.wanted.version,
        "digest": verified.wanted.digest,
        "signers": [*verified.signers],
        "evidence": [
            {
                "id": one.id,
                "kind": str(one.kind),
                "signer": one.signer,
                "key": one.key,
                "at": one.at,
                "logIndex": one.log_index,
                "passed": one.passed,
                "detail": one.detail,
            }
            for one in verified.evidence
        ],
        "ignored": [*verified.ignored],
    }


def _named(item: dict[str, Json]) -> str:
    """What it is, in a word or three."""
    kind, passed = str(item.get("kind")), item.get("passed")
    said = _kind(kind, passed if isinstance(passed, bool) else None)
    if kind == evidence.Kind.REVOCATION and not item.get("revokes"):
        said = "quarantine"
    return f"{said}, revoked" if item.get("revokedBy") is not None else said


def _kind(kind: str, passed: bool | None) -> str:  # noqa: FBT001  what a statement says
    return kind if passed is None else f"{kind} {'passed' if passed else 'not passed'}"
