"""The permits under which this host has loaded versions, kept beside the cache for offline starts.

A permit that was good when a version was first loaded stays good for that version on this host,
whatever the time: what serves is never stopped by a date. Only what was not served here before
needs one that has not run out. Without reconcilers or agents in the trust root nobody is asked.
"""

import hashlib
from datetime import UTC, datetime
from pathlib import Path

from registry.core import canonical, dsse, permit
from registry.core.canonical import Json
from registry.core.permit import Claim
from registry.core.trustroot import TrustRoot
from registry.errors import IntegrityError, InvalidInput, PermitMissing
from runtime import durable


class Permits:
    """One folder of signed permits; what is in it is verified at each use."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def admit(
        self, claim: Claim, handed: str, *, trust: TrustRoot, log_size: int, clock: datetime
    ) -> None:
        """Raises `IntegrityError` or `InvalidInput` unless `claim` is permitted.

        `handed` is the permit that came with the pin, perhaps empty; `log_size` says at which
        length of the log the trust root's keys must count; `clock` is this host's time.
        """
        if not permit.is_asked_for(trust):
            return
        signers = dsse.valid_at(permit.signers(trust, claim.host), log_size)
        was_loaded = self._is_kept(claim, signers)
        try:
            self._require(claim, handed, signers, None if was_loaded else clock)
        except (IntegrityError, InvalidInput):
            if not was_loaded:
                raise
            return
        durable.replace(self._path(claim), handed.encode())

    def digests(self) -> set[str]:
        """Of whom there are permits; what a crash left of one counts."""
        return durable.stems(self._folder)

    def forget(self, digest: str) -> None:
        """Drop the permits of a version that is not in the cache any more."""
        durable.forget(self._folder, digest)

    def _require(
        self,
        claim: Claim,
        handed: str,
        signers: tuple[dsse.Signer, ...],
        clock: datetime | None,
    ) -> None:
        if not handed:
            wanted = claim.wanted
            raise PermitMissing(
                f"no reconciler has permitted {claim.host} to serve "
                f"{wanted.model}@{wanted.version}",
                fix="let a reconciler that the trust root lists start it",
            )
        said = _verified(handed, signers)
        permit.require(said, claim)
        if clock is not None:
            permit.require_current(said, max(clock, self._newest(signers)))

    def _is_kept(self, claim: Claim, signers: tuple[dsse.Signer, ...]) -> bool:
        """Whether this host has loaded it before, under a permit whose signature still counts."""
        try:
            permit.require(_verified(self._path(claim).read_text(), signers), claim)
        except (OSError, UnicodeDecodeError, IntegrityError, InvalidInput):
            return False
        return True

    def _newest(self, signers: tuple[dsse.Signer, ...]) -> datetime:
        """When the last decision fell that this host knows of: it cannot be earlier than that."""
        newest = datetime.min.replace(tzinfo=UTC)
        for path in self._folder.iterdir():
            try:
                decided = permit.when(_verified(path.read_text(), signers).decided_at)
            except (OSError, UnicodeDecodeError, IntegrityError, InvalidInput):
                continue
            newest = max(newest, decided)
        return newest

    def _path(self, claim: Claim) -> Path:
        name = hashlib.sha256(claim.deployment.encode()).hexdigest()[:16]
        return self._folder / f"{claim.wanted.digest.removeprefix('sha256:')}.{name}.json"


def _verified(text: str, signers: tuple[dsse.Signer, ...]) -> permit.Permit:
    bundle: dict[str, Json] = canonical.decode_object(text, what="permit")
    return permit.verify(bundle, signers).permit
