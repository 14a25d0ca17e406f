"""An experiment with everything real around it but the hosts: Git, log, forge, and users."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from registry.cli import status
from registry.core.entries import Kind
from tests.reconciler.forges import servers
from tests.reconciler.measuring.service import Service, serving
from tests.reconciler.test_rollback import told
from tests.reconciler.town import DEPLOYMENT, Town, town
from tests.registry.publishing import Publisher

PATH = "models.d/experiments/bigger.yaml"


@dataclass
class Shop:
    """Counts users of both variants; each look finds some more."""

    here: Town
    service: Service
    totals: dict[str, tuple[float, float]] = field(default_factory=dict)

    def sells(self, old: float, new: float) -> None:
        """A thousand more users of each, who buy at these rates."""
        for name, rate in (("old", old), ("new", new)):
            count, total = self.totals.get(name, (0.0, 0.0))
            self.totals[name] = count + 1000, total + 1000 * rate
        totals = {name: {"count": one, "sum": two} for name, (one, two) in self.totals.items()}
        self.service.answers["/totals/bigger"] = 200, json.dumps(totals).encode()

    def asks_for(self, promote: str) -> str:
        """The commit that declares the experiment."""
        digests = self.here.digests
        text = f"""\
apiVersion: plimsoll.dev/v1
kind: Experiment
metadata: {{name: bigger}}
spec:
  deployment: production/digits
  variants:
    - {{name: old, version: 1, digest: "{digests[1]}", weight: 50}}
    - {{name: new, version: 2, digest: "{digests[2]}", weight: 50}}
  unit: {{cookie: experiment}}
  metric:
    name: sales
    better: higher
    proportion: {{}}
    source: {{http: {{url: "{self.service.url}/totals/{{{{args.experiment}}}}"}}}}
    smallestEffect: 0.05
  interval: 1s
  horizon: {{samples: 100000, time: 24h}}
  promote: {promote}
"""
        commit = self.here.origin.commit({PATH: text}, "Try a bigger net")
        self.here.loop.hint()
        return commit


@pytest.fixture
def forge() -> Iterator[servers.State]:
    with servers.serving("gitea") as made:
        yield made


@pytest.fixture
def shop(tmp_path: Path, forge: servers.State) -> Iterator[Shop]:
    """Version 1 serves, from a file that people have written into."""
    (tmp_path / "forge.token").write_text(servers.TOKEN)
    alice = Publisher()
    with serving() as service:
        more = f"""
[[reconciler.forge]]
kind = "gitea"
address = "{forge.url}"
project = "acme/models"
token_file = "forge.token"
[[reconciler.checks]]
address = "{service.url}/totals"
"""
        with town(tmp_path, alice, more) as here:
            here.publish(1, alice)
            here.publish(2, alice)
            here.deploy(1)
            here.settle()
            yield Shop(here, service)


def until(here: Town, is_so: Callable[[], bool]) -> None:
    """Round after round, a second each."""
    now = [here.loop.clock()]
    here.loop.clock = lambda: now[0]
    for _ in range(60):
        now[0] += 1
        here.loop.tick()
        here.await_slow_work()
        if is_so():
            return
    raise AssertionError(here.status())


def sides(here: Town) -> list[int]:
    """The versions that users get, the control's first."""
    route = here.hosts["edge-1"].routes["digits"]
    names = [route.instance, *([route.share.instance] if route.share else [])]
    return [here.hosts["edge-1"].instances[name].version for name in names]


def on_record(here: Town) -> None:
    """Both ends are in the log, once, with the numbers."""
    (begun,), (decided,) = told(here, Kind.EXPERIMENT_BEGUN), told(here, Kind.EXPERIMENT_DECIDED)
    assert (begun.version, begun.detail["state"]) == (2, "running")
    assert (decided.detail["state"], decided.digest) == ("treatment", here.digests[2])
    metrics = decided.detail["metrics"]
    assert isinstance(metrics, list)
    assert metrics[0]["observations"] == [2000, 2000]


def test_a_winner_becomes_a_pull_request_and_the_log_has_the_numbers(
    shop: Shop, forge: servers.State, capsys: pytest.CaptureFixture[str]
) -> None:
    here = shop.here
    shop.asks_for("pullRequest")
    shop.sells(0.1, 0.1)
    until(here, lambda: bool(shop.service.asked))
    assert sides(here) == [1, 2]
    shop.sells(0.1, 0.1)
    shop.sells(0.1, 0.3)
    until(here, lambda: bool(forge.pulls))
    (pull,) = forge.pulls
    assert pull.title == "Let production/digits serve digits version 2"
    assert "new is better; sales: new 0.2" in pull.body
    on_record(here)
    assert sides(here) == [1]
    here.settle()
    status.show_one(here.status())  # type: ignore[arg-type]  as JSON
    said = capsys.readouterr().out
    assert "bigger, treatment since" in said
    assert "; https://forge.example/pull/1" in said
    here.origin.git("fetch", "--quiet")
    changed = here.origin.git("diff", "--stat", f"origin/main...origin/{pull.head}")
    assert "1 file changed, 2 insertions(+), 2 deletions(-)" in changed
    here.origin.git("merge", "--quiet", f"origin/{pull.head}")
    here.origin.git("push", "--quiet", "origin", "main")
    here.loop.hint()
    until(here, lambda: sides(here) == [2])
    assert here.hosts["edge-1"].outages == []


def test_a_winner_is_committed_where_its_file_says_so(shop: Shop, forge: servers.State) -> None:
    here = shop.here
    shop.asks_for("commit")
    shop.sells(0.1, 0.1)
    until(here, lambda: bool(shop.service.asked))
    shop.sells(0.1, 0.3)
    until(here, lambda: bool(told(here, Kind.EXPERIMENT_PROPOSED)))
    (proposed,) = told(here, Kind.EXPERIMENT_PROPOSED)
    assert str(proposed.detail["where"]).startswith("commit ")
    here.loop.hint()
    until(here, lambda: sides(here) == [2])
    here.origin.git("pull", "--quiet", "origin", "main")
    assert here.digests[2] in (here.origin.work / DEPLOYMENT).read_text()
    assert forge.pulls == []
