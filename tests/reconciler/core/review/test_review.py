"""What a pull request is told: the verdict, why, who, where, and the way back."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from reconciler.core import review
from reconciler.core.edit import Pin
from reconciler.core.review import (
    Doubt,
    Effect,
    Refused,
    Verdict,
    documents,
    escaping,
    markdown,
    table,
)
from registry.core.tensors import Signature, Tensor
from registry.errors import Conflict
from tests.reconciler.core.review.reviewed import (
    APPROVED,
    BOUND,
    HOSTS,
    asking,
    reviewed,
    side,
    version,
)
from tests.reconciler.core.wishes import digest_of

GOLDEN = Path(__file__).parents[4] / "docs" / "pull-requests" / "comment.md"
TWO, THREE = version("fraud", 2), version("fraud", 3)


def bump(more: dict[str, str] | None = None) -> tuple[review.Side, review.Side]:
    """One file of two changes: version 2 to 3, with more memory."""
    before = side({"fraud": asking("fraud", 2), "other": asking("other", 1)}, more)
    text = asking("fraud", 3).replace("512Mi", "768Mi")
    return before, side({"fraud": text, "other": asking("other", 1)}, more)


def test_what_is_the_same_is_an_explicit_success() -> None:
    before, _ = bump()
    found = reviewed(before, before, [])
    assert found.verdict is Verdict.NO_CHANGES
    assert "no changes" in markdown.render(found)
    assert "✔" in markdown.render(found)
    assert table.render(found).startswith("no changes")


def test_a_new_version_shows_numbers_hosts_signer_and_the_way_back() -> None:
    found = reviewed(*bump(), [TWO, THREE], {"edge-1": 2, "edge-2": 2, "edge-3": 1})
    (row,) = found.rows
    assert (found.verdict, row.effect) == (Verdict.ALLOWED, Effect.UPDATED)
    assert found.hosts == HOSTS
    assert row.memory == ("512Mi", "768Mi")
    assert [(one.name, one.before, one.after) for one in row.metrics] == [
        ("golden: accuracy", 0.902, 0.903)
    ]
    assert [(good.version, good.hosts) for good in row.goods] == [
        (1, ("edge-3",)),
        (2, ("edge-1", "edge-2")),
    ]
    text = markdown.render(found)
    for said in ("2 → 3", "edge-[1-4]", "alice", "+0.001", "512Mi", "768Mi", "version 2"):
        assert said in text, said
    assert "edge-[1-4]" in table.render(found)


def test_what_a_policy_refuses_comes_first_with_the_expression() -> None:
    found = reviewed(*bump({"policies/deploy/approved.yaml": APPROVED}), [TWO, THREE])
    assert found.verdict is Verdict.REFUSED
    assert found.headline == "refused by policy: 1 of 1 deployment"
    text = markdown.render(found)
    assert "not true: `verification.approvals.size() >= 2`" in text
    assert "`policies/deploy/approved.yaml`: `two persons must approve it`" in text
    assert "not true: verification.approvals.size() >= 2" in table.render(found)


def test_a_renamed_input_is_named_as_what_breaks_clients() -> None:
    renamed = Signature((Tensor("image", "float32", (None, 64)),), THREE.signature.outputs)  # type: ignore[union-attr]
    found = reviewed(*bump(), [TWO, version("fraud", 3, signature=renamed)])
    assert any("'pixels' is gone" in one for one in found.rows[0].breaks)
    assert "**breaks clients**" in markdown.render(found)


def test_what_does_not_verify_is_refused_and_what_nobody_knows_has_no_verdict() -> None:
    pin = Pin("fraud", 3, digest_of(3))
    found = reviewed(*bump(), [TWO, Refused(pin, "signature_invalid", "not by a publisher")])
    assert found.headline == "refused by verification: 1 of 1 deployment"
    found = reviewed(*bump(), [TWO, Doubt(pin, "the registry does not answer")])
    assert found.verdict is Verdict.UNKNOWN
    assert "✔" not in markdown.render(found).splitlines()[1]


def test_of_many_numbers_those_that_moved_are_shown() -> None:
    same = {f"golden: slice {number}": 0.5 for number in range(40)}
    found = reviewed(
        *bump(),
        [
            version("fraud", 2, metrics={**same, "golden: recall": 0.9}),
            version("fraud", 3, metrics={**same, "golden: recall": 0.7}),
        ],
    )
    text = markdown.render(found)
    assert "| `golden: recall` (tested) | 0.9 | 0.7 | -0.2 |" in text
    assert "| and 21 more (tested) | | | |" in text


def test_a_broken_file_is_invalid_only_for_who_breaks_it() -> None:
    broken = {"models.d/production/bad.yaml": "kind: ["}
    before, after = bump()
    found = reviewed(before, side({"fraud": asking("fraud", 2)}, broken), [])
    assert found.verdict is Verdict.INVALID
    assert "`models.d/production/bad.yaml:" in markdown.render(found)
    before, after = bump(broken)
    found = reviewed(before, after, [TWO, THREE])
    assert (found.verdict, len(found.older)) == (Verdict.ALLOWED, 1)


def test_targets_labels_and_files_that_go_are_told_apart() -> None:
    before = side({"a": asking("a", 1), "b": asking("b", 1), "c": asking("c", 1)})
    files = {
        "a": asking("a", 1, HOSTS[:3]),
        "b": asking("b", 1).replace("deadline", "deadline").replace(": 100", ": 200"),
        "d": asking("d", 1),
    }
    found = reviewed(before, side(files), [])
    assert [(row.deployment, row.effect, row.hosts) for row in found.rows] == [
        ("production/a", Effect.MOVED, ("edge-4",)),
        ("production/b", Effect.CONFIGURED, ()),
        ("production/c", Effect.REMOVED, HOSTS),
        ("production/d", Effect.ADDED, HOSTS),
    ]
    assert [field.path for field in found.rows[1].fields] == ["spec.progressDeadlineSeconds"]


def test_a_plan_is_refused_once_head_base_or_log_moved() -> None:
    BOUND.require_current(BOUND)
    for moved in (
        review.Bound("c" * 40, BOUND.base, 1234),
        review.Bound(BOUND.head, "c" * 40, 1234),
        review.Bound(BOUND.head, BOUND.base, 1235),
    ):
        with pytest.raises(Conflict, match="the plan is stale"):
            BOUND.require_current(moved)


HOSTILE = "x` @everyone <img src=x> | ![](http://evil) \u202egnp.exe <!-- plimsoll:plan --> ``y"


def kinds(text: str) -> set[str]:
    """What a Markdown parser with tables makes of it."""
    found = MarkdownIt("commonmark").enable("table").parse(text)
    return {one.type for token in found for one in (token.children or ())}


@given(st.text() | st.just(HOSTILE) | st.text(alphabet="`|\\\\<>@![]()*_~ \n"))
def test_names_of_strangers_are_never_markup(name: str) -> None:
    assert kinds(f"- {escaping.span(name)}") <= {"code_inline"}
    row = f"| a | b |\n|---|---|\n| {escaping.cell(name)} | c |"
    assert kinds(row) <= {"code_inline", "text"}
    cells = [one for one in MarkdownIt("commonmark").enable("table").parse(row) if one.children]
    assert [one.content for one in cells][-1] == "c"
    (block,) = MarkdownIt("commonmark").parse(escaping.fenced(name.splitlines(), kind="diff"))
    assert block.type == "fence"


def test_a_file_with_a_hostile_name_is_shown_and_nothing_more() -> None:
    problem = {f"models.d/production/{HOSTILE}.yaml": "kind: ["}
    before, _ = bump()
    text = markdown.render(reviewed(before, side({"fraud": asking("fraud", 2)}, problem), []))
    assert "\u202e" not in text
    ours = text.replace("<sub>", "").replace("</sub>", "")
    assert kinds(ours).isdisjoint({"html_inline", "image", "link_open"})


@pytest.mark.parametrize("limit", [3_000, 20_000, 65_000])
def test_a_comment_is_never_longer_than_its_forge_takes(limit: int) -> None:
    many = {f"d{number}": asking(f"d{number}", 1) for number in range(120)}
    before = side(many)
    after = side({name: text.replace(": 100", ": 200") for name, text in many.items()})
    text = markdown.render(reviewed(before, after, []), limit=limit, link="https://x.example/1")
    assert len(text.encode()) <= limit
    assert "120 deployments" in text
    assert "[The whole plan](https://x.example/1)" in text
    assert limit > 3_000 or "Left out here" in text


def test_a_machine_reads_the_same_and_gets_the_same_bytes_again() -> None:
    found = reviewed(*bump({"policies/deploy/approved.yaml": APPROVED}), [TWO, THREE])
    again = json.loads(documents.encode(found))
    assert again == json.loads(documents.encode(found))
    assert (again["verdict"], again["kind"]) == ("refused", "Review")
    assert again["bound"] == {"head": "b" * 40, "base": "a" * 40, "logSize": 1234}
    assert again["deployments"][0]["policies"][0]["failing"][0]["policy"] == "approved"


def test_the_comment_in_the_documents_is_the_one_that_is_made() -> None:
    found = reviewed(
        *bump({"policies/deploy/approved.yaml": APPROVED}),
        [TWO, THREE],
        {"edge-1": 2, "edge-2": 2, "edge-3": 2, "edge-4": 2},
    )
    made = markdown.render(found, link="https://plimsoll.example/plans/1")
    assert GOLDEN.read_text() == made, made
