"""A model's files exported by a child that is shut in, after the registry's own inspection.

The child writes into a folder beside the wanted one; what it made is moved there when it is whole.
"""

import shutil
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from registry import errors
from registry.core import fields
from registry.core.canonical import Json


@dataclass(frozen=True, slots=True)
class Asked:
    """What a model shall become, and how far its numbers may be off."""

    to: str
    name: str
    example: Path | None
    absolute: float
    relative: float
    trusts_pickle: bool = False
    batched: bool = True


def in_child(source: Path, folder: Path, asked: Asked) -> dict[str, Json]:
    """The report's document; raises what `registry.making.exporting.export` raises, UnsafeModel."""
    from registry.making import child  # noqa: PLC0415  heavy
    from registry.making.exporting import forms, job  # noqa: PLC0415

    to = forms.form(asked.to)
    if not source.exists():
        raise errors.InvalidInput(f"{source} is not there", fix="name a model's folder or file")
    if source.suffix not in job.OWN:
        _inspect(source)
    job.require_trusted(source, trusts=asked.trusts_pickle)
    _require_room(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    source, example = source.absolute(), asked.example.absolute() if asked.example else None
    work = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent)).absolute()
    read = source if source.is_dir() else source.parent
    request: dict[str, Json] = {
        "job": "export", "source": str(source), "folder": str(work / "made"),
        "readable": [str(one) for one in (read, example) if one], "writable": str(work),
        "to": str(to), "name": asked.name, "example": str(example) if example else None,
        "tolerance": [asked.absolute, asked.relative], "pickle": asked.trusts_pickle,
        "batched": asked.batched,
    }  # fmt: skip
    try:
        done = child.run(request, work)
        (work / "made").replace(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    report = fields.mapping(done, "report", what="answer")
    return report | {"walls": done.get("walls")}


def _inspect(source: Path) -> None:
    """What the registry would refuse is not loaded here either; it does not know LiteRT."""
    from registry.cli import uploading  # noqa: PLC0415  heavy
    from registry.formats import inspection  # noqa: PLC0415

    places = uploading.collect(source)
    if any(path.endswith(".tflite") for path in places):
        return
    sizes = {path: place.stat().st_size for path, place in places.items()}
    with closing(inspection.Inspector()) as inspector:
        inspector.inspect(
            sizes,
            lambda path, _: inspection.open_plain(path, places[path]),
            None,
            inspection.Limits(),
        )


def _require_room(folder: Path) -> None:
    if folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
        raise errors.Conflict(
            f"{folder} is there already and not empty", fix="name a folder that is not there yet"
        )
