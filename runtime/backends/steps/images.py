"""Images that clients send, to pixels. The only place that knows Pillow.

An image is judged by its header before a pixel of it is unpacked, and so are all of one request
together. Runs in a process of its own (docs/adr/), as decoders are where hostile bytes go.
"""

import io
from collections.abc import Callable

import numpy as np
from PIL import Image

from registry.core.steps.kinds import DecodeImage
from registry.errors import InvalidInput
from runtime.backends.protocol import Array

# Sizes are judged here, with the model's own limit and not with one for all of the process.
Image.MAX_IMAGE_PIXELS = None
_FORMATS = ("JPEG", "PNG")
_DEEP = {"I", "I;16", "I;16B", "I;16L", "F"}
# Of one run together: as much as so many images of the largest allowed size.
_LARGE_ONES = 8
_LARGEST_OUTPUT = 512 << 20
_FILTERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
}


def part(step: DecodeImage) -> Callable[[dict[str, Array]], None]:
    """The step, ready to run on the tensors by name."""

    def run(tensors: dict[str, Array]) -> None:
        tensors[step.output] = _decoded(step, tensors[step.input])

    return run


def _decoded(step: DecodeImage, items: Array) -> Array:
    height, width = step.size
    channels = 1 if step.mode == "L" else 3
    if items.size * height * width * channels > _LARGEST_OUTPUT:
        raise InvalidInput(
            f"input {step.input!r} has {items.size} images of {height} x {width} pixels, which "
            f"is too much at once: send fewer"
        )
    opened = [_opened(step, item, row) for row, item in enumerate(items.flat)]
    total = sum(image.width * image.height for image in opened)
    if total > _LARGE_ONES * step.max_pixels:
        raise InvalidInput(
            f"input {step.input!r} has {total} pixels in {len(opened)} images, at most "
            f"{_LARGE_ONES * step.max_pixels} are decoded at once: send fewer"
        )
    found = np.empty((len(opened), height, width, channels), np.uint8)
    for row, image in enumerate(opened):
        found[row] = _pixels(step, image, row)
    if step.layout == "NCHW":
        return np.ascontiguousarray(found.transpose(0, 3, 1, 2))
    return found


def _opened(step: DecodeImage, item: bytes, row: int) -> Image.Image:
    """The image with its header read, and no more."""
    try:
        image = Image.open(io.BytesIO(item), formats=_FORMATS)
    except Exception as error:
        # Which of a dozen kinds of exception a parser ends with says nothing to a client.
        raise _no_image(step, row) from error
    if image.width * image.height > step.max_pixels:
        raise InvalidInput(
            f"{_place(step, row)} has {image.width} x {image.height} pixels, at most "
            f"{step.max_pixels} are allowed: send a smaller image"
        )
    if image.mode in _DEEP:
        raise InvalidInput(f"{_place(step, row)} has more than 8 bits a channel: send it with 8")
    return image


def _pixels(step: DecodeImage, image: Image.Image, row: int) -> Array:
    try:
        plain: Image.Image = image.convert(step.mode)
    except Exception as error:
        raise InvalidInput(
            f"{_place(step, row)} is damaged or cut short: send the whole file"
        ) from error
    sized = _cropped(step, _resized(step, plain, row), row)
    return np.asarray(sized, np.uint8).reshape(*step.size, -1)


def _resized(step: DecodeImage, image: Image.Image, row: int) -> Image.Image:
    match step.resize:
        case None:
            return image
        case int(side):
            short, long = sorted(image.size)
            other = int(side * long / short)
            if side * other > step.max_pixels:
                raise InvalidInput(
                    f"{_place(step, row)} is {image.width} x {image.height}, too narrow to "
                    f"have {side} pixels on its shorter side: send another part of it"
                )
            size = (side, other) if image.width <= image.height else (other, side)
        case (height, width):
            size = (width, height)
    return image.resize(size, _FILTERS[step.resample])


def _cropped(step: DecodeImage, image: Image.Image, row: int) -> Image.Image:
    if step.crop is None:
        return image
    height, width = step.crop
    if image.width < width or image.height < height:
        raise InvalidInput(
            f"{_place(step, row)} is {image.width} x {image.height}, the model wants "
            f"{width} x {height} or more: send a larger image"
        )
    left, top = round((image.width - width) / 2), round((image.height - height) / 2)
    return image.crop((left, top, left + width, top + height))


def _no_image(step: DecodeImage, row: int) -> InvalidInput:
    return InvalidInput(
        f"{_place(step, row)} is no JPEG or PNG: send the file's bytes as they are, in JSON as "
        'base64: {"b64": ...}'
    )


def _place(step: DecodeImage, row: int) -> str:
    return f"input {step.input!r}, image {row}"
