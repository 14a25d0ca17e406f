"""Ensembles: the one document that says which models it is made of."""

from registry.core import ensemble
from registry.core.canonical import Json
from registry.core.ensemble import FILE, LARGEST_FILE
from registry.errors import InvalidInput
from registry.formats.model import Found, Model
from registry.formats.refusal import unsafe
from registry.formats.weights import WeightMap


def inspect(model: Model) -> Found:
    """Raises UnsafeModel where the document is not one; that its members exist is seen on hosts."""
    head = model.head
    if head.path != FILE:
        raise unsafe(head.path, "it lies in a folder", fix=f"push the folder that holds {FILE}")
    try:
        found = ensemble.parse(head.read(0, LARGEST_FILE + 1))
    except InvalidInput as error:
        raise unsafe(head.path, error.detail, fix=error.fix) from error
    members: list[Json] = [
        {"model": one.model, "version": one.version, "digest": one.digest} for one in found.members
    ]
    return Found(found.signature, {"members": members}, frozenset({head.path}))


def find(model: Model) -> WeightMap:
    """It has no weights: its members do."""
    del model
    return WeightMap({})
