"""What scores say together: who is named, how surely, and that a report says no more than that."""

import math
import random
from xml.etree import ElementTree as ET

import pytest

from registry.core import canonical, dsse
from registry.core.canonical import Json
from registry.core.oms import File
from registry.core.watermark import findings, plot, report, statistics
from registry.core.watermark.findings import Candidate, Detector, Finding, Score
from registry.core.watermark.report import Report, Suspect
from registry.errors import InvalidInput, SignatureInvalid
from registry.trust import keys, sign

KEY = keys.generate_signing_key()
REGISTRY = dsse.signer("registry", KEY.public_pem)


def score(recipient: str, u: float, detector: Detector = Detector.INFORMED) -> Score:
    return Score(recipient, detector, u, u, round(-(max(u, 0) ** 2) / 2 / math.log(10), 2))


def candidate(
    *scores: Score, version: int = 7, similarity: float = 0.9, identical: str = ""
) -> Candidate:
    hashed = "sha256:" + f"{version}" * 64
    return Candidate(
        "fraud", version, "onnx", hashed, hashed, 812, 1, 0.02, 1000, 990, 0, similarity,
        identical, scores,
    )  # fmt: skip


def found(*candidates: Candidate) -> Report:
    suspect = Suspect("onnx", (File("leak.onnx", "sha256:" + "e" * 64, 1234),), 1000, 0)
    return Report("registry.example", "2026-11-28T12:00:00Z", 900, suspect, "", candidates, 3)


INNOCENT = [score(f"edge-{n}", random.Random(n).gauss(0, 1)) for n in range(20)]
CASES = {
    "one recipient": (
        found(candidate(score("owner", 300), score("edge-x", 320), *INNOCENT)),
        Finding.RECIPIENT,
        ("edge-x",),
        "come from the copy of fraud version 7 made for edge-x.",
    ),
    "a recipient whose very file it is": (
        found(candidate(score("edge-x", 320), *INNOCENT, identical="edge-x")),
        Finding.RECIPIENT,
        ("edge-x",),
        "The files are that copy's, byte for byte.",
    ),
    "two recipients who mixed their copies": (
        found(candidate(score("edge-x", 40), score("edge-y", 35), *INNOCENT)),
        Finding.RECIPIENTS,
        ("edge-x", "edge-y"),
        "come from 2 copies of fraud version 7, made for edge-x and edge-y.",
    ),
    "one host's copies of two versions": (
        found(candidate(score("edge-x", 40)), candidate(score("edge-x", 35), version=8)),
        Finding.RECIPIENT,
        ("edge-x",),
        "come from 2 copies of fraud version 7 and fraud version 8, made for edge-x.",
    ),
    "the owner alone": (
        found(candidate(score("owner", 30), *INNOCENT)),
        Finding.OWNER,
        (),
        "no host's score reaches the threshold, of 20.",
    ),
    "the owner, where no copies were made": (
        found(candidate(score("owner", 30))),
        Finding.OWNER,
        (),
        "no copy was made for one host alone",
    ),
    "the publisher's own file": (
        found(candidate(*INNOCENT, similarity=1.0)),
        Finding.UNMARKED,
        (),
        "without any mark: they agree with its publisher's original to 1.0",
    ),
    "a relative without a mark": (
        found(candidate(*INNOCENT, similarity=0.7)),
        Finding.UNMARKED,
        (),
        "related to fraud version 7",
    ),
    "a stranger": (
        found(candidate(*INNOCENT, similarity=0.01)),
        Finding.NONE,
        (),
        "No mark of this registry was found in 20 comparisons.",
    ),
    "other shapes": (found(), Finding.NOT_COMPARABLE, (), "Nothing could be compared"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_verdict_follows_from_the_scores(case: str) -> None:
    about, finding, named, words = CASES[case]
    verdict = about.verdict
    assert (verdict.finding, verdict.named) == (finding, named)
    assert words in verdict.sentence


def test_the_more_is_compared_the_higher_is_the_threshold() -> None:
    line = statistics.threshold(100)
    assert statistics.corrected(-(line**2) / 2 / math.log(10), 100) == pytest.approx(-6)
    just = score("edge-x", 6.0)
    few, many = candidate(just), candidate(just, *INNOCENT * 5)
    assert findings.verdict([few]).finding is Finding.RECIPIENT
    assert findings.verdict([many]).named == ()


@pytest.mark.parametrize(
    ("log10", "words"),
    [(0.0, "1"), (-1.0, "0.1"), (-6.0, "10⁻⁶"), (-6.1, "8·10⁻⁷"), (-6.001, "10⁻⁶"),
     (-23000.0, "10⁻¹⁰⁰")],
)  # fmt: skip
def test_a_bound_is_never_written_smaller_than_it_is(log10: float, words: str) -> None:
    assert findings.power(log10) == words


@pytest.mark.parametrize("case", CASES)
def test_a_report_comes_back_as_it_was_signed(case: str) -> None:
    about = CASES[case][0]
    bundle = sign.sign_statement(report.encode(about), KEY)
    assert report.verify(bundle, REGISTRY) == about


def changed(about: Report, name: str, value: Json) -> bytes:
    document = canonical.decode_object(report.encode(about), what="report")
    predicate = document["predicate"]
    assert isinstance(predicate, dict)
    part = predicate.setdefault(name, {})
    if isinstance(part, dict) and isinstance(value, dict):
        part.update(value)
    else:
        predicate[name] = value
    return canonical.encode(document)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("verdict", {"named": ["edge-4"]}),
        ("verdict", {"sentence": "edge-4 did it."}),
        ("family", {"threshold": 1.0}),
        ("family", {"comparisons": 1}),
        ("limits", []),
        ("note", "edge-4 did it."),
    ],
)
def test_a_report_that_says_other_than_its_numbers_is_refused(name: str, value: Json) -> None:
    """Whoever signed it."""
    bundle = sign.sign_statement(changed(CASES["a stranger"][0], name, value), KEY)
    with pytest.raises(SignatureInvalid, match="other than its own numbers"):
        report.verify(bundle, REGISTRY)


@pytest.mark.parametrize("value", [[["edge-4", "informed", "9", 9.0, -20.0]], [["edge-4", 9]]])
def test_a_score_that_is_no_number_is_refused(value: Json) -> None:
    about = CASES["a stranger"][0]
    document = canonical.decode_object(report.encode(about), what="report")
    document["predicate"]["candidates"][0]["scores"] = value  # type: ignore[index,call-overload]
    bundle = sign.sign_statement(canonical.encode(document), KEY)
    with pytest.raises(InvalidInput):
        report.verify(bundle, REGISTRY)


def test_a_report_by_another_key_is_refused() -> None:
    other = keys.generate_signing_key()
    bundle = sign.sign_statement(report.encode(CASES["a stranger"][0]), other)
    with pytest.raises(SignatureInvalid):
        report.verify(bundle, REGISTRY)


@pytest.mark.parametrize("case", CASES)
def test_a_plot_says_in_words_all_that_it_draws(case: str) -> None:
    about = CASES[case][0]
    drawn = ET.fromstring(plot.draw(about))  # noqa: S314  our own
    name = "{http://www.w3.org/2000/svg}"
    title, desc = drawn.find(f"{name}title"), drawn.find(f"{name}desc")
    assert title is not None
    assert desc is not None
    assert title.text == about.verdict.sentence
    for who in about.verdict.named:
        assert f"{who}: " in (desc.text or "")
        assert "above the threshold" in (desc.text or "")
    assert len(drawn.findall(f".//{name}polygon")) == sum(
        one.u >= statistics.threshold(findings.comparisons(about.candidates))
        for each in about.candidates
        for one in each.scores
    ) + bool(about.candidates)


def test_a_hosts_name_cannot_steer_the_plot() -> None:
    drawn = plot.draw(found(candidate(score("<script>&", 40))))
    assert "<script>" not in drawn
    ET.fromstring(drawn)  # noqa: S314  our own
    assert "&lt;script&gt;" in drawn
