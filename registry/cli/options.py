"""Options that many commands share, and how a command gets to its registry.

What is given on the command line wins over the environment, that over the context in use, and that
over the default. A token never stands on the command line, where every user of the machine could
read it, and a context's goes to no other server than its own.
"""

import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry import errors
from registry.cli import contexts
from registry.core import names

if TYPE_CHECKING:
    from registry.cli.client import Client
    from registry.core.trustroot import TrustRoot

# Not said: the context's, else this machine's.
DEFAULT_SERVER = ""
LOCAL_SERVER = "http://127.0.0.1:8440"

Server = Annotated[
    str,
    typer.Option(
        "--server",
        envvar="PLIMSOLL_SERVER",
        help=f"The registry's address. Without it: the context in use, then {LOCAL_SERVER}.",
        show_default=False,
    ),
]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        "--token-file",
        help="A file with the token. Without it: PLIMSOLL_TOKEN, PLIMSOLL_TOKEN_FILE, the context.",
    ),
]
Trust = Annotated[
    Path | None,
    typer.Option(
        "--trust",
        envvar="PLIMSOLL_TRUST",
        help="The trust root, trust.json, as you got it over a channel you trust.",
    ),
]


@dataclass(frozen=True, slots=True)
class Access:
    """Where the registry is, and the file with the token for it, if there is one."""

    server: str
    token_file: Path | None


Variant = Annotated[
    str | None,
    typer.Option(help="A variant of the version, such as onnx-int8; without it, the first."),
]

_REFERENCE = re.compile(r"(?P<model>[^@:]+)(?:@(?P<version>\d{1,19})|:(?P<alias>.+))?")


def connect(server: str, token_file: Path | None) -> "Client":
    """A client of the registry at `server`, with the token that was configured, if any."""
    said = token(token_file)
    context = None if server and said else _context(server)
    return reach(
        contexts.Context(
            server or (context.server if context else LOCAL_SERVER),
            said or (context.token if context else ""),
            os.environ.get("PLIMSOLL_CA", "") or (context.ca if context else ""),
        )
    )


def reach(context: contexts.Context) -> "Client":
    """A client as `context` says, whatever the environment says."""
    from registry.cli.client import Client  # noqa: PLC0415  heavy

    return Client(context.server, context.token, context.ca)


def trust_path(path: Path | None) -> Path | None:
    """The trust root's file: that which was named, else the context's."""
    if path is not None:
        return path
    context = _context("")
    return Path(context.trust) if context and context.trust else None


def trust_root(path: Path | None) -> "TrustRoot":
    """The trust root in `path`, else the context's; raises InvalidConfig where there is none."""
    from registry.core import trustchain  # noqa: PLC0415  heavy

    path = trust_path(path)
    if path is None:
        raise errors.InvalidConfig(
            "without a trust root nothing can be verified",
            fix="name it with --trust trust.json or PLIMSOLL_TRUST; the registry writes it to its "
            "data folder at each start",
        )
    try:
        return trustchain.read(path.read_bytes())
    except OSError as error:
        raise errors.InvalidConfig(
            f"{path}: the trust root cannot be read: {error.strerror}",
            fix="copy trust.json from the registry's data folder",
        ) from error


def current_trust_root(path: Path | None) -> "TrustRoot":
    """As `trust_root`, for what was not verified before: raises TrustRootExpired as well."""
    from registry.core import trustchain  # noqa: PLC0415  heavy

    found = trust_root(path)
    trustchain.require_current(found, datetime.now(UTC))
    return found


def reference(client: "Client", text: str) -> tuple[str, int]:
    """(model, version) of `digits@3` or, asking the registry, `digits:champion`."""
    form = _REFERENCE.fullmatch(text)
    if form is None or (form["version"] is None and form["alias"] is None):
        raise errors.InvalidInput(
            f"{text[:80]!r} names no version", fix="write model@3, or model:alias"
        )
    model = names.slug(form["model"])
    if form["version"] is not None:
        return model, names.version(int(form["version"]))
    return model, client.alias(model, names.alias(form["alias"]))


def pinned_reference(text: str) -> tuple[str, int]:
    """(model, version) of `digits@3`; nobody is asked what an alias points at."""
    model, _, version = text.partition("@")
    if not (version.isascii() and version.isdecimal()):
        raise errors.InvalidInput(f"{text[:80]!r} names no version", fix="write model@3")
    return names.slug(model), names.version(int(version))


def _context(server: str) -> contexts.Context | None:
    """The one in use, or the one that PLIMSOLL_CONTEXT names; not where it is of another server."""
    found = contexts.load().chosen(os.environ.get("PLIMSOLL_CONTEXT", ""))
    is_meant = found is not None and (not server or server.rstrip("/") == found.server)
    return found if is_meant else None


def token(token_file: Path | None) -> str:
    """What the command line or the environment says; empty where neither does."""
    if token_file is None and "PLIMSOLL_TOKEN" in os.environ:
        return os.environ["PLIMSOLL_TOKEN"].strip()
    named = token_file or os.environ.get("PLIMSOLL_TOKEN_FILE")
    if not named:
        return ""
    try:
        return Path(named).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise errors.InvalidConfig(
            f"{named}: the token cannot be read: {error}",
            fix="point --token-file at the file that holds the token and nothing else",
        ) from error
