"""Documents of runnable images: what one shall be composed on, and what came of it."""

from typing import Annotated

from pydantic import Field

from registry.api.wire import Document
from registry.core import oci
from registry.making.packaging import Packaged


class NewImage(Document):
    """`base` is a runtime's image in this registry: REPOSITORY@DIGEST, or REPOSITORY:TAG.

    `variant` is one of the version's; without it, the first.
    """

    base: Annotated[str, Field(min_length=1, max_length=512)]
    variant: Annotated[str, Field(max_length=64)] = ""


class PlatformImage(Document):
    """One image of the index, and what it runs on."""

    digest: str
    platform: str


class ImageDocument(Document):
    """The index that the version's tag stands for. `layer` has the model's files.

    `hashed` bytes were read to compose it.
    """

    digest: str
    images: list[PlatformImage]
    layer: str
    layer_size: int
    hashed: int


def document(found: Packaged) -> ImageDocument:
    return ImageDocument(
        digest=found.digest,
        images=[
            PlatformImage(digest=one.digest, platform=oci.platform(one.platform))
            for one in found.images
        ],
        layer=found.layer.digest,
        layer_size=found.layer.size,
        hashed=found.hashed,
    )
