"""What a detection found: every score it took, corrected for how many there were, and the verdict.

The verdict follows from the numbers alone, so whoever reads a report can draw it again. A bound
p on a score says: were these weights made without the secret key, a score at least this high had
at most this probability, whatever the weights are. It is not the probability of innocence.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from registry.core.watermark import statistics
from registry.core.watermark.scheme import OWNER

# From here on weights are another's, whatever marks they carry: random ones agree to 1/√n.
RELATED, SAME = 0.5, 0.98


class Detector(StrEnum):
    """Blind needs the suspect and a key; informed the registry's original too."""

    BLIND = "blind"
    INFORMED = "informed"


class Finding(StrEnum):
    """The names are stable, programs query by them."""

    RECIPIENT = "recipient"
    RECIPIENTS = "recipients"
    OWNER = "owner"
    UNMARKED = "unmarked"
    NONE = "none"
    NOT_COMPARABLE = "not_comparable"


@dataclass(frozen=True, slots=True)
class Score:
    """One comparison: `u` as the bound reads it (p ≤ exp(−u²/2)), `z` in standard deviations.

    `log10_p` is the logarithm of that bound for this score alone.
    """

    recipient: str
    detector: Detector
    z: float
    u: float
    log10_p: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """One marked variant that the suspect was compared with.

    `similarity` is the cosine between the suspect's weights and the original's once they are
    aligned; `matched` of its `weights` were found. `identical` names the recipient whose copy has
    the suspect's very files, or is empty; `log_index` is where the log has the commitment.
    """

    model: str
    version: int
    variant: str
    digest: str
    commitment: str
    log_index: int
    epoch: int
    alpha: float
    weights: int
    matched: int
    realigned: int
    similarity: float
    identical: str
    scores: tuple[Score, ...]

    @property
    def name(self) -> str:
        return f"{self.model} version {self.version}"


@dataclass(frozen=True, slots=True)
class Named:
    """A recipient whose mark was found: the best of its scores, corrected."""

    candidate: Candidate
    recipient: str
    detector: Detector
    u: float
    log10_p: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """`sentence` is for people; `named` says for whom copies were made that the suspect is of."""

    finding: Finding
    sentence: str
    named: tuple[str, ...]


def comparisons(candidates: Sequence[Candidate]) -> int:
    """How many scores were taken, each of which could have named somebody."""
    return sum(len(candidate.scores) for candidate in candidates)


def named(candidates: Sequence[Candidate]) -> list[Named]:
    """Whose marks are there, the clearest first; the owner's among them."""
    count = comparisons(candidates)
    best: dict[tuple[str, str], Named] = {}
    for candidate in candidates:
        for score in candidate.scores:
            bound = statistics.corrected(score.log10_p, count)
            key = (candidate.digest, score.recipient)
            if bound <= statistics.FAMILY_LOG10 and (key not in best or bound < best[key].log10_p):
                best[key] = Named(candidate, score.recipient, score.detector, score.u, bound)
    return sorted(best.values(), key=lambda one: (one.log10_p, -one.u, one.recipient))


def verdict(candidates: Sequence[Candidate]) -> Verdict:
    """What all of it together says."""
    found = named(candidates)
    recipients = [one for one in found if one.recipient != OWNER]
    count = comparisons(candidates)
    if recipients:
        return _recipients(recipients, count)
    if found:
        return _owner(found[0], count)
    if not count:
        return Verdict(
            Finding.NOT_COMPARABLE,
            "Nothing could be compared: no marked version has weights of these shapes.",
            (),
        )
    closest = max(candidates, key=lambda one: one.similarity)
    return _unmarked(closest, count) if closest.similarity >= RELATED else _nothing(count)


def _recipients(found: Sequence[Named], count: int) -> Verdict:
    weakest = max(found, key=lambda one: one.log10_p)
    names = tuple(dict.fromkeys(one.recipient for one in found))
    versions = tuple(dict.fromkeys(one.candidate.name for one in found))
    if len(found) == 1:
        opening = f"These weights come from the copy of {versions[0]} made for {names[0]}."
        finding = Finding.RECIPIENT
    else:
        opening = (
            f"These weights come from {len(found)} copies of {listed(versions)}, "
            f"made for {listed(names)}."
        )
        finding = Finding.RECIPIENT if len(names) == 1 else Finding.RECIPIENTS
    if any(one.candidate.identical == one.recipient for one in found):
        opening += " The files are that copy's, byte for byte."
    closing = _bound("that copy" if len(found) == 1 else "the least clear of them", weakest, count)
    return Verdict(finding, f"{opening} {closing}", names)


def _owner(found: Named, count: int) -> Verdict:
    hosts = {one.recipient for one in found.candidate.scores} - {OWNER}
    exact = " The files are its, byte for byte." if found.candidate.identical == OWNER else ""
    who = (
        "It names no recipient: no copy was made for one host alone"
        if not hosts
        else f"It names no recipient: no host's score reaches the threshold, of {len(hosts)}"
    )
    return Verdict(
        Finding.OWNER,
        f"These weights come from {found.candidate.name} as this registry marked it.{exact} "
        f"{_bound('this registry', found, count)} {who}.",
        (),
    )


def _unmarked(closest: Candidate, count: int) -> Verdict:
    how = f"agree with its publisher's original to {closest.similarity:.4f} (1 is the same)"
    if closest.similarity >= SAME:
        opening = f"These weights are those of {closest.name} without any mark: they {how}."
        closing = "They were taken where it is not marked yet, or the mark was removed."
    else:
        opening = f"These weights are related to {closest.name}: they {how}."
        closing = "Whatever was done to them left no mark, or there was none."
    return Verdict(
        Finding.UNMARKED, f"{opening} No mark was found in {counted(count)}. {closing}", ()
    )


def _nothing(count: int) -> Verdict:
    return Verdict(
        Finding.NONE,
        f"No mark of this registry was found in {counted(count)}. That does not show that these "
        "weights are not from one of its models: distilling and retraining remove every mark.",
        (),
    )


def _bound(whose: str, found: Named, count: int) -> str:
    return (
        f"Had they been made without the secret key of {whose}, a score this high "
        f"({found.u:.1f}, {found.detector}) would have had a probability of at most "
        f"{power(found.log10_p)}, corrected for {counted(count)}."
    )


def power(log10: float) -> str:
    """`3·10⁻¹²`: rounded up, as a bound must be; and nobody needs more than a hundred zeros."""
    log10 = max(log10, -100.0)
    if log10 > -2:
        return f"{math.ceil(10**log10 * 1000) / 1000:g}"
    exponent = math.floor(log10)
    digit = math.ceil(10 ** (log10 - exponent) - 1e-9)
    if digit == 10:
        digit, exponent = 1, exponent + 1
    raised = str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"10{raised}" if digit == 1 else f"{digit}·10{raised}"


def counted(count: int) -> str:
    return "1 comparison" if count == 1 else f"{count} comparisons"


def listed(names: Sequence[str]) -> str:
    """`a, b and c`; of many only the first."""
    shown = list(names[:8]) + ([f"{len(names) - 8} more"] if len(names) > 8 else [])
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
