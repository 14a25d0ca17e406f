"""What the forge was told, as a file that is whole or absent, and the plans that comments link to.

Nothing here is needed to be right: what is forgotten is looked up at the forge and told again.
"""

import re
import secrets
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from reconciler import durable
from registry.core import canonical, fields
from registry.core.canonical import Json
from registry.errors import InvalidInput

_FILE, _PLANS = "forge.json", "plans"
_ID = re.compile(r"[0-9a-f]{32}")
_WHAT = "forge.json"


@dataclass(frozen=True, slots=True)
class Told:
    """Of one request: planned for `head` onto `base` at a log of `log_size`, when, and what was
    said, by digest. `is_sure` is False while there is no verdict. `plan` names the whole plan."""

    head: str
    base: str
    log_size: int
    at: float
    said: str
    is_sure: bool
    plan: str


@dataclass(frozen=True, slots=True)
class Followed:
    """The branch's newest commit, what it changed by environment, and what was said of each."""

    commit: str
    environments: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    said: Mapping[str, str] = field(default_factory=dict)


class Memory:
    """In `folder`; used by one thread, but for `plan`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / _PLANS).mkdir(mode=0o700, parents=True, exist_ok=True)
        self._requests: dict[int, Told] = {}
        self._followed: Followed | None = None
        self._load()
        self._tidy()

    def told(self, number: int) -> Told | None:
        """What was said of request `number`."""
        return self._requests.get(number)

    def tell(self, number: int, told: Told) -> None:
        """Remember it; on disk when this returns."""
        self._requests[number] = told
        self._save()

    def keep(self, numbers: Collection[int]) -> None:
        """Forget all other requests: they are not open any more."""
        gone = self._requests.keys() - set(numbers)
        for number in gone:
            (self._folder / _PLANS / self._requests.pop(number).plan).unlink(missing_ok=True)
        if gone:
            self._save()

    @property
    def followed(self) -> Followed | None:
        """The commit that statuses of deployments are about."""
        return self._followed

    def follow(self, followed: Followed) -> None:
        """Remember it; on disk when this returns."""
        self._followed = followed
        self._save()

    def name(self, number: int) -> str:
        """What the whole plan of a request is called: nobody guesses it."""
        known = self._requests.get(number)
        return secrets.token_hex(16) if known is None else known.plan

    def save_plan(self, name: str, text: str) -> None:
        """Keep the whole plan."""
        durable.write(self._folder / _PLANS / name, text.encode())

    def plan(self, name: str) -> bytes | None:
        """The whole plan with that name."""
        if not _ID.fullmatch(name):
            return None
        try:
            return (self._folder / _PLANS / name).read_bytes()
        except OSError:
            return None

    def _load(self) -> None:
        try:
            document = canonical.decode_object((self._folder / _FILE).read_bytes(), what=_WHAT)
            requests = fields.mapping(document, "requests", what=_WHAT)
            self._requests = {int(number): _told(one) for number, one in requests.items()}
            self._followed = _followed(document.get("followed"))
        except (OSError, InvalidInput, TypeError, ValueError):
            self._requests, self._followed = {}, None

    def _tidy(self) -> None:
        """Plans whose writer died before it remembered whose they are: nobody asks for them."""
        kept = {told.plan for told in self._requests.values()}
        for path in (self._folder / _PLANS).iterdir():
            if path.name not in kept:
                path.unlink(missing_ok=True)

    def _save(self) -> None:
        followed = self._followed
        document: dict[str, Json] = {
            "requests": {str(number): asdict(told) for number, told in self._requests.items()},
            "followed": None
            if followed is None
            else {
                "commit": followed.commit,
                "environments": {name: [*keys] for name, keys in followed.environments.items()},
                "said": {**followed.said},
            },
        }
        durable.write(self._folder / _FILE, canonical.encode(document))


def _told(document: Any) -> Told:
    return Told(**document)


def _followed(document: Any) -> Followed | None:
    if document is None:
        return None
    environments = {name: tuple(keys) for name, keys in document["environments"].items()}
    return Followed(str(document["commit"]), environments, dict(document["said"]))
