"""`plimsoll login`, `logout` and `context`: which registry, and as whom, said once."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from registry import errors
from registry.cli import contexts, options, output
from registry.cli.contexts import Context, Contexts

app = typer.Typer()
context_app = typer.Typer(no_args_is_help=True, help="The registries that you work with, by name.")
app.add_typer(context_app, name="context")

Address = Annotated[str, typer.Argument(help="The registry's address.")]
Name = Annotated[str, typer.Argument(help="The context's name.")]
Ca = Annotated[Path | None, typer.Option(help="PEM file of the authority of its certificate.")]
TrustFile = Annotated[Path | None, typer.Option(help="Its trust root, trust.json.")]


@app.command()
def login(
    server: Address,
    name: Annotated[
        str, typer.Option("--context", help="What to call it; without it, the server's host.")
    ] = "",
    ca: Ca = None,
    trust: TrustFile = None,
    token_file: options.TokenFile = None,
) -> None:
    """Keep a token for a registry, once that registry has taken it, and use it from now on.

    The token is read from --token-file, else asked for, else the first line of stdin.
    """
    called = contexts.name(name or urlsplit(server).hostname or "")
    made = _context(server, ca, trust)
    token = options.token(token_file) if token_file else _asked_for()
    with options.reach(replace(made, token=token)) as client:
        who = client.document("GET", "/v1/whoami")
    known = contexts.load()
    contexts.save(Contexts(called, {**known.known, called: replace(made, token=token)}))
    output.message(f"{called}: {made.server} takes you for {output.plain(who.get('name'))}")


@app.command()
def logout(
    name: Annotated[str, typer.Argument(help="Without it, the context in use.")] = "",
) -> None:
    """Forget a context's token. It stays good: `plimsoll token revoke` ends it."""
    known = contexts.load()
    found = known.chosen(name)
    if found is None:
        raise errors.NotFound("no context is in use", fix="see: plimsoll context list")
    called = name or known.current
    contexts.save(replace(known, known={**known.known, called: replace(found, token="")}))
    output.message(f"{called}: no token is kept any more")


@context_app.callback()
def context() -> None:
    """The registries that you work with, by name."""


@context_app.command("list")
def list_contexts(form: output.Listed = output.Listing.TABLE) -> None:
    """All contexts; tokens are not shown."""
    known = contexts.load()
    documents = [
        {
            "name": key,
            "inUse": key == known.current,
            "server": one.server,
            "hasToken": bool(one.token),
            "ca": one.ca,
            "trust": one.trust,
        }
        for key, one in sorted(known.known.items())
    ]
    if form.is_data:
        output.print_document(form, documents)
        return
    rows = [
        (one["name"], "*" if one["inUse"] else "", one["server"],
         "kept" if one["hasToken"] else "", one["trust"])
        for one in documents
    ]  # fmt: skip
    output.print_listing(form, ("name", "in use", "server", "token", "trust"), rows)


@context_app.command()
def use(name: Name) -> None:
    """Use this one from now on."""
    known = contexts.load()
    known.chosen(contexts.name(name))
    contexts.save(replace(known, current=name))
    output.message(f"{name} is in use: {known.known[name].server}")


@context_app.command()
def add(name: Name, server: Address, ca: Ca = None, trust: TrustFile = None) -> None:
    """Add a context, or change it; what is not said stays. `plimsoll login` gives it a token."""
    known, called = contexts.load(), contexts.name(name)
    made, former = _context(server, ca, trust), known.known.get(called)
    if former is not None:
        # A token is for the server that gave it.
        token = former.token if former.server == made.server else ""
        made = Context(made.server, token, made.ca or former.ca, made.trust or former.trust)
    contexts.save(Contexts(known.current or called, {**known.known, called: made}))
    output.message(f"{called}: {made.server}")


def _context(server: str, ca: Path | None, trust: Path | None) -> Context:
    parts = urlsplit(server)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise errors.InvalidInput(
            f"{server[:200]!r} is no address", fix="write it like https://models.example.org"
        )
    if parts.username or parts.password:
        raise errors.InvalidInput(
            "an address has no user and no password in it", fix="plimsoll login asks for a token"
        )
    files = [str(one.resolve()) if one else "" for one in (ca, trust)]
    return Context(server.rstrip("/"), "", *files)


def _asked_for() -> str:
    """Not shown as it is typed; from a pipe its first line."""
    if sys.stdin.isatty():
        return str(typer.prompt("Token", hide_input=True, err=True)).strip()
    found = sys.stdin.readline(4096).strip()
    if not found:
        raise errors.Unauthenticated(
            "no token was given", fix="pipe it in, or name its file with --token-file"
        )
    return found
