"""Where requests are proposed and looked at: one town for many of them, a forge for each test."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from reconciler import client, config, gate, repo, signatures
from reconciler.core import gittrust
from reconciler.reviewing import assembly
from reconciler.reviewing.rounds import Rounds
from tests.reconciler.forges import servers
from tests.reconciler.town import Town

MODE = gittrust.Rules(gittrust.Mode.NONE, (), require_author=False)


def examine(repository: repo.Repository) -> gate.Examiner:
    """No signature is asked for."""
    return gate.Examiner(repository, signatures.Signatures(None, None, None), MODE)


@dataclass
class Desk:
    """`rounds` makes a reviewer as a start of the reconciler would; `settings` are its own."""

    here: Town
    forge: servers.State
    settings: config.Config

    def rounds(self, registry: client.Registry | None = None) -> Rounds:
        judge = self.here.loop.effects.judge
        if registry is not None:
            judge = replace(judge, registry=registry)
        found = assembly.rounds(self.settings, judge, examine)
        assert found is not None
        return found

    def propose(self, files: dict[str, str | None], number: int = 1) -> servers.Pull:
        """A request with these files changed, on top of the branch as it is now."""
        origin, name = self.here.origin, f"request-{number}"
        origin.git("checkout", "--quiet", "-B", name, "origin/main")
        for path, content in files.items():
            place = origin.work / path
            if content is None:
                place.unlink()
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(content)
        origin.git("add", "--all")
        origin.git("commit", "--quiet", "--allow-empty", "-m", name)
        folder = "merge-requests" if self.forge.kind == "gitlab" else "pull"
        origin.git("push", "--quiet", "--force", "origin", f"HEAD:refs/{folder}/{number}/head")
        commit = origin.git("rev-parse", "HEAD")
        origin.git("checkout", "--quiet", "main")
        self.forge.pulls = [pull for pull in self.forge.pulls if pull.number != number]
        pull = servers.Pull(number, name, "main", name, "", sha=commit)
        self.forge.pulls.append(pull)
        return pull

    def merge(self, pull: servers.Pull) -> str:
        """As a person does at the forge."""
        origin = self.here.origin
        origin.git("merge", "--quiet", "--no-ff", pull.sha, "-m", f"Merge {pull.number}")
        origin.git("push", "--quiet", "origin", "main")
        pull.state = "merged"
        return origin.git("rev-parse", "HEAD")


@contextmanager
def desk(here: Town, folder: Path, kind: str = "github", url: str = "") -> Iterator[Desk]:
    """A forge of that kind over the town's repository, and a reviewer without a past."""
    (folder / "forge.token").write_text(servers.TOKEN)
    with servers.serving(kind) as forge:
        known = config.load(here.folder / "plimsoll.toml")
        settings = replace(
            known,
            repository=url or known.repository,
            state=folder / "state",
            forge=config.Forge(
                config.ForgeKind(kind),
                forge.url,
                "acme/models",
                folder / "forge.token",
                plans="https://plimsoll.example/plans",
            ),
        )
        yield Desk(here, forge, settings)
