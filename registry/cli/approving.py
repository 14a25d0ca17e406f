"""`plimsoll approve` and `plimsoll quarantine`: a person's word on a version, under their key.

What is approved is the digest that this machine has verified, not one that the registry names.
"""

from pathlib import Path
from typing import Annotated

import typer

from registry.cli import options, output, statements, verifying
from registry.core import digest as digests
from registry.core import evidence_documents as documents
from registry.core.envelope import Wanted

app = typer.Typer()

Reference = Annotated[str, typer.Argument(help="NAME@VERSION or NAME:ALIAS.", metavar="REFERENCE")]
Key = Annotated[Path, typer.Option(envvar="PLIMSOLL_KEY", help="Your private key file.")]
Reason = Annotated[
    str, typer.Option(help="Why. It is signed and shown; it is not in the log, and can be erased.")
]
Digest = Annotated[str | None, typer.Option(help="The digest that it must have, sha256:…")]


@app.command()
def approve(  # noqa: PLR0913, PLR0917  the options of a command
    reference: Reference,
    reason: Reason,
    key: Key,
    digest: Digest = None,
    variant: options.Variant = None,
    trust: options.Trust = None,
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
) -> None:
    """Say that a version may be served. It counts if the trust root lists you as an approver."""
    root = options.trust_root(trust)
    with options.connect(server, token_file) as client:
        model, version = options.reference(client, reference)
        verified = verifying.version(
            client, root, model=model, version=version, pinned=digest, variant=variant
        )
        payload = documents.approval(verified.wanted, reason=reason, at=statements.now())
        added = statements.add(client, model, version, statements.signed(payload, key))
    output.message(f"signed by {verified.publisher}, {verified.size} bytes, {verified.format}")
    statements.told(added)


@app.command()
def quarantine(
    reference: Reference,
    reason: Reason,
    key: Key,
    variant: options.Variant = None,
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
) -> None:
    """Say that a version must not be served: nothing new starts with it from now on.

    Publishers and approvers can. To lift it: plimsoll evidence revoke REFERENCE ID.
    """
    with options.connect(server, token_file) as client:
        model, version = options.reference(client, reference)
        digest = verifying.stated_digest(client, model, version, variant)
        payload = documents.revocation(
            Wanted(model, version, digests.parse(digest)),
            revokes="",
            reason=reason,
            at=statements.now(),
        )
        statements.told(statements.add(client, model, version, statements.signed(payload, key)))
