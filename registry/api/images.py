"""Runnable images of versions: composed on request, pulled by any OCI client."""

from typing import Annotated

from fastapi import Path, Response

from registry.api import wire_images as wire
from registry.api.access import Known, Opened, guarded
from registry.making import packaging
from registry.usecases.pull import Asked

router = guarded("images")

Number = Annotated[int, Path(gt=0, lt=2**63)]


@router.post(
    "/v1/models/{name}/versions/{version}/images",
    status_code=201,
    summary="Compose the runnable image of a version",
)
def package(
    registry: Opened,
    caller: Known,
    name: str,
    version: Number,
    new: wire.NewImage,
    answer: Response,
) -> wire.ImageDocument:
    """The base's layers, one with the model's files and one with their proofs; signed.

    From then on the version's tag stands for it. The same again answers 200 with what is there.
    """
    found = packaging.package(registry, Asked(name, version, new.variant), new.base, caller)
    answer.status_code = 201 if found.is_new else 200
    return wire.document(found)
