"""Texts that clients send, to ids. The only place that knows the tokenizers library.

Its code is Rust and other people's regular expressions: it runs in a process of its own, and
where it panics or takes too long that is one request's trouble.
"""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from tokenizers import Encoding, Tokenizer

from registry.core.steps import FILE
from registry.core.steps.kinds import Tokenise
from registry.errors import InvalidInput, UnsafeModel
from runtime.backends.protocol import NUMPY_TYPES, Array

# Instances are the runtime's: a second pool of threads would only take their cores.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
_PADS = ("[PAD]", "<pad>", "<|padding|>", "<|endoftext|>")
_LARGEST_BATCH = 16 << 20
_MOST_IDS = 64 << 20


def part(step: Tokenise, path: Path) -> Callable[[dict[str, Array]], None]:
    """The step, ready to run; raises `UnsafeModel` where the file is no tokenizer."""
    tokenizer = _tokenizer(step, path)

    def run(tensors: dict[str, Array]) -> None:
        texts = [_text(step, item, row) for row, item in enumerate(tensors[step.input].flat)]
        _require_few(step, texts)
        found = _encoded(step, tokenizer, texts)
        for name, rows in (
            (step.ids, [one.ids for one in found]),
            (step.mask, [one.attention_mask for one in found]),
            (step.types, [one.type_ids for one in found]),
        ):
            if name:
                length = len(rows[0]) if rows else 0
                array = np.array(rows, NUMPY_TYPES[step.dtype]).reshape(len(rows), length)
                tensors[name] = array

    return run


def _tokenizer(step: Tokenise, path: Path) -> Tokenizer:
    if not path.is_file():
        raise UnsafeModel(
            f"{FILE}: the version has no file {step.file}",
            fix="publish the tokenizer.json of the model in its folder",
        )
    try:
        found = Tokenizer.from_file(str(path))
        declared = found.padding or {}
        pad = declared.get("pad_token") or _pad(found)
        found.enable_truncation(step.length)
        found.enable_padding(
            length=step.length if step.padding == "length" else None,
            direction=declared.get("direction", "right"),
            pad_id=declared.get("pad_id", found.token_to_id(pad) or 0),
            pad_type_id=declared.get("pad_type_id", 0),
            pad_token=pad,
        )
    except Exception as error:
        raise UnsafeModel(f"{FILE}: {step.file} is no tokenizer: {error}"[:500]) from error
    return found


def _pad(tokenizer: Tokenizer) -> str:
    return next((one for one in _PADS if tokenizer.token_to_id(one) is not None), _PADS[0])


def _text(step: Tokenise, item: bytes, row: int) -> str:
    if len(item) > step.max_bytes:
        raise InvalidInput(
            f"{_place(step, row)} has {len(item)} bytes, at most {step.max_bytes} are allowed: "
            "send a shorter text"
        )
    try:
        return item.decode()
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{_place(step, row)} is not UTF-8 (byte {error.start})") from error


def _require_few(step: Tokenise, texts: list[str]) -> None:
    total = sum(map(len, texts))
    if total > _LARGEST_BATCH or len(texts) * step.length > _MOST_IDS:
        raise InvalidInput(
            f"input {step.input!r} has {len(texts)} texts of {total} characters, which is too "
            "much at once: send fewer"
        )


def _encoded(step: Tokenise, tokenizer: Tokenizer, texts: list[str]) -> list[Encoding]:
    try:
        return list(tokenizer.encode_batch(texts))
    except BaseException as error:
        # A panic of its Rust code is no Exception; the tokenizer itself is unharmed.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise InvalidInput(f"input {step.input!r} cannot be tokenised: {error}"[:300]) from error


def _place(step: Tokenise, row: int) -> str:
    return f"input {step.input!r}, text {row}"
