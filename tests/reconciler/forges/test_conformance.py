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
    assert not forge.close(made.number, "not needed")
    assert (there.pulls[0].state, there.pulls[0].comments) == ("closed", ["not needed"])
    there.pulls.append(servers.Pull(2, BRANCH, "main", "", "", state="merged"))
    assert not forge.close(2, "not needed")
    assert (there.pulls[1].state, there.pulls[1].comments) == ("merged", [])


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
