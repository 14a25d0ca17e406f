"""Git trust as people meet it: statuses, policies, commands, revert commits."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from reconciler import cli, repo
from reconciler.core.observed import Health
from reconciler.signatures import Signatures
from registry.core.entries import Kind
from tests.reconciler import signers
from tests.reconciler.signers import Ssh
from tests.reconciler.town import DEPLOYMENT, Town, manifest, reconciler, town
from tests.registry.publishing import Publisher


@dataclass
class Signed:
    """A town whose reconciler believes Ada's commits only."""

    town: Town
    ada: Ssh

    def deploy(self, version: int, key: Ssh | None) -> str:
        """Commit with `key`, and tell the loop."""
        path = self.town.origin.work / DEPLOYMENT
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(manifest(version, self.town.digests[version]))
        commit = signers.commit(self.town.origin, key, f"Serve version {version}")
        self.town.loop.hint()
        self.town.settle()
        return commit

    def serving(self) -> int:
        found = self.town.serving()
        return found.version if found is not None else 0

    def run(self, *arguments: str) -> str:
        config = ["--config", str(self.town.folder / "plimsoll.toml")]
        done = CliRunner().invoke(cli.app, [*arguments, *config], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output


@pytest.fixture
def signed(tmp_path: Path) -> Iterator[Signed]:
    publisher = Publisher()
    with town(tmp_path, publisher) as made:
        for version in (1, 2):
            made.publish(version, publisher)
        ada = signers.ssh(tmp_path / "keys", "ada")
        bot = signers.ssh(tmp_path / "keys", "bot")
        (tmp_path / "allowed_signers").write_text(ada.line() + bot.line())
        signers.people(
            tmp_path / "people.json",
            ada={"keys": [ada.fingerprint], "emails": ["ada@example.com"]},
        )
        with (tmp_path / "plimsoll.toml").open("a") as config:
            config.write(
                'git_trust = "strict"\ngit_allowed_signers = "allowed_signers"\n'
                f'git_people = "people.json"\ngit_signing_key = "{bot.path}"\n'
            )
        made.loop.memory._folder.close()
        with reconciler(tmp_path, made.hosts) as made.loop:
            yield Signed(made, ada)


def test_a_refused_commit_deploys_nothing_and_every_surface_says_why(signed: Signed) -> None:
    good = signed.deploy(1, signed.ada)
    bad = signed.deploy(2, None)
    assert signed.serving() == 1
    status = signed.town.status()
    assert status["sync"]["status"] == "OutOfSync"  # type: ignore[index]
    assert f"commit {bad[:12]} is not signed" in status["sync"]["reason"]  # type: ignore[index]
    assert "plimsoll git accept" in status["sync"]["reason"]  # type: ignore[index]
    assert status["trust"]["status"] == "Refused"  # type: ignore[index]
    assert status["health"]["status"] == "Healthy"  # type: ignore[index]
    git = status["git"]
    assert isinstance(git, dict)
    assert (git["commit"], git["signer"], git["verified"]) == (good, "ada", True)
    assert (git["refused"]["commit"], git["refused"]["code"]) == (bad, "signature")
    said = signed.run("git", "status")
    assert f"in force: {good} (signed by ada)" in said
    assert f"refused:  {bad} (signature)" in said


def test_an_accepted_commit_is_deployed_and_the_log_has_all_of_it(signed: Signed) -> None:
    signed.deploy(1, signed.ada)
    bad = signed.deploy(2, None)
    signed.run("git", "accept", bad, "--reason", "Ada lost her key")
    signed.town.loop.hint()
    signed.town.settle()
    assert signed.serving() == 2
    told = [entry for entry in signed.town.log() if entry.kind.startswith("commit_")]
    assert [entry.kind for entry in told] == [
        Kind.COMMIT_VERIFIED, Kind.COMMIT_REFUSED, Kind.COMMIT_ACCEPTED,
    ]  # fmt: skip
    assert told[-1].reason == "Ada lost her key"
    assert "ada" not in json.dumps([entry.detail for entry in told])


def test_policies_are_told_who_signed_and_can_insist(signed: Signed) -> None:
    path = signed.town.origin.work / "policies" / "deploy" / "signed.yaml"
    text = path.read_text().replace(
        'verification.publisher == "alice"',
        'verification.commit.verified && verification.commit.signer == "ada" '
        '&& verification.commit.author == "ada"',
    )
    path.write_text(text)
    signed.deploy(1, signed.ada)
    assert signed.serving() == 1
    bad = signed.deploy(2, None)
    signed.run("git", "accept", bad, "--reason", "Let us see")
    signed.town.loop.hint()
    signed.town.settle()
    assert signed.serving() == 1
    assert "only alice may publish here" in str(signed.town.status()["trust"])


def test_a_revert_is_signed_with_the_reconcilers_own_key(signed: Signed, tmp_path: Path) -> None:
    signed.deploy(1, signed.ada)
    signed.town.hosts["edge-1"].becomes[signed.town.digests[2]] = Health.REFUSED
    bad = signed.deploy(2, signed.ada)
    branch = f"plimsoll/revert/production-digits-{bad[:12]}"
    assert "version: 1" in signed.town.origin.branch(branch, DEPLOYMENT)
    here = repo.Repository(
        signed.town.origin.url, branch=branch, folder=tmp_path / "look", author=("", "")
    )
    revert = here.commit(here.fetch())
    verdict = Signatures(tmp_path / "allowed_signers", None, None).verdict(revert)
    assert getattr(verdict, "principal", "") == "bot@example.com", verdict


def test_the_plan_of_a_refused_commit_is_a_refusal(signed: Signed) -> None:
    signed.deploy(1, signed.ada)
    bad = signed.deploy(2, None)
    config = ["--config", str(tmp := signed.town.folder / "plimsoll.toml")]
    assert tmp.exists()
    done = CliRunner().invoke(cli.app, ["plan", *config])
    assert done.exit_code != 0
    assert bad[:12] in str(done.exception)
