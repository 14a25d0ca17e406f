"""`plimsoll trust`: make, change, sign, check and show trust roots. All of it works offline.

A change begins as a draft, a file of its own; it becomes the newest version of trust.json only
once enough root keys have signed it.
"""

from pathlib import Path
from typing import Annotated

import typer

from registry import errors
from registry.cli import options, output, trust_files
from registry.core import fields, trustchain, trustedit
from registry.core.note import WitnessKey
from registry.core.trustedit import Role
from registry.core.trustroot import Root, TrustRoot

app = typer.Typer()
trust_app = typer.Typer(no_args_is_help=True, help="The trust root: whose signatures count.")
app.add_typer(trust_app, name="trust")

Current = Annotated[Path, typer.Argument(help="The trust root, trust.json.", metavar="TRUST")]
Draft = Annotated[Path, typer.Argument(help="The draft of the next version.", metavar="DRAFT")]
Out = Annotated[Path, typer.Option("--out", help="Where the draft goes.")]
Expires = Annotated[
    str, typer.Option(help="When it expires, such as 2027-06-30T00:00:00Z; empty: as before.")
]


@trust_app.callback()
def trust() -> None:
    """The trust root: whose signatures count."""


@trust_app.command()
def show(
    file: Annotated[
        Path | None,
        typer.Argument(help="A trust root or a draft; without it, --trust.", metavar="FILE"),
    ] = None,
    trust: options.Trust = None,
    form: output.Output = output.Form.TABLE,
) -> None:
    """Show who is trusted with what, up to where in the log, and who signs the next version."""
    if file is not None and (link := trust_files.draft_or_none(file)) is not None:
        found = link.trust
    else:
        found = options.trust_root(file or trust)
    if form.is_data:
        output.print_document(form, found.document())
        return
    output.print_fields(
        [("version", found.version or "unsigned"), ("expires", found.expires or "never")]
    )
    output.print_table(("role", "name", "from entry", "up to entry"), trust_files.rows(found))


@trust_app.command()
def init(
    current: Current,
    out: Out,
    root: Annotated[
        list[str], typer.Option(help="NAME=FILE of a root key's public half. Repeatable.")
    ],
    threshold: Annotated[int, typer.Option(min=1, help="How many root keys must sign.")],
    expires: Expires = "",
) -> None:
    """Draft the first signed version of a plain trust root."""
    keys = tuple(trust_files.named_key(pair) for pair in root)
    made = trustedit.first(trust_files.newest(current), Root(threshold, keys), expires)
    _write(out, made)


@trust_app.command("next")
def following(
    current: Current,
    out: Out,
    threshold: Annotated[
        int, typer.Option(min=0, help="How many root keys must sign; 0: as before.")
    ] = 0,
    expires: Expires = "",
) -> None:
    """Draft the version after the newest, the same but for its number."""
    newest = trust_files.newest(current)
    _write(out, trustedit.following(newest, threshold=threshold, expires=expires))


@trust_app.command()
def add(
    draft: Draft,
    role: Annotated[Role, typer.Argument(help="What the key may sign.")],
    name: Annotated[str, typer.Argument(help="Whose key it is.")],
    key: Annotated[Path, typer.Argument(help="The public key, or what `keys generate` printed.")],
) -> None:
    """Let somebody's key count. Signatures that the draft had do not count any more."""
    signer = trust_files.public_key(name, key)
    _write(draft, trustedit.add(trust_files.draft(draft).trust, role, signer))


@trust_app.command("authority")
def add_authority(
    draft: Draft,
    name: Annotated[str, typer.Argument(help="What to call the authority.")],
    certificate: Annotated[Path, typer.Argument(help="Its own certificate, in PEM form.")],
    identity: Annotated[
        list[str],
        typer.Option(help="email:ADDRESS=NAME or uri:URI=NAME that it may vouch for. Repeatable."),
    ],
) -> None:
    """Let an authority vouch by certificate for publishers, and for no others than these."""
    made = trust_files.authority(name, certificate, identity)
    _write(draft, trustedit.add_authority(trust_files.draft(draft).trust, made))


@trust_app.command()
def witness(
    draft: Draft,
    name: Annotated[str, typer.Argument(help="The witness's name.")],
    key: Annotated[str, typer.Argument(help="Its public key: 32 bytes of Ed25519 in base64.")],
    needed: Annotated[
        int, typer.Option(min=0, help="How many of all witnesses must have seen a checkpoint.")
    ],
) -> None:
    """List a witness of the log, and say how many of them hosts demand."""
    made = WitnessKey(name, fields.unbase64(key, what="the witness's key"))
    _write(draft, trustedit.add_witness(trust_files.draft(draft).trust, made, needed))


@trust_app.command("registry")
def replace_registry(
    draft: Draft,
    key: Annotated[Path, typer.Argument(help="The public half of the registry's new key.")],
    entry: Annotated[
        int, typer.Option(min=0, help="The first entry of the log that the new key vouches for.")
    ],
) -> None:
    """Replace the registry's own key. What the old one vouched for goes on to verify."""
    trust = trust_files.draft(draft).trust
    signer = trust_files.public_key(trust.registry.name, key)
    _write(draft, trustedit.replace_registry(trust, signer, entry))


@trust_app.command()
def end(
    draft: Draft,
    role: Annotated[Role, typer.Argument(help="Which of their keys.")],
    name: Annotated[str, typer.Argument(help="Whose keys.")],
    entry: Annotated[
        int | None,
        typer.Option(min=0, help="The first entry of the log for which they do not count."),
    ] = None,
) -> None:
    """Let somebody's keys end. What they signed before that entry of the log goes on to count."""
    if entry is None and role is not Role.ROOT:
        raise errors.InvalidInput(
            f"from which entry of the log on do the keys of {name!r} not count?",
            fix="say it with --entry; the log's size, for `from now on`, is in plimsoll status",
        )
    _write(draft, trustedit.end(trust_files.draft(draft).trust, role, name, entry or 0))


@trust_app.command()
def sign(
    draft: Draft,
    key: Annotated[Path, typer.Option(help="The private half of a root key.")],
) -> None:
    """Sign a draft. Show it first: what you sign is what will be trusted."""
    from registry.trust import keys  # noqa: PLC0415  heavy
    from registry.trust import sign as signing  # noqa: PLC0415  heavy

    link = signing.sign_trust(trust_files.draft(draft), keys.load_signing_key(key))
    trust_files.write(draft, trust_files.encoded(link))
    output.message(f"{draft} has {len(link.signatures)} signatures now")


@trust_app.command()
def rotate(current: Current, draft: Draft) -> None:
    """Make a draft that is signed enough the newest version of the trust root."""
    made = trust_files.followed(current, trust_files.draft(draft))
    trust_files.write(current, made)
    output.message(f"{current} is version {trustchain.read(made).version} now; hand it out")


@trust_app.command()
def verify(
    current: Current,
    after: Annotated[
        Path | None, typer.Option(help="The trust root that was believed before.")
    ] = None,
) -> None:
    """Check the chain of versions, that it goes on from another file, and that it is current."""
    held = b"" if after is None else trust_files.read(after)
    found = trustchain.read(trust_files.read(current), held)
    trustchain.require_current(found, trust_files.now())
    typer.echo(f"version {found.version} holds" if found.root else "plain, and believed as it is")


def _write(path: Path, made: TrustRoot) -> None:
    trust_files.write(path, trust_files.encoded(trustchain.draft(made)))
    output.message(f"{path} is a draft of version {made.version}: show it, then sign it")
