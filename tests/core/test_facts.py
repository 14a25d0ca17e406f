"""What publishers say: its limits, and what is taken over from a model card."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry import errors
from registry.core import card, facts
from registry.core.facts import Dataset, Facts, Parent, Relation

CARD = """---
license: apache-2.0
datasets:
- mnist
- emnist
base_model: org/lenet
base_model_relation: quantized
---
# Digits

Reads digits.
"""


def test_a_card_fills_in_what_the_publisher_left_out() -> None:
    said = card.completed(Facts(card=CARD, datasets=(Dataset("mnist", "sha256:" + "0" * 64),)))
    assert said.licence == "apache-2.0"
    assert said.datasets == (Dataset("mnist", "sha256:" + "0" * 64), Dataset("emnist"))
    assert said.parents == (Parent(Relation.QUANTISED, reference="org/lenet"),)
    assert card.body(CARD) == "# Digits\n\nReads digits."


def test_the_publishers_own_words_win_over_the_card() -> None:
    parent = Parent(Relation.DISTILLED, "lenet", 3)
    said = card.completed(Facts(card=CARD, licence="MIT", parents=(parent,)))
    assert (said.licence, said.parents) == ("MIT", (parent,))


@pytest.mark.parametrize("text", ["", "# Only Markdown", "no fence\n---\na: b\n---\n"])
def test_a_card_without_front_matter_says_nothing(text: str) -> None:
    assert card.front_matter(text) == {}
    assert card.completed(Facts(card=text)) == Facts(card=text)


@pytest.mark.parametrize(
    ("flaw", "text"),
    {
        "no end": "---\na: b\n",
        "not YAML": "---\na: [b\n---\n",
        "a list": "---\n- a\n---\n",
        "an alias bomb": "---\na: &a [x]\nb: [*a, *a]\n---\n",
        "a tag that runs code": "---\na: !!python/object/apply:os.system [id]\n---\n",
        "a key twice": "---\na: 1\na: 2\n---\n",
        "too long": "---\n" + "a" * 70_000 + "\n---\n",
    }.items(),
)
def test_a_broken_front_matter_is_refused(flaw: str, text: str) -> None:
    with pytest.raises(errors.InvalidInput, match="front matter"):
        card.front_matter(text)


@given(st.text(max_size=300))
def test_no_text_makes_the_card_reader_fail_in_another_way(text: str) -> None:
    try:
        found = card.front_matter(f"---\n{text}\n---\n")
    except errors.InvalidInput:
        return
    assert isinstance(found, dict)


@pytest.mark.parametrize(
    ("flaw", "said"),
    {
        "a description over the limit": Facts(description="x" * 20_000),
        "a zero byte": Facts(owner="a\x00b"),
        "a tag without a name": Facts(tags={"": "x"}),
        "a tag name over the limit": Facts(tags={"k" * 251: "x"}),
        "a tag value over the limit": Facts(tags={"k": "x" * 9_000}),
        "too many tags": Facts(tags={str(number): "" for number in range(501)}),
        "a metric that is no number": Facts(metrics={"loss": float("nan")}),
        "an endless metric": Facts(metrics={"loss": float("inf")}),
        "a data set twice": Facts(datasets=(Dataset("a"), Dataset("a"))),
        "a data set with half a digest": Facts(datasets=(Dataset("a", "sha256:00"),)),
        "a parent that is nothing": Facts(parents=(Parent(Relation.MERGED),)),
        "a parent that is two things": Facts(
            parents=(Parent(Relation.MERGED, "a", 1, reference="b"),)
        ),
        "a parent twice": Facts(parents=(Parent(Relation.MERGED, "a", 1),) * 2),
        "a parent of an impossible version": Facts(parents=(Parent(Relation.MERGED, "a", 0),)),
    }.items(),
)
def test_facts_that_do_not_fit_are_refused(flaw: str, said: Facts) -> None:
    with pytest.raises(errors.InvalidInput):
        facts.require_sound(said)


def test_a_parameter_is_kept_as_text() -> None:
    assert [facts.text_of(value) for value in ("a", 1, 1.5, True, None, [1])] == [
        "a", "1", "1.5", "true", "null", "[1]",
    ]  # fmt: skip
