"""How long a pull request waits for its plan: 1,000 files, of which one changes.

The registry is real, so is Git; the forge is in memory, for its time is its own. Told are the
first look after a start, which reads everything, and the later ones.
"""

import resource
import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from bench import models, registries, wishes
from bench.figures import Row, under
from bench.origin import Origin
from bench.publishing import publish
from reconciler import client, forges
from reconciler.forges import Asked, Comment, Status
from reconciler.reviewing.gathering import Gatherer
from reconciler.reviewing.heads import Heads, Sides
from reconciler.reviewing.memory import Memory
from reconciler.reviewing.merging import Merging
from reconciler.reviewing.rounds import Rounds
from reconciler.reviewing.telling import Telling
from registry.core import trustchain

_AREA = "pull-requests"
_FILES = 1000
_MODEL = "digits"
_TIMES = 5


@dataclass
class _Forge:
    """Keeps what it is told, and takes no time."""

    requests: list[Asked] = field(default_factory=list)
    told: dict[int, str] = field(default_factory=dict)
    marked: int = 0
    comment_limit = 65_000

    def find(self, branch: str) -> forges.Opened | None:  # noqa: ARG002
        return None

    def open(self, branch: str, title: str, body: str) -> forges.Opened:
        raise NotImplementedError

    def close(self, number: int, comment: str) -> bool:
        raise NotImplementedError

    def asked(self) -> list[Asked]:
        return self.requests

    def comments(self, number: int) -> list[Comment]:
        return [Comment(1, self.told[number])] if number in self.told else []

    def comment(self, number: int, body: str) -> None:
        self.told[number] = body

    def edit(self, number: int, _comment: int, body: str, /) -> None:
        self.told[number] = body

    def mark(self, commit: str, status: Status) -> None:  # noqa: ARG002
        self.marked += 1


def rows(folder: Path) -> Generator[Row, None, None]:
    """First look and later looks, by the clock and by CPU, Git's own processes included."""
    with registries.running(folder) as registry:
        digests = {
            version: _published(registry, folder / f"model-{version}", version)
            for version in (1, 2)
        }
        yield from _measured(folder, registry, digests)


def _published(registry: registries.Running, folder: Path, version: int) -> str:
    folder.mkdir()
    source = models.onnx(folder, seed=version)
    return publish(registry, source, model=_MODEL, version=version, form="onnx")


def _measured(
    folder: Path, registry: registries.Running, digests: dict[int, str]
) -> Generator[Row, None, None]:
    origin, forge = Origin(folder), _Forge()
    files = _files(digests[1])
    origin.push(files)
    path = f"models.d/{wishes.ENVIRONMENT}/{_MODEL}.yaml"
    for number in range(_TIMES + 1):
        text = files[path].replace(b"version: 1,", b"version: 2,")
        text = text.replace(digests[1].encode(), digests[2].encode()) + b"# %d\n" % number
        ref = f"refs/pull/{number}/head"
        forge.requests.append(Asked(number, origin.propose({path: text}, ref), ref))
    waiting, forge.requests = forge.requests, []
    with closing(client.Registry(registry.url, registry.token_file)) as asked:
        rounds = _rounds(folder, registry, asked, origin, forge)
        found = []
        for one in waiting:
            forge.requests.append(one)
            found.append(_timed(rounds))
            if "1 → 2" not in forge.told[one.number]:
                raise ValueError(forge.told[one.number])
    what = f"plan comment, 1 of {len(files)} files changes"
    yield Row(_AREA, f"{what}, first look", found[0][0], "s")
    yield Row(_AREA, f"{what}, first look, CPU", found[0][1], "s")
    best = min(wall for wall, _ in found[1:])
    yield Row(_AREA, f"{what}, best of {_TIMES}", best, "s", bar=under(1))
    cpu = min(cpu for _, cpu in found[1:])
    yield Row(_AREA, f"{what}, best of {_TIMES}, CPU", cpu, "s", bar=under(1))


def _rounds(
    folder: Path,
    registry: registries.Running,
    asked: client.Registry,
    origin: Origin,
    forge: _Forge,
) -> Rounds:
    heads = Heads(origin.url, branch="main", folder=folder / "reviews.git", author=("B", "b@b.b"))
    sides, memory = Sides(heads), Memory(folder / "state")
    root = trustchain.read(registry.trust_file.read_bytes())
    return Rounds(
        heads=heads,
        sides=sides,
        gatherer=Gatherer(asked, lambda: root, dict),
        telling=Telling(forge, memory, "https://plimsoll.example/plans"),
        merging=Merging(heads, sides, memory, forge, asked),
        poll_s=30.0,
    )


def _timed(rounds: Rounds) -> tuple[float, float]:
    began, cpu = time.perf_counter(), _cpu()
    rounds.round()
    return time.perf_counter() - began, _cpu() - cpu


def _cpu() -> float:
    found = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in found)


def _files(digest: str) -> dict[str, bytes]:
    files = wishes.carried()
    files |= wishes.host("edge-0", engine=Path("/run/docker.sock"), port=8501)
    files |= wishes.deployment(_MODEL, version=1, digest=digest, form="onnx", host="edge-0")
    for number in range(_FILES - len(files)):
        other = f"sha256:{number:064x}"
        files |= wishes.deployment(
            f"model-{number}", version=1, digest=other, form="onnx", host="edge-0"
        )
    return files
