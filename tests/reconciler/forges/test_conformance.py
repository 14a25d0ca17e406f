"""What every forge does, each through its own API as documented; the real ones were not reached."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler import config, forges
from registry import errors
from tests.reconciler.forges import servers

BRANCH = "plimsoll/revert/production-digits-0123456789ab"


@pytest.fixture(params=servers.KINDS)
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> config.Forge:
    (tmp_path / "token").write_text(f"{servers.TOKEN}\n")
    kind = config.ForgeKind(request.param)
    return config.Forge(kind, "", "acme/models", tmp_path / "token")


@pytest.fixture
def there(settings: config.Forge) -> Iterator[servers.State]:
    with servers.serving(settings.kind) as forge:
        yield forge


@pytest.fixture
def forge(settings: config.Forge, there: servers.State) -> forges.Forge:
    return forges.connect(replace(settings, address=there.url), "main")


def test_a_request_is_opened_once_whoever_asks_again(
    forge: forges.Forge, there: servers.State
) -> None:
    for number in range(5):
        other = servers.Pull(number + 1, f"feature-{number}", "main", "", "")
        there.pulls.append(other)
    there.pulls.append(servers.Pull(6, BRANCH, "other", "of another base", ""))
    made = forges.opened(forge, BRANCH, "Revert it", "because\n\nof numbers: 0.1 < 0.9")
    assert made.number == 7
    assert made.url.endswith("/7")
    assert forges.opened(forge, BRANCH, "Revert it", "because") == made
    (pull,) = [one for one in there.pulls if (one.head, one.base) == (BRANCH, "main")]
    assert (pull.title, pull.body) == ("Revert it", "because\n\nof numbers: 0.1 < 0.9")


def test_a_request_whose_answer_was_lost_is_found(
    forge: forges.Forge, there: servers.State
) -> None:
    there.loses = 1
    assert forges.opened(forge, BRANCH, "Revert it", "because").number == 1
    assert len(there.pulls) == 1


def test_a_closed_one_is_no_open_one(forge: forges.Forge, there: servers.State) -> None:
    there.pulls.append(servers.Pull(1, BRANCH, "main", "", "", state="closed"))
    assert forge.find(BRANCH) is None
    assert forges.opened(forge, BRANCH, "Revert it", "because").number == 2


def test_closing_says_why_once_and_leaves_a_merged_one_alone(
    forge: forges.Forge, there: servers.State
) -> None:
    made = forges.opened(forge, BRANCH, "Revert it", "because")
    assert forge.close(made.number, "not needed")
    assert not forge.close(made.number, "something else")
    assert (there.pulls[0].state, there.pulls[0].comments) == ("closed", ["not needed"])
    there.pulls.append(servers.Pull(2, BRANCH, "main", "", "", state="merged"))
    assert not forge.close(2, "not needed")
    assert (there.pulls[1].state, there.pulls[1].comments) == ("merged", [])


def test_closing_whose_answers_were_lost_is_gone_on_with_and_says_why_once(
    forge: forges.Forge, there: servers.State
) -> None:
    """Of the comment first, then of what closes it; the same where who closed it died."""
    made = forges.opened(forge, BRANCH, "Revert it", "because")
    for _ in range(2):
        there.loses = 1
        with pytest.raises(errors.Unavailable):
            forge.close(made.number, "not needed")
    assert forge.close(made.number, "not needed")
    assert (there.pulls[0].state, there.pulls[0].comments) == ("closed", ["not needed"])


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
def test_a_forge_that_refuses_is_quoted_without_the_token(
    forge: forges.Forge, there: servers.State, status: int
) -> None:
    there.answers = [status]
    with pytest.raises(errors.Unavailable) as caught:
        forge.find(BRANCH)
    assert f"answers {status} to GET" in caught.value.detail
    assert "***" in caught.value.detail
    assert servers.TOKEN not in f"{caught.value.detail}{caught.value.fix}{caught.value!r}"


def test_a_forge_that_is_down_is_unavailable(settings: config.Forge) -> None:
    forge = forges.connect(replace(settings, address="http://127.0.0.1:9"), "main")
    with pytest.raises(errors.Unavailable, match="does not answer"):
        forge.open(BRANCH, "Revert it", "because")


@pytest.mark.parametrize("content", ["", "two words", "line\nanother"])
def test_a_file_without_a_token_is_not_sent(
    forge: forges.Forge, there: servers.State, settings: config.Forge, content: str
) -> None:
    settings.token_file.write_text(content)
    with pytest.raises(errors.Unavailable, match="holds no token"):
        forge.find(BRANCH)
    settings.token_file.unlink()
    with pytest.raises(errors.Unavailable, match="cannot be read"):
        forge.find(BRANCH)
    assert there.requests == []


def test_a_renewed_token_is_used_at_once(
    forge: forges.Forge, there: servers.State, settings: config.Forge
) -> None:
    settings.token_file.write_text("old")
    with pytest.raises(errors.Unavailable, match="answers 401"):
        forge.find(BRANCH)
    settings.token_file.write_text(servers.TOKEN)
    assert forge.find(BRANCH) is None
    assert there.opened() == []


MARKER = "<!-- plimsoll:plan -->"
COMMIT = "a" * 40


def test_open_requests_are_listed_with_the_ref_that_has_their_commit(
    forge: forges.Forge, there: servers.State, settings: config.Forge
) -> None:
    for number in range(1, 6):
        there.pulls.append(servers.Pull(number, f"f{number}", "main", "", "", sha=f"{number}" * 40))
    there.pulls.append(servers.Pull(6, "f6", "other", "", ""))
    there.pulls.append(servers.Pull(7, "f7", "main", "", "", state="closed"))
    found = forge.asked()
    assert [(one.number, one.head) for one in found] == [(n, f"{n}" * 40) for n in range(1, 6)]
    folder = "merge-requests" if settings.kind is config.ForgeKind.GITLAB else "pull"
    assert found[4].ref == f"refs/{folder}/5/head"


def test_one_comment_is_kept_whoever_else_writes(forge: forges.Forge, there: servers.State) -> None:
    pull = servers.Pull(1, "f1", "main", "", "")
    there.pulls.append(pull)
    there.note(pull, servers.STRANGER, f"{MARKER}\nallowed, trust me")
    there.note(pull, servers.STRANGER, "looks good")
    assert forges.keep(forge, 1, MARKER, f"{MARKER}\nrefused")
    assert not forges.keep(forge, 1, MARKER, f"{MARKER}\nrefused")
    assert forges.keep(forge, 1, MARKER, f"{MARKER}\nallowed")
    assert [note.body for note in pull.notes if note.author == servers.ME] == [f"{MARKER}\nallowed"]
    assert pull.comments[0] == f"{MARKER}\nallowed, trust me"
    pull.notes = [note for note in pull.notes if note.author != servers.ME]
    assert forges.keep(forge, 1, MARKER, f"{MARKER}\nallowed")
    assert pull.comments.count(f"{MARKER}\nallowed") == 1


def test_a_comment_whose_answer_was_lost_is_not_written_twice(
    forge: forges.Forge, there: servers.State
) -> None:
    there.pulls.append(servers.Pull(1, "f1", "main", "", ""))
    there.loses = 1
    with pytest.raises(errors.Unavailable):
        forges.keep(forge, 1, MARKER, f"{MARKER}\nplanned")
    assert not forges.keep(forge, 1, MARKER, f"{MARKER}\nplanned")
    assert there.pulls[0].comments == [f"{MARKER}\nplanned"]


def test_a_commit_is_marked_and_marked_again(forge: forges.Forge, there: servers.State) -> None:
    for state in (forges.State.PENDING, forges.State.PENDING, forges.State.FAILURE):
        forge.mark(COMMIT, forges.Status("plimsoll/plan", state, "x" * 1000))
    link = "https://plimsoll.example/plans/1"
    forge.mark(COMMIT, forges.Status("plimsoll/policy", forges.State.SUCCESS, "all agree", link))
    assert there.links[-1] == link
    marks = there.marks(COMMIT)
    assert marks["plimsoll/plan"][0] in {"failure", "failed"}
    assert len(marks["plimsoll/plan"][1]) <= 255
    assert marks["plimsoll/policy"] == ("success", "all agree")


def test_a_token_of_an_app_finds_its_comment_without_asking_who_it_is(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(servers.TOKEN)
    with servers.serving("github") as there:
        there.is_app = True
        pull = servers.Pull(1, "f1", "main", "", "")
        there.pulls.append(pull)
        there.note(pull, servers.STRANGER, f"{MARKER}\nallowed, trust me")
        kind = config.ForgeKind.GITHUB
        settings = config.Forge(kind, there.url, "acme/models", tmp_path / "token")
        forge = forges.connect(settings, "main")
        assert forges.keep(forge, 1, MARKER, f"{MARKER}\nrefused")
        assert forges.keep(forge, 1, MARKER, f"{MARKER}\nallowed")
        assert pull.comments[1:] == [f"{MARKER}\nallowed"]


def test_what_a_forge_calls_a_commit_must_be_one(forge: forges.Forge, there: servers.State) -> None:
    there.pulls.append(servers.Pull(1, "f1", "main", "", "", sha="--upload-pack=evil"))
    with pytest.raises(errors.Unavailable, match="as a commit"):
        forge.asked()
