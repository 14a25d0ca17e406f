"""Makes a reconciler known to its registry: its key in the list, its token, the trust root.

`plimsoll up` does it for the reconciler in its own process, `plimsoll admin introduce` for one
that runs elsewhere and shares a folder with this command.
"""

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from registry import errors

if TYPE_CHECKING:
    from registry.settings import Settings
    from registry.usecases.opening import Registry


def key(config: Path, settings: "Settings") -> None:
    """At the first start: make the reconciler's key, and let the trust root list it.

    Never again afterwards: a key that somebody has taken off the list stays off.
    """
    from registry.trust import keys  # noqa: PLC0415  heavy

    listed = settings.reconcilers_file
    if listed.exists():
        return
    folder = _named(config, "state", "reconciler")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = keys.load_or_create_signing_key(folder / "reconciler.pem")
    listed.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    document = {"reconcilers": [{"name": "reconciler", "publicKey": found.public_pem}]}
    with suppress(FileExistsError):
        keys.write_new(listed, json.dumps(document, indent=2).encode() + b"\n")


def token(config: Path, registry: "Registry") -> None:
    """Mint the reconciler's own token at the first start: it never needs the admin's."""
    from registry.usecases import access  # noqa: PLC0415  heavy
    from registry.usecases.access import Caller, Role  # noqa: PLC0415  heavy

    path = _named(config, "token_file", "reconciler.token")
    if path.exists():
        return
    by = Caller(Role.ADMIN, "first-start")
    made = access.mint(registry, role=Role.RECONCILER, name="reconciler", by=by)
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        file.write(made + "\n")


def trust(config: Path, settings: "Settings") -> None:
    """Lay today's trust root where the reconciler looks for it, unless that is the registry's own
    copy."""
    path = _named(config, "trust_file", "registry/trust.json")
    if path == settings.trust_file.resolve():
        return
    fresh = path.with_name(path.name + ".new")
    fresh.write_bytes(settings.trust_file.read_bytes())
    fresh.replace(path)


def _named(config: Path, setting: str, default: str) -> Path:
    return config.resolve().parent / str(_reconciler(config).get(setting, default))


def _reconciler(config: Path) -> dict[str, object]:
    import tomllib  # noqa: PLC0415  for these commands alone

    table = tomllib.loads(config.read_text(encoding="utf-8")).get("reconciler")
    if not isinstance(table, dict):
        raise errors.InvalidConfig(f"{config}: the table [reconciler] is missing")
    return table
