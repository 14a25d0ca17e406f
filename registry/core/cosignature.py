"""Witnesses' cosignatures on checkpoints: C2SP tlog-cosignature, timestamped Ed25519, type 0x04.

A cosignature says: at this time, this was the largest tree of this log that I had seen, and it
extends all that I saw before. Whoever demands those of several witnesses cannot be shown a log
of his own. Times are seconds since 1970; the caller brings the time that it is.
"""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from registry.core import note
from registry.core.note import Checkpoint, WitnessKey
from registry.errors import InvalidInput, SignatureInvalid

# Clocks of hosts differ; a cosignature from further in the future than this counts for nothing.
SKEW_S = 300
_TIME_BYTES, _SIGNATURE_BYTES = 8, 64


@dataclass(frozen=True, slots=True)
class Cosignature:
    """`witness` had seen the checkpoint at `time`; `line` is the note's signature line."""

    witness: str
    time: int
    line: str


def message(body: str, time: int) -> bytes:
    """What a witness signs: C2SP tlog-cosignature, "Ed25519 signed message"."""
    return f"cosignature/v1\ntime {time}\n{body}".encode()


def write(
    checkpoint: Checkpoint, witness: WitnessKey, *, time: int, sign: Callable[[bytes], bytes]
) -> Cosignature:
    """The cosignature of `witness`, whose private key `sign` uses."""
    signature = sign(message(checkpoint.body, time))
    raw = witness.key_id + time.to_bytes(_TIME_BYTES, "big") + signature
    line = note.signature_line(witness, base64.b64encode(raw).decode())
    return Cosignature(witness.name, time, line)


def verified(checkpoint: Checkpoint, witnesses: Sequence[WitnessKey]) -> tuple[Cosignature, ...]:
    """The cosignatures of `witnesses` on the checkpoint.

    Lines of others are ignored; a line of one of them that does not verify spoils the note
    (C2SP signed-note). Raises `SignatureInvalid`, or `InvalidInput` for a line twice.
    """
    parsed = note.parse(checkpoint.text)
    # By key, not by name: one witness under two names is one witness.
    found: dict[bytes, Cosignature] = {}
    for witness in witnesses:
        blob = parsed.signed_by(witness.name, witness.key_id)
        if blob is not None:
            found[witness.public_key] = _verified(parsed.body, witness, blob)
    return tuple(found.values())


def require(
    checkpoint: Checkpoint,
    witnesses: Sequence[WitnessKey],
    *,
    threshold: int,
    now: float | None = None,
    max_age_s: float = 0,
) -> tuple[Cosignature, ...]:
    """The cosignatures that count; raises `SignatureInvalid` where they are fewer or too old.

    Without `now` no time is compared. With it, those from the future are not counted, and where
    `max_age_s` is not 0, at least `threshold` must not be older.
    """
    found = verified(checkpoint, witnesses)
    counted = [one for one in found if now is None or one.time <= now + SKEW_S]
    if len(counted) < threshold:
        early = len(found) - len(counted)
        raise SignatureInvalid(
            f"the checkpoint of {checkpoint.size} entries is cosigned by {len(counted)} of the "
            f"trust root's witnesses, {threshold} are needed"
            + (f" (and by {early} in the future)" if early else ""),
            fix="see that the witnesses run and reach the registry: docs/trust/log.md",
        )
    if now is None or not max_age_s or not threshold:
        return tuple(counted)
    fresh = [one for one in counted if now - one.time <= max_age_s]
    if len(fresh) < threshold:
        age = now - max((one.time for one in counted), default=0)
        raise SignatureInvalid(
            f"the checkpoint of {checkpoint.size} entries was last cosigned {age:.0f} seconds "
            f"ago, the trust root allows {max_age_s:.0f}: this may be an old view of the log",
            fix="see that the witnesses run and reach the registry: docs/trust/log.md",
        )
    return tuple(fresh)


def _verified(body: str, witness: WitnessKey, blob: bytes) -> Cosignature:
    if len(blob) != _TIME_BYTES + _SIGNATURE_BYTES:
        raise InvalidInput(f"the cosignature by {witness.name!r} has {len(blob)} bytes")
    time = int.from_bytes(blob[:_TIME_BYTES], "big")
    signed = message(body, time)
    if time >= 2**63 or not note.holds(witness.public_key, blob[_TIME_BYTES:], signed):
        raise SignatureInvalid(f"the cosignature by {witness.name!r} does not verify")
    encoded = base64.b64encode(witness.key_id + blob).decode()
    return Cosignature(witness.name, time, note.signature_line(witness, encoded))
