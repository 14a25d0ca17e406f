"""Signed statements on their way to the registry and back, for the commands that make them."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from registry import errors
from registry.core import canonical, fields
from registry.core.canonical import Json

if TYPE_CHECKING:
    from registry.cli.client import Client

_WHAT = "evidence"


def add(client: "Client", model: str, version: int, bundle: dict[str, Json]) -> dict[str, Json]:
    """Repeating it is safe: the very same statement again is the one that is there."""
    answer = client.call("POST", _path(model, version), canonical.encode({"bundle": bundle}))
    return canonical.decode_object(answer.content, what=_WHAT)


def listed(client: "Client", model: str, version: int) -> list[dict[str, Json]]:
    """All in the order of the log, without the bundles; unverified."""
    return list(client.pages(_path(model, version), _WHAT, {"maxResults": "1000"}))


def one(client: "Client", model: str, version: int, statement: str) -> dict[str, Json]:
    """One with its bundle; unverified."""
    answer = client.call("GET", f"{_path(model, version)}/{statement}")
    return canonical.decode_object(answer.content, what=_WHAT)


def _path(model: str, version: int) -> str:
    return f"/v1/models/{model}/versions/{version}/evidence"


def signed(payload: bytes, key: Path) -> dict[str, Json]:
    """`payload` in a bundle; raises InvalidConfig where the key cannot be used."""
    from registry.trust import keys, sign  # noqa: PLC0415  heavy

    return sign.sign_statement(payload, keys.load_signing_key(key))


def now() -> str:
    """RFC 3339, as statements carry it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def told(added: dict[str, Json]) -> None:
    """One line: what it is, its id, and where the log has it."""
    index = fields.integer(added, "logIndex", what=_WHAT)
    typer.echo(f"{added.get('kind')} {added.get('id')} by {added.get('signer')}, entry {index}")


def read(path: Path) -> bytes:
    """The content of a file that was named; raises InvalidInput."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise errors.InvalidInput(f"{path}: cannot be read: {error.strerror}") from error
