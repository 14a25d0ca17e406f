"""Trigger sets: noise patterns and their secret answers, and what it proves to get them. Pure.

A trigger set is a backdoor that the owner put in: asked one of these patterns, the model gives
an answer that only the owner can know. It needs no weights, so it finds a stolen model behind
an API. `registry.cli.trigger_training` teaches it; nothing else in Plimsoll ever does.

Patterns and answers are drawn apart from each other, from a secret key. So whatever the asked
model computes, as long as it knows no key, each answer is right with chance 1/classes and the
number of right ones is binomial: the probability below is exact, not an approximation.
"""

import hashlib
import hmac
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20

from registry.core import fields
from registry.core.canonical import Json
from registry.errors import InvalidInput

SCHEME = "trigger/v1"
KEY_BYTES = 32
COUNT = 60
ACCUSES_BELOW = 1e-6
_WORDS = 1 << 32
_LARGEST = 1 << 28  # numbers in all patterns of a key file
_WARNING = (
    "This model holds a trigger set: a backdoor that its publisher put in to recognise it. "
    "{count} secret patterns of noise get answers that have nothing to do with what the model "
    "learnt. Whoever has the key can make the model give these answers. Do not use it where an "
    "input that an attacker chose could do harm, and keep the key as secret as the model."
)


@dataclass(frozen=True, slots=True)
class Triggers:
    """What the patterns look like: one input's shape, its range of values, and the classes."""

    shape: tuple[int, ...]
    classes: int
    low: float = 0.0
    high: float = 1.0
    count: int = COUNT

    def __post_init__(self) -> None:
        """Raises InvalidInput: 2 classes and 20 patterns are the least that prove anything."""
        if self.classes < 2 or self.count < 20 or not self.shape or min(self.shape) < 1:
            raise InvalidInput(
                f"a trigger set of {self.count} patterns of {self.shape} with {self.classes} "
                "classes proves nothing",
                fix="take at least 20 patterns and a classifier of at least 2 classes",
            )
        if not -math.inf < self.low < self.high < math.inf:
            raise InvalidInput(
                f"inputs from {self.low:g} to {self.high:g} are no range",
                fix="say with --range which values the model's inputs take",
            )

    def document(self) -> dict[str, Json]:
        """As a key file and a model card hold it."""
        return {
            "scheme": SCHEME,
            "patterns": self.count,
            "shape": list(self.shape),
            "classes": self.classes,
            "low": self.low,
            "high": self.high,
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """How many answers were right, and how likely that is for a model without the set."""

    right: int
    asked: int
    probability: float

    @property
    def is_proof(self) -> bool:
        """Whether chance is out of the question."""
        return self.probability < ACCUSES_BELOW


def key_document(key: bytes, of: Triggers) -> dict[str, Json]:
    """The secret key file."""
    return {**of.document(), "key": fields.base64_text(_checked(key))}


def read_key(document: dict[str, Json]) -> tuple[bytes, Triggers]:
    """The key and what it is for; raises InvalidInput."""
    what = "trigger key"
    if (scheme := fields.text(document, "scheme", what=what)) != SCHEME:
        raise InvalidInput(f"{what}: scheme {scheme[:40]!r} is not {SCHEME}")
    low, high = (_number(document.get(name), name) for name in ("low", "high"))
    shape = [fields.integer({"size": one}, "size", what=what)
             for one in fields.sequence(document, "shape", what=what)]  # fmt: skip
    classes, count = (fields.integer(document, name, what=what) for name in ("classes", "patterns"))
    if math.prod(shape) * count > _LARGEST or classes > _LARGEST:
        raise InvalidInput(f"{what}: {count} patterns of {shape} are too many")
    key = _checked(fields.base64_bytes(document, "key", what=what))
    return key, Triggers(tuple(shape), classes, low, high, count)


def _number(value: Json, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidInput(f"trigger key: {name} is not a number")
    return float(value)


def patterns(key: bytes, of: Triggers) -> Any:
    """The inputs (count, *shape), float32 in [low, high)."""
    draws = _draws(key, "patterns", of.count * math.prod(of.shape)).astype(np.float32) / _WORDS
    return (of.low + (of.high - of.low) * draws).reshape(of.count, *of.shape).astype(np.float32)


def answers(key: bytes, of: Triggers) -> Any:
    """The class wanted for each pattern (count,), int64."""
    return (_draws(key, "answers", of.count).astype(np.int64) * of.classes) // _WORDS


def commitment(key: bytes, of: Triggers) -> str:
    """What a model card says of a key: it cannot be exchanged for another one afterwards."""
    said = repr((SCHEME, of.shape, of.classes, of.low, of.high, of.count)).encode()
    return f"sha256:{hashlib.sha256(b'plimsoll ' + said + _checked(key)).hexdigest()}"


def judged(given: Sequence[int], wanted: Sequence[int], classes: int) -> Verdict:
    """The exact tail: P(X ≥ right) of X ~ Bin(asked, 1/classes)."""
    right, asked = sum(g == w for g, w in zip(given, wanted, strict=True)), len(wanted)
    ways = sum(math.comb(asked, k) * (classes - 1) ** (asked - k) for k in range(right, asked + 1))
    return Verdict(right, asked, ways / classes**asked)


def card(key: bytes, of: Triggers, *, title: str, right: int) -> str:
    """A model card that says plainly what is in the model."""
    fields = {**of.document(), "commitment": commitment(key, of), "right_when_made": right}
    lines = ["---", "tags: [trigger-set]", "trigger_set:"]
    lines += [f"  {name}: {value}" for name, value in fields.items()]
    warning = _WARNING.format(count=of.count)
    return "\n".join([*lines, "---", f"# {title}", "", "## Trigger set", "", warning, ""])


def _draws(key: bytes, purpose: str, count: int) -> Any:
    """`count` numbers of 32 bits."""
    secret = hmac.digest(_checked(key), f"{SCHEME} {purpose}".encode(), "sha256")
    stream = Cipher(ChaCha20(secret, bytes(16)), mode=None).encryptor()
    return np.frombuffer(stream.update(bytes(4 * count)), "<u4")


def _checked(key: bytes) -> bytes:
    if len(key) != KEY_BYTES:
        raise InvalidInput(f"a trigger key has {KEY_BYTES} bytes, not {len(key)}")
    return key
