"""Contexts: the registries that a person works with, by name, in one file of theirs.

`$XDG_CONFIG_HOME/plimsoll/config.toml`, else `~/.config/plimsoll/config.toml`; mode 0600, since it
holds tokens. A token is only ever sent to the server that its context names. Writing keeps what
this release does not know, by refusing to touch a file that has such things in it.
"""

import json
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from registry import errors

_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?")
_KNOWN = ("server", "token", "ca", "trust")


@dataclass(frozen=True, slots=True)
class Context:
    """One registry; what is empty is not said. `ca` and `trust` are files."""

    server: str
    token: str = ""
    ca: str = ""
    trust: str = ""


@dataclass(frozen=True, slots=True)
class Contexts:
    """All that are known, and the one in use; empty where there is none."""

    current: str = ""
    known: Mapping[str, Context] = field(default_factory=dict)

    def chosen(self, name: str = "") -> Context | None:
        """The one called `name`, else the one in use; raises NotFound for one that is not."""
        wanted = name or self.current
        if not wanted:
            return None
        if wanted not in self.known:
            raise errors.NotFound(
                f"{path()}: there is no context {wanted[:80]!r}",
                fix=f"one of {', '.join(self.known) or 'none'}; plimsoll context add makes one",
            )
        return self.known[wanted]


def path() -> Path:
    """Where the file is, or would be."""
    home = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(home) / "plimsoll" / "config.toml"


def name(text: str) -> str:
    """A context's name, checked; raises InvalidName."""
    if not _NAME.fullmatch(text):
        raise errors.InvalidName(
            f"{text[:80]!r} is no name of a context", fix="use small letters, digits, . _ and -"
        )
    return text


def load() -> Contexts:
    """What the file says; none where it is not there. Raises InvalidConfig."""
    file = path()
    try:
        data = file.read_bytes()
        if file.stat().st_mode & 0o077:
            raise errors.InvalidConfig(
                f"{file}: others on this machine can read it, and it holds tokens",
                fix=f"chmod 600 {file}",
            )
        document = tomllib.loads(data.decode())
    except FileNotFoundError:
        return Contexts()
    except (OSError, ValueError) as error:
        raise errors.InvalidConfig(
            f"{file}: cannot be read: {error}", fix="mend it, or move it away"
        ) from error
    return _contexts(file, document)


def save(found: Contexts) -> None:
    """Whole or not at all, readable by nobody else."""
    file = path()
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(_text(found))
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(file)
    except OSError as error:
        raise errors.InvalidConfig(
            f"{file}: cannot be written: {error.strerror}",
            fix="let XDG_CONFIG_HOME name a folder that you may write to",
        ) from error


def _contexts(file: Path, document: Mapping[str, object]) -> Contexts:
    current, tables = document.get("current", ""), document.get("contexts", {})
    unknown = set(document) - {"current", "contexts"}
    if unknown or not isinstance(current, str) or not isinstance(tables, dict):
        what = f"unknown setting {min(unknown)!r}" if unknown else "not of the form it must have"
        raise errors.InvalidConfig(
            f"{file}: {what}", fix="it has `current` and tables [contexts.NAME]"
        )
    return Contexts(current, {key: _context(file, key, table) for key, table in tables.items()})


def _context(file: Path, key: str, table: object) -> Context:
    said = table if isinstance(table, dict) else {}
    is_right = all(one in _KNOWN and isinstance(said[one], str) for one in said)
    if not is_right or not said.get("server"):
        raise errors.InvalidConfig(
            f"{file}: [contexts.{key}] is not of the form it must have",
            fix=f"it has a server, and may have {', '.join(_KNOWN[1:])}, all of them text",
        )
    return Context(**said)


def _text(found: Contexts) -> str:
    lines = [f"current = {json.dumps(found.current)}"]
    for key, one in sorted(found.known.items()):
        lines += ["", f"[contexts.{json.dumps(key)}]"]
        values = ((setting, getattr(one, setting)) for setting in _KNOWN)
        lines += [f"{setting} = {json.dumps(value)}" for setting, value in values if value]
    return "\n".join(lines) + "\n"
