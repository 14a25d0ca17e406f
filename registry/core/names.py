"""Names that every dialect accepts: OCI, MLflow, TensorFlow Serving, Triton and file systems."""

import re

from registry.core.watermark.scheme import OWNER
from registry.errors import InvalidName

_SLUG = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*")
_ALIAS = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RESERVED_ALIAS = re.compile(r"latest|v\d+", re.IGNORECASE)
_HIDDEN_GIT = re.compile(r"\.git(hub|ignore|attributes)?", re.IGNORECASE)
_PATH_LIMIT = 512
_SLUG_LIMIT = 128


def slug(text: str, *, what: str = "model name") -> str:
    """`text` if it is lower-case letters and digits in words joined by one of `._-`."""
    if len(text) > _SLUG_LIMIT or not _SLUG.fullmatch(text):
        raise InvalidName(
            f"{what} {text[:80]!r} is not allowed",
            fix="use lower-case letters and digits, words joined by one '.', '_' or '-', "
            f"at most {_SLUG_LIMIT} characters, for example 'digits' or 'fraud-eu.v2'",
        )
    return text


def host(text: str) -> str:
    """`text` if a host may be called so: nobody but a model's owner is called `owner`."""
    if slug(text, what="host name") == OWNER:
        raise InvalidName(
            f"host name {text!r} is reserved: watermarks know the owner of a model by it",
            fix="call the host something else",
        )
    return text


def is_slug(text: str) -> bool:
    """Whether `slug` takes it."""
    return len(text) <= _SLUG_LIMIT and _SLUG.fullmatch(text) is not None


def alias(text: str) -> str:
    """`text` if it is a word that cannot be mistaken for a version."""
    if not _ALIAS.fullmatch(text) or _RESERVED_ALIAS.fullmatch(text) or len(text) > _SLUG_LIMIT:
        raise InvalidName(
            f"alias {text[:80]!r} is not allowed",
            fix="use letters, digits and '_', not starting with a digit; "
            "'latest' and 'v<number>' are reserved",
        )
    return text


def variant(text: str) -> str:
    """`text` if it names a variant, such as `onnx` or `onnx-int8`."""
    if len(text) > 64 or not _SLUG.fullmatch(text):
        raise InvalidName(
            f"variant {text[:80]!r} is not allowed",
            fix="use lower-case letters and digits, words joined by one '.', '_' or '-', "
            "at most 64 characters, for example 'onnx-int8'",
        )
    return text


def version(number: object) -> int:
    """`number` if it is a positive integer that fits every dialect's 63 bits."""
    if not isinstance(number, int) or isinstance(number, bool) or not 0 < number < 2**63:
        raise InvalidName(
            f"version {number!r} is not allowed", fix="a version is a positive integer, such as 7"
        )
    return number


def file_path(text: str) -> str:
    """`text` if it is a relative POSIX path that stays inside its folder on every system.

    Signature tools tolerate additions below `.git`, so such paths are refused here.
    """
    parts = text.split("/")
    broken = (
        not text
        or len(text.encode()) > _PATH_LIMIT
        or any(part in {"", ".", ".."} or _HIDDEN_GIT.fullmatch(part) for part in parts)
        or any(part.endswith((" ", ".")) for part in parts)
        or any(ord(char) < 32 or char in '\\:*?"<>|\x7f' for char in text)
    )
    if broken:
        raise InvalidName(
            f"file path {text[:80]!r} is not allowed in a model",
            fix="use a relative path of plain names joined by '/', without '..', '\\', ':', "
            f"'.git' or control characters, at most {_PATH_LIMIT} bytes",
        )
    return text


def file_paths(texts: list[str]) -> list[str]:
    """`texts`, each a good path, no two of which are one file where letter case is ignored."""
    seen: dict[str, str] = {}
    for text in texts:
        folded = file_path(text).casefold()
        if folded in seen:
            raise InvalidName(
                f"file paths {seen[folded]!r} and {text!r} are the same on some systems",
                fix="rename one of them",
            )
        seen[folded] = text
    for folded in seen:
        above = folded.rpartition("/")[0]
        while above:
            if above in seen:
                raise InvalidName(f"file path {seen[above]!r} is also used as a folder")
            above = above.rpartition("/")[0]
    return texts
