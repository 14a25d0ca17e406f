"""Has the registry run a recipe: leaves it there, watches it, and brings what came of it."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

from registry import errors
from registry.cli import options, output, progress
from registry.core import canonical, fields, names
from registry.core.canonical import Json
from registry.core.oms import File

if TYPE_CHECKING:
    from registry.cli.client import Client
    from registry.core.recipes.kinds import OptimisationRecipe

_LOOK_EVERY_S = 1.0
_PATH = "/v1/optimisations"
_WHAT = "answer about the recipe"


def run(
    read: "OptimisationRecipe", recipe: Path, target: Path, access: options.Access
) -> dict[str, Json]:
    """The report, once it and the model are in the folder `target`.

    Raises Unsupported where the registry could not carry it out, and what it refuses.
    """
    from registry.cli import pull  # noqa: PLC0415  heavy

    with options.connect(access.server, access.token_file) as client:
        left = _left(client, read, recipe)
        name = fields.text(left, "id", what=_WHAT)
        output.message(f"left with the registry as {name}")
        ended = _watched(client, left)
        if ended.get("state") != "done":
            raise errors.Unsupported(
                f"the registry did not carry it out: {output.plain(str(ended.get('reason')))}",
                fix="mend the recipe, and leave it again",
            )
        made = [_file(one) for one in fields.objects(ended, "made", what=_WHAT)]
        names.file_paths([one.path for one in made])
        with progress.of_bytes("downloading", sum(one.size for one in made)) as advance:
            pull.bring(client, made, target, advance)
    return canonical.decode_object((target / "report.json").read_bytes(), what="report.json")


def withdraw(read: "OptimisationRecipe", recipe: Path, access: options.Access) -> None:
    """Have the registry forget it, whatever state it is in; its samples are not sent again."""
    with options.connect(access.server, access.token_file) as client:
        left = _left(client, read, recipe)
        name = fields.text(left, "id", what=_WHAT)
        client.call("DELETE", f"{_PATH}/{name}")
    output.message(f"withdrawn: {name}")


def _left(client: "Client", read: "OptimisationRecipe", recipe: Path) -> dict[str, Json]:
    """Left now or before: the same recipe on the same samples is the same."""
    from registry.cli import uploading  # noqa: PLC0415  heavy
    from registry.core.recipes import planning  # noqa: PLC0415  heavy

    places = {path: recipe.absolute().parent / path for path in planning.paths(read.spec)}
    for path, place in places.items():
        if not place.is_file():
            raise errors.InvalidInput(
                f"{path}: {place} is not there", fix="a path begins at the recipe's folder"
            )
    total = sum(one.stat().st_size for one in places.values())
    with progress.of_bytes("samples", total, passes=2) as on:
        files = uploading.bring(client, places, on).files
    digests: dict[str, Json] = {file.path: file.digest for file in files}
    wanted: dict[str, Json] = {"recipe": recipe.read_text(encoding="utf-8"), "files": digests}
    answer = client.call("POST", _PATH, canonical.encode(wanted))
    return canonical.decode_object(answer.content, what=_WHAT)


def _watched(client: "Client", left: dict[str, Json]) -> dict[str, Json]:
    """Until it has ended; a registry that is started anew meanwhile is waited for by the client."""
    found = left
    with progress.of_phases() as told:
        while found.get("state") in {"waiting", "running"}:
            done, total = (fields.integer(found, one, what=_WHAT) for one in ("done", "total"))
            told(output.plain(str(found.get("phase"))), done, total)
            time.sleep(_LOOK_EVERY_S)
            answer = client.call("GET", f"{_PATH}/{left.get('id')}")
            found = canonical.decode_object(answer.content, what=_WHAT)
    return found


def _file(one: dict[str, Json]) -> File:
    return File(
        fields.text(one, "path", what=_WHAT),
        fields.text(one, "digest", what=_WHAT),
        fields.integer(one, "size", what=_WHAT),
    )
