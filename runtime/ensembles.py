"""Which versions an ensemble is made of on this host: found, asked, and kept as long as it is."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from registry.core import ensemble
from registry.core.ensemble import FILE, LARGEST_FILE, Ensemble, Member
from registry.errors import InvalidInput, Unavailable, UnsafeModel
from runtime.backends.protocol import DEFAULT_CALL
from runtime.inference.asked import Asked, Observer, Outcome
from runtime.inference.chain import Chain
from runtime.table import Slot, State, Table

FORMAT = ensemble.FORMAT
_POLL_SECONDS = 0.5


def read(files: Path) -> Ensemble:
    """Raises `UnsafeModel`."""
    try:
        with (files / FILE).open("rb") as source:
            return ensemble.parse(source.read(LARGEST_FILE + 1))
    except OSError as error:
        raise UnsafeModel(f"the version has no {FILE}") from error
    except InvalidInput as error:
        raise UnsafeModel(error.detail, fix=error.fix) from error


def users(table: Table, model: str, version: int) -> list[str]:
    """The ensembles here that the version is a part of."""
    return [
        f"{slot.pin.model}@{slot.pin.version}"
        for slot in table.slots()
        if isinstance(slot.backend, Chain)
        and any((one.model, one.version) == (model, version) for one in slot.backend.members)
    ]


class Members:
    """Versions of this host, as an ensemble asks them. Used on the event loop."""

    def __init__(self, table: Table, infer: Callable[[Slot, Asked], Awaitable[Outcome]]) -> None:
        self._table = table
        self._infer = infer

    async def chained(
        self,
        slot: Slot,
        files: Path,
        observers: Sequence[Observer],
        *,
        deadline_seconds: float,
        postpone: Callable[[str], None],
    ) -> Chain | None:
        """The ensemble, once no member is missing; None where it was unloaded meanwhile.

        Raises `UnsafeModel` where it never can be.
        """
        if slot.pin.tuning.batching is not None:
            raise UnsafeModel(
                "an ensemble does not batch", fix="declare 'batching' for its members"
            )
        found = read(files)
        while slot.state is not State.END:
            missing = self._missing(found)
            if not missing:
                self._require_fit(found)
                return Chain(
                    found,
                    self._ask,
                    self._trouble,
                    deadline_seconds=deadline_seconds,
                    observers=observers,
                )
            if missing != slot.reason:
                postpone(missing)
            await asyncio.sleep(_POLL_SECONDS)
        return None

    def _missing(self, found: Ensemble) -> str:
        """Which member is not ready, and why; empty where all are."""
        for member in found.members:
            slot = self._table.get(member.model, member.version)
            if slot is None:
                return f"it waits for its member {member}, which is not on this host"
            if slot.pin.digest != member.digest:
                raise UnsafeModel(
                    f"its member {member} is here as {slot.pin.digest}, it wants {member.digest}"
                )
            if slot.state is not State.AVAILABLE:
                said = f"it waits for its member {member}, which is {slot.state}. {slot.reason}"
                return said.strip()
        return ""

    def _require_fit(self, found: Ensemble) -> None:
        signatures = {}
        for member in found.members:
            slot = self._table.require(member.model, member.version)
            call = None if slot.backend is None else slot.backend.calls.get(DEFAULT_CALL)
            if call is None:
                raise UnsafeModel(f"its member {member} has no signature {DEFAULT_CALL!r}")
            signatures[member] = call.signature
        try:
            ensemble.require_fit(found, signatures)
        except InvalidInput as error:
            raise UnsafeModel(error.detail, fix=error.fix) from error

    async def _ask(self, member: Member, asked: Asked) -> Outcome:
        slot = self._table.get(member.model, member.version)
        if slot is None or slot.state is not State.AVAILABLE:
            raise Unavailable(f"the ensemble's member {member} is not served here")
        return await self._infer(slot, asked)

    def _trouble(self, member: Member) -> str:
        slot = self._table.get(member.model, member.version)
        if slot is None or slot.state is not State.AVAILABLE:
            return f"its member {member} is not served here"
        return slot.trouble and f"its member {member}: {slot.trouble}"
