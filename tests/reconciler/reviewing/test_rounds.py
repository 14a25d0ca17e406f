"""A pull request is told what it would do, whatever fails meanwhile, and no host waits for it."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import httpx2
import pytest

from reconciler import client, config, engines, service, webhook
from reconciler.core.observed import Health
from reconciler.core.review import markdown
from reconciler.forges import protocol
from reconciler.reviewing.memory import Followed
from reconciler.reviewing.rounds import Rounds
from registry import errors
from tests.ports import free_port
from tests.reconciler.forges import servers
from tests.reconciler.reviewing import githttp
from tests.reconciler.reviewing.desk import Desk, desk
from tests.reconciler.town import DEPLOYMENT, POLICY, Town, manifest, town
from tests.registry.publishing import Publisher

PLAN, GATE = "plimsoll/plan", "plimsoll/policy"


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """Version 1 serves on one of two hosts."""
    alice = Publisher()
    with town(tmp_path_factory.mktemp("town"), alice) as made:
        for version in (1, 2, 3):
            made.publish(version, alice)
        made.deploy(1)
        made.settle()
        yield made


@pytest.fixture
def at(here: Town, tmp_path: Path) -> Iterator[Desk]:
    with desk(here, tmp_path) as made:
        yield made


def asking(here: Town, version: int, **more: str) -> dict[str, str | None]:
    return {DEPLOYMENT: manifest(version, here.digests[version], **more)}  # type: ignore[arg-type]


def mine(pull: servers.Pull) -> str:
    (note,) = [note for note in pull.notes if note.author == servers.ME]
    return note.body


def serving(here: Town) -> int:
    instance = here.serving()
    return 0 if instance is None else instance.version


def other(here: Town) -> int:
    """A version that does not serve."""
    return 2 if serving(here) == 1 else 1


def test_a_request_gets_one_comment_and_three_statuses(at: Desk) -> None:
    wanted = other(at.here)
    pull = at.propose(asking(at.here, wanted))
    at.rounds().round()
    text = mine(pull)
    assert text.startswith(markdown.MARKER)
    for said in (f"{serving(at.here)} → {wanted}", "✔ `alice`", "`edge-1`", "way back: `version"):
        assert said in text, said
    marks = at.forge.marks(pull.sha)
    assert {name: state for name, (state, _) in marks.items()} == dict.fromkeys(
        ("plimsoll/validate", GATE, PLAN), "success"
    )
    assert marks[PLAN][1] == "1 deployment, 1 host"
    told = len([one for one in at.forge.requests if not one.startswith("GET")])
    at.rounds().round()
    assert len([one for one in at.forge.requests if not one.startswith("GET")]) == told


def test_what_changes_no_deployment_is_an_explicit_success(at: Desk) -> None:
    pull = at.propose({"README.md": "Ours.\n"})
    at.rounds().round()
    assert "no changes" in mine(pull)
    assert at.forge.marks(pull.sha)[PLAN] == ("success", "no changes")


def test_a_policy_that_refuses_is_named_with_its_expression(at: Desk) -> None:
    policy = POLICY.replace("alice", "bob")
    files = asking(at.here, other(at.here)) | {"policies/deploy/signed.yaml": policy}
    pull = at.propose(files)
    at.rounds().round()
    assert 'not true: `verification.publisher == "bob"`' in mine(pull)
    state, text = at.forge.marks(pull.sha)[GATE]
    assert (state, "only bob may publish here" in text) == ("failure", True)


def test_a_policy_alone_names_what_it_would_refuse_from_then_on(at: Desk) -> None:
    pull = at.propose({"policies/deploy/signed.yaml": POLICY.replace("alice", "bob")})
    at.rounds().round()
    assert "serves until it changes: `production/digits: policy signed: only bob" in mine(pull)
    assert at.forge.marks(pull.sha)[GATE][0] == "success"


def test_a_version_that_is_not_there_is_refused_by_verification(at: Desk) -> None:
    text = manifest(9, f"sha256:{'9' * 64}")
    pull = at.propose({DEPLOYMENT: text})
    at.rounds().round()
    assert "digits@9 is not in the registry" in mine(pull)
    assert at.forge.marks(pull.sha)[GATE][0] == "failure"


def test_a_plan_for_an_older_base_counts_no_longer_and_is_edited_in_place(at: Desk) -> None:
    pull = at.propose(asking(at.here, other(at.here)))
    rounds = at.rounds()
    rounds.round()
    first = mine(pull)
    at.here.origin.commit({"README.md": "Moved on.\n", "models.d/notes.txt": "by another\n"})
    rounds.round()
    second = mine(pull)
    assert first != second
    assert "by another" not in second
    plans = [state for _, name, state, _ in at.forge.statuses if name == PLAN]
    assert plans == ["success", "pending", "success"]


def test_what_cannot_be_merged_is_said_with_the_files(at: Desk) -> None:
    pull = at.propose({"models.d/clash.txt": "one\n"})
    at.here.origin.commit({"models.d/clash.txt": "other\n"})
    at.rounds().round()
    assert "conflict: `models.d/clash.txt`" in mine(pull)
    assert at.forge.marks(pull.sha)["plimsoll/validate"][0] == "failure"


def test_a_head_that_moves_while_it_is_planned_is_not_told_of(at: Desk) -> None:
    pull = at.propose(asking(at.here, other(at.here)))
    stale, pull.sha = pull.sha, "f" * 40
    rounds = at.rounds()
    with pytest.raises(errors.Conflict, match="has moved"):
        rounds.round()
    assert pull.notes == []
    pull.sha = stale
    rounds.round()
    assert mine(pull)


class Dying:
    """A forge that is the last thing a reconciler sees: at its n-th call the process ends."""

    def __init__(self, real: protocol.Forge, calls: int) -> None:
        self._real = real
        self._left = calls

    def __getattr__(self, name: str) -> object:
        if name in {"comment", "edit", "mark", "comments"}:
            self._left -= 1
            if self._left < 0:
                raise SystemExit(137)
        return getattr(self._real, name)


def test_killed_at_any_step_it_ends_with_one_comment_and_the_right_statuses(at: Desk) -> None:
    pull = at.propose(asking(at.here, other(at.here)))
    for calls in range(6):
        (at.settings.state / "forge.json").unlink(missing_ok=True)
        pull.notes, at.forge.statuses = [], []
        first = at.rounds()
        object.__setattr__(first._telling, "forge", Dying(first._telling.forge, calls))
        if calls < 5:
            with pytest.raises(SystemExit):
                first.round()
        else:
            first.round()
        at.rounds().round()
        assert "allowed: 1 deployment" in mine(pull), calls
        marks = at.forge.marks(pull.sha).values()
        assert [state for state, _ in marks] == ["success"] * 3, calls
        assert len(list((at.settings.state / "plans").iterdir())) == 1, calls


def test_a_registry_that_is_down_leaves_it_pending_and_is_asked_again(at: Desk) -> None:
    pull = at.propose(asking(at.here, other(at.here)))
    token = at.here.folder / "reconciler.token"
    rounds = at.rounds(client.Registry("http://127.0.0.1:9", token))
    rounds.round()
    assert "no verdict yet" in mine(pull)
    assert at.forge.marks(pull.sha)[GATE][0] == "pending"
    later = at.rounds()
    said, asked = later.memory.told(1), later._telling.forge.asked()[0]
    assert said is not None
    for seconds in (5, -86_400, 11):  # too soon; the clock was set back; time to ask again
        later._clock = lambda waited=seconds, since=said.at: since + waited  # type: ignore[misc]
        assert later._is_due(said, asked, said.base, said.log_size) == (seconds != 5)
    later.round()
    assert "allowed: 1 deployment" in mine(pull)
    assert at.forge.marks(pull.sha)[GATE][0] == "success"


def test_a_forge_that_fails_is_tried_again_and_the_rest_is_told(at: Desk) -> None:
    pull = at.propose(asking(at.here, other(at.here)))
    at.forge.answers = [503]
    rounds = at.rounds()
    with pytest.raises(errors.Unavailable):
        rounds.round()
    rounds.round()
    assert mine(pull)


def test_one_request_that_cannot_be_read_keeps_no_other_from_its_plan(at: Desk) -> None:
    at.forge.pulls.append(servers.Pull(99, "gone", "main", "", "", sha="e" * 40))
    pull = at.propose(asking(at.here, other(at.here)), number=2)
    with pytest.raises(errors.GitUnavailable):
        at.rounds().round()
    assert mine(pull)


def test_a_forge_that_hangs_delays_no_host(at: Desk) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert at.settings.forge is not None
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        object.__setattr__(at.settings.forge, "address", address)
        rounds = at.rounds()
        rounds.start()
        wanted = other(at.here)
        at.here.deploy(wanted)
        at.here.settle()
        assert serving(at.here) == wanted
        assert rounds._thread.is_alive()
        rounds.close()
    assert at.forge.requests == []


def test_a_merged_commit_says_how_its_deployments_are_doing(at: Desk) -> None:
    at.here.settle()
    rounds = at.rounds()
    rounds.round()
    wanted = other(at.here)
    merged = at.merge(at.propose(asking(at.here, wanted)))
    rounds.round()
    name = "plimsoll/deploy/production"
    assert at.forge.marks(merged)[name][0] == "pending"
    at.here.loop.hint()
    at.here.settle()
    rounds.round()
    assert at.forge.marks(merged)[name] == ("success", "1 deployment healthy")


def test_a_commit_that_the_clone_lacks_since_it_was_made_anew_stops_no_status(at: Desk) -> None:
    """The branch was rewritten meanwhile, and the clone with the former one was broken."""
    at.here.settle()
    rounds = at.rounds()
    rounds.memory.follow(Followed("f" * 40, {"production": ("production/digits",)}))
    rounds.round()
    merged = at.merge(at.propose(asking(at.here, other(at.here))))
    rounds.round()
    assert at.forge.marks(merged)["plimsoll/deploy/production"][0] == "pending"
    at.here.loop.hint()
    at.here.settle()


def test_a_merged_commit_that_fails_says_why(at: Desk) -> None:
    at.here.settle()
    rounds = at.rounds()
    rounds.round()
    at.here.hosts["edge-1"].becomes[at.here.digests[3]] = Health.REFUSED
    merged = at.merge(at.propose(asking(at.here, 3)))
    at.here.loop.hint()
    at.here.settle()
    rounds.round()
    state, text = at.forge.marks(merged)["plimsoll/deploy/production"]
    assert state == "failure"
    assert "production/digits: rolled back:" in text
    at.here.deploy(other(at.here))
    at.here.settle()


@pytest.mark.parametrize("kind", ["gitlab", "gitea"])
def test_over_gits_own_http_server_the_head_of_a_fork_is_data(
    here: Town, tmp_path: Path, kind: str
) -> None:
    with (
        githttp.serving(here.folder / "remote") as (url, asked),
        desk(here, tmp_path, kind, f"{url}/origin.git") as at,
    ):
        proof = tmp_path / "ran"
        evil = (
            f'[merge "evil"]\n\tdriver = touch {proof}\n[filter "evil"]\n\tsmudge = touch {proof}\n'
        )
        files = asking(here, other(here)) | {
            ".gitattributes": "* merge=evil filter=evil diff=evil\n",
            ".gitconfig": evil,
            ".gitmodules": f'[submodule "x"]\n\tpath = x\n\turl = ext::sh -c "touch {proof}"\n',
            "models.d/production/@all <b>`x`.yaml": "kind: [",
        }
        pull = at.propose(files)
        at.rounds().round()
        assert "invalid: 1 problem" in mine(pull)
        assert "`@all" not in mine(pull).replace("``models.d/production/@all", "")
        assert not proof.exists()
        assert any("git-upload-pack" in one for one in asked)
        assert not any("git-receive-pack" in one for one in asked)


def test_it_runs_on_its_own_until_it_is_closed(at: Desk) -> None:
    pull = at.propose(asking(at.here, other(at.here)))
    rounds: Rounds = at.rounds()
    rounds.start()
    while PLAN not in at.forge.marks(pull.sha):
        rounds._over.wait(0.05)
        assert rounds._thread.is_alive()
    rounds.hint()
    rounds.close()
    rounds._thread.join(60)
    assert not rounds._thread.is_alive()


def test_a_webhook_brings_the_plan_and_the_whole_of_it_is_served(at: Desk, tmp_path: Path) -> None:
    """Nothing is polled for an hour here, but for what a webhook hints at."""
    (tmp_path / "secret").write_text("s3cret\n")
    pull, hosts = at.propose({"README.md": "Ours.\n"}), at.here.hosts
    at.forge.pulls = []
    port = free_port()
    with patch.object(engines, "connect", lambda *, host, **_: hosts[host]):
        settings = replace(
            at.settings,
            listen=f"127.0.0.1:{port}",
            webhook_secret_file=tmp_path / "secret",
            poll_s=3600.0,
            trust_file=at.here.folder / "registry" / "trust.json",
        )
        with served(settings) as wait_for:
            wait_for(lambda: "GET /repos/acme/models/pulls" in at.forge.requests)
            at.forge.pulls = [pull]
            headers = {
                "X-Hub-Signature-256": webhook.sign(b"{}", b"s3cret"),
                "X-GitHub-Event": "pull_request",
            }
            there = f"http://127.0.0.1:{port}"
            wait_for(lambda: answers(f"{there}/livez"))
            answer = httpx2.post(f"{there}/webhook", content=b"{}", headers=headers, timeout=60)
            assert (answer.status_code, answer.json()["event"]) == (202, "pull request")
            wait_for(lambda: bool(at.forge.links and at.forge.links[-1]))
            name = at.forge.links[-1].rpartition("/")[2]
            whole = httpx2.get(f"{there}/plans/{name}", timeout=60)
            assert whole.status_code == 200
            assert "no changes" in whole.text


@contextmanager
def served(settings: config.Config) -> Iterator[Callable[[Callable[[], bool]], None]]:
    """A reconciler that runs by itself until the block ends; gives what waits for something."""
    stop = threading.Event()
    running = threading.Thread(target=service.run_as, args=(settings, stop))
    running.start()

    def wait_for(holds: Callable[[], bool]) -> None:
        end = time.monotonic() + 120
        while not holds():
            assert running.is_alive()
            assert time.monotonic() < end
            time.sleep(0.05)

    try:
        yield wait_for
    finally:
        stop.set()
        running.join(60)


def answers(url: str) -> bool:
    """Whether anybody listens there by now."""
    try:
        return bool(httpx2.get(url, timeout=60))
    except httpx2.TransportError:
        return False
