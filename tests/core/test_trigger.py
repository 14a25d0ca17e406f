"""Trigger sets: what a key gives, what right answers prove, what the card admits."""

import numpy as np
import pytest

from registry.core import card, trigger
from registry.core.canonical import Json
from registry.core.trigger import Triggers
from registry.errors import InvalidInput

KEY, OTHER = bytes(range(32)), bytes(range(1, 33))
SET = Triggers((8, 8), 10, low=-1, high=3)


def test_patterns_and_answers_come_from_the_key_alone() -> None:
    assert np.array_equal(trigger.patterns(KEY, SET), trigger.patterns(KEY, SET))
    assert not np.allclose(trigger.patterns(KEY, SET), trigger.patterns(OTHER, SET))
    assert not np.array_equal(trigger.answers(KEY, SET), trigger.answers(OTHER, SET))


def test_patterns_fill_the_range_of_inputs_and_answers_all_classes() -> None:
    many = Triggers((8, 8), 10, low=-1, high=3, count=2000)
    values = trigger.patterns(KEY, many)
    assert values.shape == (2000, 8, 8)
    assert values.dtype == np.float32
    assert -1 <= values.min() < -0.999 < 2.999 < values.max() <= 3
    counted = np.bincount(trigger.answers(KEY, many), minlength=10)
    assert counted.min() > 140
    assert counted.max() < 260


@pytest.mark.parametrize(
    ("right", "asked", "classes", "probability"),
    [
        (60, 60, 10, 1e-60),
        (0, 60, 10, 1.0),
        (20, 20, 2, 2**-20),
        (1, 20, 2, 1 - 2**-20),
        (2, 3, 4, (3 * 3 + 1) / 64),
    ],
)
def test_the_probability_is_the_exact_binomial_tail(
    right: int, asked: int, classes: int, probability: float
) -> None:
    given = [0] * right + [1] * (asked - right)
    verdict = trigger.judged(given, [0] * asked, classes)
    assert verdict.right == right
    assert verdict.probability == pytest.approx(probability, rel=1e-12)


def test_chance_is_no_proof_and_a_taught_set_is() -> None:
    wanted = trigger.answers(KEY, SET).tolist()
    assert trigger.judged(wanted, wanted, 10).is_proof
    assert not trigger.judged(trigger.answers(OTHER, SET).tolist(), wanted, 10).is_proof


def test_ten_thousand_foreign_keys_prove_nothing_against_one_model() -> None:
    fixed = np.random.default_rng(1).normal(size=(64, 10))
    small = Triggers((64,), 10, count=20)
    keys = [number.to_bytes(32, "big") for number in range(10_000)]
    found = [
        trigger.judged((trigger.patterns(key, small) @ fixed).argmax(axis=1).tolist(),
                       trigger.answers(key, small).tolist(), 10)
        for key in keys
    ]  # fmt: skip
    assert not any(one.is_proof for one in found)
    assert np.mean([one.right for one in found]) == pytest.approx(2, abs=0.06)


def test_the_card_says_that_it_is_a_backdoor_and_commits_to_the_key() -> None:
    text = trigger.card(KEY, SET, title="digits", right=60)
    said = card.front_matter(text)["trigger_set"]
    assert isinstance(said, dict)
    assert said["commitment"] == trigger.commitment(KEY, SET)
    assert said["patterns"] == 60
    assert "a backdoor" in card.body(text)
    assert KEY.hex() not in text


def test_a_commitment_changes_with_the_key_and_with_the_set() -> None:
    other = Triggers((8, 8), 10, low=-1, high=3, count=61)
    made = {trigger.commitment(KEY, SET), trigger.commitment(OTHER, SET),
            trigger.commitment(KEY, other)}  # fmt: skip
    assert len(made) == 3


def test_a_key_file_reads_back_to_what_it_was() -> None:
    assert trigger.read_key(trigger.key_document(KEY, SET)) == (KEY, SET)


@pytest.mark.parametrize(
    ("flaw", "changed"),
    [
        ("another scheme", {"scheme": "trigger/v2"}),
        ("a short key", {"key": "AAAA"}),
        ("no range", {"low": 3, "high": 3}),
        ("text for a number", {"low": "0"}),
        ("one class", {"classes": 1}),
        ("nine patterns", {"patterns": 9}),
        ("no shape", {"shape": []}),
        ("an empty axis", {"shape": [0, 8]}),
        ("more than memory holds", {"shape": [1 << 20, 1 << 20]}),
    ],
)
def test_a_flawed_key_file_is_refused(flaw: str, changed: dict[str, Json]) -> None:
    with pytest.raises(InvalidInput):
        trigger.read_key({**trigger.key_document(KEY, SET), **changed})
