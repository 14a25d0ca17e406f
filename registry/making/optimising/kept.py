"""What was made, kept by what it was made of: a run that is killed goes on where it was.

A folder for each job under the digest of its request, of the files it reads and of the libraries
that do it. It appears whole, by one rename, or not at all.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from registry.core import canonical
from registry.core.canonical import Json
from registry.making.optimising import children
from registry.making.optimising.children import Bounds

# Raised where the code of a job changes what it makes.
_EDITION = 1
_LIBRARIES = ("onnx", "onnxruntime", "numpy", "torch", "keras", "tensorflow_cpu")
_SAID = "said.json"
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class File:
    """A file that a job reads."""

    path: Path
    digest: str

    @classmethod
    def of(cls, path: Path) -> "File":
        """Read whole, for its digest."""
        hashed = hashlib.sha256()
        with path.open("rb") as stream:
            while block := stream.read(_BLOCK):
                hashed.update(block)
        return cls(path, f"sha256:{hashed.hexdigest()}")


@dataclass(frozen=True, slots=True)
class Made:
    """The folder of a job that was done, and what it answered."""

    folder: Path
    answer: Mapping[str, Json]

    @property
    def model(self) -> File:
        """The model in it."""
        return File.of(self.folder / "model.onnx")


@dataclass(frozen=True, slots=True)
class Work:
    """A folder of jobs that were done."""

    folder: Path
    bounds: Bounds

    def do(self, job: str, said: Mapping[str, Json], files: Mapping[str, File]) -> Made:
        """The job's outcome, made now unless it is there; raises as `children.run` does."""
        named: dict[str, Json] = {name: one.digest for name, one in files.items()}
        key: dict[str, Json] = {
            "job": job, "said": dict(said), "files": named, "edition": _EDITION,
            "libraries": dict(libraries()),
        }  # fmt: skip
        target = self.folder / hashlib.sha256(canonical.encode(key)).hexdigest()[:32]
        if not target.exists():
            self._make(job, {**said, **{name: str(f.path) for name, f in files.items()}}, target)
        answer = json.loads((target / _SAID).read_text(encoding="utf-8"))
        return Made(target, answer)

    def _make(self, job: str, said: Mapping[str, Json], target: Path) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix="unfinished-", dir=self.folder))
        try:
            answer = children.run(job, said, unfinished.resolve(), self.bounds)
            (unfinished / _SAID).write_text(json.dumps(answer), encoding="utf-8")
            unfinished.rename(target)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)


def libraries() -> dict[str, str]:
    """Which are installed here, by version."""
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
