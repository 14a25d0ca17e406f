"""A log in memory, signed by a key of its own, and witnesses that cosign it."""

from dataclasses import dataclass, field

from registry.core import cosignature, merkle, note, tlog_proof
from registry.trust import keys, sign
from tests.core.publication import stored

ORIGIN = "plimsoll.test/log"


@dataclass(eq=False)
class Log:
    """`leaves` may grow between two calls; every answer is about them as they are."""

    leaves: list[bytes] = field(default_factory=list)
    key: keys.LogKey = field(default_factory=keys.generate_log_key)

    @property
    def name(self) -> note.LogKey:
        return note.LogKey(ORIGIN, self.key.public_raw)

    def root(self, size: int) -> bytes:
        return merkle.root(size, stored(self.leaves[:size]))

    def checkpoint(self, size: int | None = None) -> note.Checkpoint:
        """The signed checkpoint of the first `size` leaves (all, if None)."""
        of = len(self.leaves) if size is None else size
        text = sign.sign_checkpoint(ORIGIN, of, self.root(of), self.key)
        return note.verify_checkpoint(text, self.name)

    def consistency(self, old: int, new: int) -> list[bytes]:
        return merkle.consistency_proof(old, new, stored(self.leaves[:new]))

    def proof(self, index: int, size: int | None = None) -> tlog_proof.Proof:
        of = len(self.leaves) if size is None else size
        hashes = merkle.inclusion_proof(index, of, stored(self.leaves[:of]))
        text = self.checkpoint(of).text
        return tlog_proof.Proof(index, tuple(hashes), text, self.leaves[index])


def log_of(size: int) -> Log:
    return Log([b"entry %d" % number for number in range(size)])


@dataclass
class Witness:
    """Cosigns whatever it is shown: what it should refuse is tested elsewhere."""

    name: str = "witness.example/one"
    private: keys.LogKey = field(default_factory=keys.generate_log_key)

    @property
    def key(self) -> note.WitnessKey:
        return note.WitnessKey(self.name, self.private.public_raw)

    def cosign(self, checkpoint: note.Checkpoint, *, time: int = 1_800_000_000) -> note.Checkpoint:
        """The checkpoint with one more line."""
        made = cosignature.write(checkpoint, self.key, time=time, sign=self.private.sign)
        return note.Checkpoint(
            checkpoint.origin, checkpoint.size, checkpoint.root, checkpoint.text + made.line
        )
