"""Witnesses of a registry that stands in this process, and their list in its folder."""

import json
from pathlib import Path

from registry.core import note
from registry.usecases import witnessing
from registry.usecases.opening import Registry
from tests.core.logs import Witness


def named(*names: str) -> tuple[Witness, ...]:
    return tuple(Witness(f"witness.example/{name}") for name in names)


def list_in(
    file: Path, witnesses: tuple[Witness, ...], *, threshold: int, max_age: int = 0
) -> None:
    listed = [{"name": one.name, "publicKey": one.private.public_key} for one in witnesses]
    document = {"witnesses": listed, "threshold": threshold, "maxAge": max_age}
    file.write_text(json.dumps(document))


def shown(registry: Registry) -> note.Checkpoint:
    """What everybody is shown now."""
    return note.verify_checkpoint(witnessing.published(registry), registry.log_name)


def cosigned(registry: Registry, witness: Witness, *, time: int) -> str:
    """What is shown, as this witness sends it in."""
    seen = shown(registry)
    line = witness.cosign(seen, time=time).text.removeprefix(seen.text)
    return note.alone(seen, registry.log_name) + line
