"""What is asked of the log on its page: as typed, as it stands in addresses, and as meant."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Query

from registry import errors
from registry.core import entries
from registry.db.log_search import Wanted
from registry.usecases import log_search
from registry.usecases.log_search import When

# How many entries one file brings with their proofs.
DOWNLOADED = 1000
_MOST_NAMES = 10
_TYPED = ("kind", "model", "version", "host", "deployment", "since", "until")
_LARGEST = 2**63


@dataclass(frozen=True, slots=True)
class Asked:
    """What was typed; `since` and `until` are moments as a browser's field gives them, in UTC.

    `actor` are names of the log. `nobody` says that one was typed whom nobody knows.
    """

    kind: str = ""
    model: str = ""
    version: str = ""
    host: str = ""
    deployment: str = ""
    since: str = ""
    until: str = ""
    actor: tuple[str, ...] = ()
    nobody: bool = False

    @property
    def is_all(self) -> bool:
        return self == Asked()


def asked(  # noqa: PLR0913, PLR0917  the fields of a form
    kind: Annotated[str, Query(max_length=40)] = "",
    model: Annotated[str, Query(max_length=128)] = "",
    version: Annotated[str, Query(max_length=19)] = "",
    host: Annotated[str, Query(max_length=255)] = "",
    deployment: Annotated[str, Query(max_length=255)] = "",
    since: Annotated[str, Query(max_length=40)] = "",
    until: Annotated[str, Query(max_length=40)] = "",
    actor: Annotated[list[str] | None, Query(max_length=_MOST_NAMES)] = None,
    nobody: Annotated[str, Query(max_length=1)] = "",
) -> Asked:
    """An empty field asks for nothing."""
    names = tuple(name[:256] for name in actor or () if name)
    return Asked(kind, model, version, host, deployment, since, until, names, bool(nobody))


def read(asked: Asked, before: int | None, *, looks_up: bool) -> tuple[Wanted, When]:
    """What is meant; raises InvalidInput, and NotFound where it is about nobody."""
    if asked.nobody:
        raise errors.NotFound(
            "nobody of this name is in the log",
            fix="ask for a machine or a pseudonym; auditors may ask for persons and signers too",
        )
    actors, signers = log_search.asked_for(asked.actor, looks_up=looks_up)
    wanted = Wanted(
        entries.kind(asked.kind).value if asked.kind else "",
        asked.model,
        _number(asked.version),
        asked.host,
        asked.deployment,
        actors,
        signers,
    )
    return wanted, When(_moment(asked.since), _moment(asked.until), before)


def address(typed: Mapping[str, str], names: Sequence[str] = (), *, nobody: bool = False) -> str:
    """Where the answer to what was typed into the form stands."""
    pairs = [(name, typed.get(name, "").strip()) for name in _TYPED]
    pairs += [("actor", name) for name in names[:_MOST_NAMES]]
    pairs += [("nobody", "1" if nobody else "")]
    said = urlencode([(name, value) for name, value in pairs if value])
    return f"/log?{said}" if said else "/log"


def download(asked: Asked, before: int | None) -> str:
    """Where a file with what was found is had, each entry with its proof."""
    typed = asdict(asked)
    pairs = [(name, typed[name]) for name in _TYPED if typed[name]]
    pairs += [("actor", name) for name in asked.actor]
    pairs += [] if before is None else [("before", str(before))]
    return f"/v1/log/entries.tar?{urlencode([*pairs, ('limit', str(DOWNLOADED))])}"


def _number(text: str) -> int:
    if text and not (text.isascii() and text.isdigit() and int(text) < _LARGEST):
        raise errors.InvalidInput(f"version {text!r} is no number", fix="write one, such as 7")
    return int(text or 0)


def _moment(text: str) -> datetime | None:
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise errors.InvalidInput(
            f"{text!r} is no moment", fix="write one in UTC, such as 2026-11-24T10:00"
        ) from error
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found
