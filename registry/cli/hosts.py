"""`plimsoll host`: the fleet's machines, let in by a one-time token and turned out by name."""

from typing import Annotated

import typer

from registry.cli import options, output
from registry.core import canonical, names
from registry.core.canonical import Json

app = typer.Typer()
host_app = typer.Typer(no_args_is_help=True, help="Hosts that may pull models.")
app.add_typer(host_app, name="host")

Host = Annotated[str, typer.Argument(help="The host's name.")]


@host_app.callback()
def host() -> None:
    """Hosts that may pull models."""


@host_app.command()
def enrol(
    name: Host,
    minutes: Annotated[
        float | None, typer.Option(help="How long the token may be used; the registry knows best.")
    ] = None,
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
) -> None:
    """Print a one-time token with which the host enrols itself. It is kept nowhere."""
    with options.connect(server, token_file) as client:
        path = f"/v1/hosts/{names.slug(name, what='host name')}/invitation"
        body = canonical.encode({"minutes": minutes})
        # Not repeated: a second try would make the first one's token good for nothing.
        made = client.document("POST", path, body, is_repeatable=False)
    output.message(
        f"enrolment token of host {name}, good once, until {made.get('expiresAt')}; "
        "it is not shown again:"
    )
    typer.echo(str(made.get("token")))


@host_app.command("list")
def list_hosts(
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
    form: output.Listed = output.Listing.TABLE,
) -> None:
    """All hosts that ever enrolled."""
    with options.connect(server, token_file) as client:
        found = list(client.pages("/v1/hosts", "hosts", {"maxResults": "1000"}))
    if form.is_data:
        output.print_document(form, found)
        return
    output.print_listing(
        form,
        ("host", "enrolled", "certificate until", "revoked", "recipient"),
        [
            (item.get("name"), item.get("enrolledAt"), item.get("certificateUntil"),
             item.get("revokedAt"), item.get("recipient"))
            for item in found
        ],
        wide=("recipient",),
    )  # fmt: skip


@host_app.command()
def revoke(
    name: Host,
    reason: Annotated[str, typer.Option(help="Why; it is kept in the log.")],
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
) -> None:
    """Turn a host out: its certificate and its tokens are good for nothing any more."""
    _delete("/v1/hosts", name, reason, server, token_file)
    output.message(f"host {name} is turned out")


@host_app.command()
def agents(
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
    form: output.Listed = output.Listing.TABLE,
) -> None:
    """Hosts that look after themselves, and what their agents told last."""
    with options.connect(server, token_file) as client:
        told = client.document("GET", "/v1/agents").get("agents")
    found = [one for one in told if isinstance(one, dict)] if isinstance(told, list) else []
    if form.is_data:
        output.print_document(form, found)
        return
    output.print_listing(
        form,
        ("host", "heard of", "commit", "deployments", "trouble"),
        [_agent(one) for one in found],
    )


def _agent(item: dict[str, Json]) -> tuple[object, ...]:
    document = item.get("document")
    told = document if isinstance(document, dict) else {}
    deployments = told.get("deployments")
    trouble = [f"commit refused: {told['refused']}"] if told.get("refused") else []
    trouble += [f"Git: {told['gitError']}"] if told.get("gitError") else []
    if ahead := told.get("clockAheadSeconds"):
        trouble.append(f"its clock is {ahead} s ahead")
    return (
        item.get("host"),
        item.get("seenAt"),
        str(told.get("commit", ""))[:12],
        len(deployments) if isinstance(deployments, dict) else 0,
        "; ".join(trouble),
    )


@host_app.command()
def release(
    name: Host,
    reason: Annotated[str, typer.Option(help="Why; it is kept in the log.")],
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
) -> None:
    """Let others look after a host whose agent never comes back to let go of it."""
    _delete("/v1/agents", name, reason, server, token_file)
    output.message(f"host {name} is its agent's own no more")


def _delete(
    place: str, name: str, reason: str, server: options.Server, token_file: options.TokenFile
) -> None:
    with options.connect(server, token_file) as client:
        path = f"{place}/{names.slug(name, what='host name')}"
        client.call("DELETE", path, parameters={"reason": reason})
