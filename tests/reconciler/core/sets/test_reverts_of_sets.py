"""A version that a set pins is changed back where it stands, or a person is told why it is not."""

import pytest

from reconciler.core import desired, edit, kinds, reverts
from reconciler.core.reasons import Why
from registry.core import documents
from registry.errors import InvalidInput
from tests.reconciler.core.paper import Paper, PaperHost
from tests.reconciler.core.sets.files import PATH, hosts, set_file
from tests.reconciler.core.wishes import POLICY, digest_of

KEY = "production/digits-h1"
BAD = 6  # it crashes


def rows(first: int, second: int, *, note: str = "") -> str:
    one, two = (
        f'{{host: {host}, version: {version}, digest: "{digest_of(version)}"}}'
        for host, version in (("h1", first), ("h2", second))
    )
    return f"list: {{elements: [{note}{one}, {two}]}}"


def listed(first: int, second: int, *, note: str = "") -> bytes:
    text = rows(first, second, note=note)
    return set_file(text, version='"{{version}}"', digest="'{{digest}}'")


def asked(text: bytes) -> desired.DesiredState:
    policies = {"policies/deploy/all.yaml": POLICY.encode()}
    return desired.load({**hosts("h1", "h2"), **policies, PATH: text}, commit="c")


def rolled_back(first: bytes, then: bytes) -> Paper:
    paper = Paper(asked(first), {name: PaperHost() for name in ("h1", "h2")})
    paper.run()
    paper.done.clear()
    paper.wish = asked(then)
    paper.run()
    return paper


def test_the_row_of_the_deployment_is_changed_back_and_not_one_byte_else() -> None:
    paper = rolled_back(listed(1, 1), listed(BAD, 1))
    [push] = [action for action in paper.done if isinstance(action, reverts.PushRevert)]
    assert (push.deployment, push.path) == (KEY, PATH)
    assert push.origin is not None
    assert reverts.remade(push, push.origin, listed(BAD, 1)) == listed(1, 1)
    # Also where another row was put before it meanwhile: rows are known by what they say.
    moved = 'note: {host: h3, version: 6, digest: ""}, '.removeprefix("note: ")
    found = reverts.remade(push, push.origin, listed(BAD, 1, note=moved))
    assert found == listed(1, 1, note=moved)


def test_a_row_that_is_no_longer_there_or_there_twice_is_left_to_a_person() -> None:
    [one] = [asked(listed(BAD, 1)).deployments[KEY]]
    assert one.origin is not None
    was, now = (edit.Pin("digits", version, digest_of(version)) for version in (BAD, 1))
    twice = listed(BAD, BAD).replace(b"host: h2", b"host: h1")
    for text in (listed(2, 1), twice):
        with pytest.raises(
            InvalidInput, match=r"was changed meanwhile: its row is there [02] times"
        ):
            edit.repin_made(text, one.origin, was=was, now=now, path=PATH)


def test_a_version_that_many_have_from_one_place_is_reverted_by_hand() -> None:
    paper = rolled_back(set_file(), set_file(version=str(BAD), digest=f'"{digest_of(BAD)}"'))
    assert not [action for action in paper.done if isinstance(action, reverts.PushRevert)]
    said = {
        wait.reason.text for wait in paper.plan().waits if wait.reason.code is Why.REVERT_BY_HAND
    }
    assert (
        f"revert {KEY} to version 1 in {PATH} by hand: other deployments have their version from "
        "the same place"
    ) in said


def test_a_version_of_a_set_that_makes_one_stands_in_the_template() -> None:
    only = "list: {elements: [{host: h1}]}"
    before = set_file(only)
    after = set_file(only, version=str(BAD), digest=f'"{digest_of(BAD)}"')
    paper = rolled_back(before, after)
    [push] = [action for action in paper.done if isinstance(action, reverts.PushRevert)]
    assert push.origin is not None
    assert reverts.remade(push, push.origin, after) == before


def test_what_is_written_into_a_set_is_a_good_set() -> None:
    [one] = [asked(listed(BAD, 1)).deployments[KEY]]
    assert one.origin is not None
    was, now = (edit.Pin("digits", version, digest_of(version)) for version in (BAD, 3))
    text = edit.repin_made(listed(BAD, 1), one.origin, was=was, now=now, path=PATH)
    document = documents.read(PATH, text)
    assert isinstance(document, documents.Document)
    assert isinstance(kinds.read(document), kinds.ModelDeploymentSet)
    with pytest.raises(InvalidInput):
        edit.repin_made(text, one.origin, was=now, now=edit.Pin("digits", 0, "x"), path=PATH)
