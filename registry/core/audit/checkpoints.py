"""Checkpoints as a bundle holds them: signed by the log and its witnesses, and by nobody else."""

from registry.core import cosignature, note
from registry.core.note import Checkpoint
from registry.core.trustroot import TrustRoot
from registry.errors import BundleInvalid, InvalidInput, SignatureInvalid


def verify(text: bytes, trust: TrustRoot) -> Checkpoint:
    """Raises SignatureInvalid, also for a signature that nobody can check, or BundleInvalid."""
    try:
        return _verified(text.decode(), trust)
    except (InvalidInput, UnicodeDecodeError) as error:
        raise BundleInvalid(f"the checkpoint is none: {error}") from error


def cosigned(checkpoint: Checkpoint, trust: TrustRoot) -> tuple[str, ...]:
    """The witnesses who have cosigned; raises SignatureInvalid where they are too few."""
    found = cosignature.require(
        checkpoint, trust.witnesses, threshold=trust.witness_threshold, now=None
    )
    return tuple(one.witness for one in found)


def checkable(text: str, trust: TrustRoot) -> str:
    """The checkpoint with the signature lines of the log and of the trust root's witnesses."""
    body, separator, lines = text.rpartition("\n\n")
    kept = [
        line
        for line in lines.splitlines(keepends=True)
        if any(
            (one.name, one.key_id) in _known(trust)
            for one in note.parse(f"{body}{separator}{line}").signatures
        )
    ]
    # Where nothing is left, it is shown as it is: then it says what is wrong with it.
    return body + separator + "".join(kept) if kept else text


def _verified(text: str, trust: TrustRoot) -> Checkpoint:
    found = note.verify_checkpoint(text, trust.log)
    for one in note.parse(text).signatures:
        if (one.name, one.key_id) not in _known(trust):
            raise SignatureInvalid(
                f"the checkpoint bears a signature by {one.name[:80]!r}, who is not in the trust "
                "root",
                fix="export it anew with this trust root: what cannot be checked is left out",
            )
    cosignature.verified(found, trust.witnesses)
    return found


def _known(trust: TrustRoot) -> set[tuple[str, bytes]]:
    witnesses = {(witness.name, witness.key_id) for witness in trust.witnesses}
    return witnesses | {(trust.log.origin, trust.log.key_id)}
