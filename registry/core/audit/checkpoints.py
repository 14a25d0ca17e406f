"""Checkpoints as a bundle holds them: signed by the log, and by nobody whom we cannot check."""

from registry.core import fields, note
from registry.core.note import Checkpoint
from registry.core.trustroot import TrustRoot
from registry.errors import BundleInvalid, InvalidInput, SignatureInvalid


def verify(text: bytes, trust: TrustRoot) -> Checkpoint:
    """Raises SignatureInvalid, also for a line that nobody can check, or BundleInvalid."""
    try:
        return _verified(text.decode(), trust)
    except (InvalidInput, UnicodeDecodeError) as error:
        raise BundleInvalid(f"the checkpoint is none: {error}") from error


def _verified(text: str, trust: TrustRoot) -> Checkpoint:
    found = note.verify_checkpoint(text, trust.log)
    for name, key_id in _signers(found.text):
        if (name, key_id) not in _known(trust):
            raise SignatureInvalid(
                f"the checkpoint bears a signature by {name[:80]!r}, who is not in the trust root",
                fix="export it anew with this trust root: what cannot be checked is left out",
            )
    return found


def checkable(text: str, trust: TrustRoot) -> str:
    """The checkpoint with the signature lines of the log and of the trust root's witnesses."""
    body, separator, lines = text.rpartition("\n\n")
    kept = [
        line
        for line in lines.splitlines(keepends=True)
        if any(signer in _known(trust) for signer in _signers(f"{body}{separator}{line}"))
    ]
    # Where nothing is left, it is shown as it is: then it says what is wrong with it.
    return body + separator + "".join(kept) if kept else text


def _known(trust: TrustRoot) -> set[tuple[str, bytes]]:
    witnesses = {(witness.name, witness.key_id) for witness in trust.witnesses}
    return witnesses | {(trust.log.origin, trust.log.key_id)}


def _signers(text: str) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for line in text.rpartition("\n\n")[2].splitlines():
        parts = line.split(" ")
        if len(parts) != 3:
            raise InvalidInput(f"checkpoint has the signature line {line[:80]!r}")
        found.append((parts[1], fields.unbase64(parts[2], what="checkpoint signature")[:4]))
    return found
