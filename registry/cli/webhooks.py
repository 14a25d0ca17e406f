"""`plimsoll webhook`: whom the registry tells of what happens, and what they did not take."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry import errors
from registry.cli import options, output
from registry.core import canonical, fields, mail_address, names
from registry.core.canonical import Json

if TYPE_CHECKING:
    from registry.cli.client import Client

app = typer.Typer()
webhook_app = typer.Typer(no_args_is_help=True, help="Who is told of what happens.")
app.add_typer(webhook_app, name="webhook")

Name = Annotated[str, typer.Argument(help="The webhook's name.")]
Kinds = Annotated[
    list[str] | None,
    typer.Option("--kind", help="A kind of entry, such as published; repeatable. Without: all."),
]
Model = Annotated[str | None, typer.Option(help="A glob over models, such as fraud-*.")]
Description = Annotated[str | None, typer.Option(help="What it is for.")]
SecretFile = Annotated[
    Path | None,
    typer.Option(help="A file with the secret, whsec_ and base64. Without: one is made."),
]
_WHAT = "webhook"


@webhook_app.command()
def create(  # noqa: PLR0913  the options of a command
    name: Name,
    url: Annotated[str, typer.Argument(help="Where to send events: http, https or mailto.")],
    kind: Kinds = None,
    model: Model = None,
    description: Description = None,
    secret_file: SecretFile = None,
    *,
    slack: Annotated[
        bool, typer.Option("--slack", help="Send lines of chat, as Slack takes them.")
    ] = False,
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
    form: output.Output = output.Form.TABLE,
) -> None:
    """Tell an address of what happens from now on. Its secret is printed once."""
    wish = _wish(url=url, kinds=kind, model=model, description=description, secret=secret_file)
    is_mail = mail_address.is_mail(url)
    if slack or is_mail:
        wish |= {"form": "slack" if slack else "email"}
    with options.connect(server, token_file) as client:
        body = canonical.encode(wish | {"name": names.slug(name, what="webhook name")})
        made = _document(client, "POST", "/v1/webhooks", body, is_repeatable=False)
    if form.is_data:
        output.print_document(form, made)
        return
    if slack or is_mail:
        output.message(f"webhook {name}; try it: plimsoll webhook test {name}")
        return
    output.message(f"webhook {name}; its secret is not shown again:")
    typer.echo(made.get("secret"))


@webhook_app.command("list")
def list_webhooks(
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
    form: output.Listed = output.Listing.TABLE,
) -> None:
    """All webhooks."""
    with options.connect(server, token_file) as client:
        found = list(_listed(client, "/v1/webhooks", "webhooks"))
    if form.is_data:
        output.print_document(form, found)
        return
    output.print_listing(
        form,
        ("name", "state", "url", "kinds", "model", "next", "last delivery", "last error"),
        [
            (item.get("name"), _state(item), item.get("url"), _words(item.get("kinds")),
             item.get("model"), item.get("nextIndex"), item.get("deliveredAt"),
             item.get("lastError"))
            for item in found
        ],
    )  # fmt: skip


@webhook_app.command()
def show(
    name: Name,
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
    form: output.Output = output.Form.TABLE,
) -> None:
    """One webhook, and how far it has come."""
    with options.connect(server, token_file) as client:
        found = _named(client, name)
    if form.is_data:
        output.print_document(form, found)
    else:
        shown = {key: value for key, value in found.items() if key not in {"kinds", "secret"}}
        output.print_fields([*shown.items(), ("kinds", _words(found.get("kinds")))])


@webhook_app.command()
def change(  # noqa: PLR0913, PLR0917  the options of a command
    name: Name,
    url: Annotated[str | None, typer.Option(help="Another address.")] = None,
    kind: Kinds = None,
    model: Model = None,
    description: Description = None,
    secret_file: SecretFile = None,
    is_active: Annotated[
        bool | None, typer.Option("--resume/--pause", help="Go on where it stopped, or stop.")
    ] = None,
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
) -> None:
    """Change, pause or resume a webhook; what is not named stays."""
    wish = _wish(url=url, kinds=kind, model=model, description=description, secret=secret_file)
    if is_active is not None:
        wish["active"] = is_active
    if not wish:
        raise errors.InvalidInput("nothing to change", fix="name what shall change, or --pause")
    with options.connect(server, token_file) as client:
        changed = _document(client, "PATCH", _place(client, name), canonical.encode(wish))
    output.message(f"webhook {name} is {_state(changed)}")


@webhook_app.command()
def remove(
    name: Name,
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
) -> None:
    """Tell it nothing any more; its dead letters go with it."""
    with options.connect(server, token_file) as client:
        client.call("DELETE", _place(client, name), is_repeatable=False)
    output.message(f"webhook {name} removed")


@webhook_app.command("test")
def try_out(
    name: Name,
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
) -> None:
    """Send one event that tells nothing, and say whether it was taken."""
    with options.connect(server, token_file) as client:
        tried = _document(client, "POST", f"{_place(client, name)}/test")
    _require_delivered(tried, "the event")
    output.message("the receiver takes events")


@webhook_app.command("dead-letters")
def dead_letters(
    name: Name,
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
    form: output.Listed = output.Listing.TABLE,
) -> None:
    """What could not be delivered."""
    with options.connect(server, token_file) as client:
        found = list(_listed(client, f"{_place(client, name)}/dead-letters", "deadLetters"))
    if form.is_data:
        output.print_document(form, found)
        return
    rows = [
        tuple(item.get(key) for key in ("index", "attempts", "diedAt", "reason")) for item in found
    ]
    output.print_listing(form, ("entry", "attempts", "given up", "reason"), rows)


@webhook_app.command()
def redeliver(
    name: Name,
    entry: Annotated[
        int | None, typer.Argument(min=0, help="The entry's index. Without: all, in order.")
    ] = None,
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
) -> None:
    """Send dead letters once more; ends at the first that is not taken."""
    with options.connect(server, token_file) as client:
        place = f"{_place(client, name)}/dead-letters"
        wanted = [entry] if entry is not None else [
            fields.integer(item, "index", what="dead letter")
            for item in _listed(client, place, "deadLetters")
        ]  # fmt: skip
        for index in wanted:
            tried = _document(client, "POST", f"{place}/{index}/redeliver", is_repeatable=False)
            _require_delivered(tried, f"entry {index}")
    output.message(f"{len(wanted)} delivered")


def _wish(
    *,
    url: str | None,
    kinds: list[str] | None,
    model: str | None,
    description: str | None,
    secret: Path | None,
) -> dict[str, Json]:
    """What was said; what was not is left out."""
    said: dict[str, Json] = {"url": url, "model": model, "description": description}
    said["kinds"] = [*kinds] if kinds else None
    said["secret"] = None if secret is None else _secret(secret)
    return {name: value for name, value in said.items() if value is not None}


def _secret(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise errors.InvalidConfig(
            f"{file}: the secret cannot be read: {error}", fix="name a file with the secret alone"
        ) from error


def _named(client: "Client", name: str) -> dict[str, Json]:
    for found in _listed(client, "/v1/webhooks", "webhooks"):
        if found.get("name") == name:
            return found
    raise errors.NotFound(f"no webhook {name[:80]!r}", fix="see `plimsoll webhook list`")


def _place(client: "Client", name: str) -> str:
    return f"/v1/webhooks/{fields.text(_named(client, name), 'id', what=_WHAT)}"


def _listed(client: "Client", path: str, field: str) -> Iterator[dict[str, Json]]:
    """Every item, page after page."""
    token: Json = ""
    while isinstance(token, str):
        answer = client.call("GET", path, parameters={"pageToken": token})
        page = canonical.decode_object(answer.content, what=_WHAT)
        yield from fields.objects(page, field, what=_WHAT)
        token = page.get("nextPageToken")


def _document(
    client: "Client",
    method: str,
    path: str,
    body: bytes = b"",
    *,
    is_repeatable: bool = True,
) -> dict[str, Json]:
    answer = client.call(method, path, body, is_repeatable=is_repeatable)
    return canonical.decode_object(answer.content, what=_WHAT)


def _require_delivered(tried: dict[str, Json], what: str) -> None:
    if tried.get("delivered") is not True:
        raise errors.Unavailable(
            f"{what} was not delivered: {tried.get('reason')}",
            fix="see that the receiver is up and takes events, then try again",
        )


def _state(found: dict[str, Json]) -> str:
    return "active" if found.get("active") else f"paused: {found.get('pausedBecause')}"


def _words(found: Json) -> str:
    return ", ".join(map(str, found)) if isinstance(found, list) else ""
