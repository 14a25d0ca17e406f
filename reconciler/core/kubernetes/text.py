"""Manifests as YAML for people and for `kubectl apply -f -`. Pure.

Plain where a word can be mistaken for nothing else, else quoted as in JSON, which YAML reads.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9._/-]*")
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}


def documents(manifests: Iterable[dict[str, Any]]) -> str:
    """One document after the other."""
    return "---\n".join("\n".join(_lines(one, 0)) + "\n" for one in manifests)


def _lines(value: Any, depth: int) -> Iterator[str]:
    indent = "  " * depth
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _entry(f"{indent}{_scalar(key)}:", one, depth)
    else:
        for one in value:
            if isinstance(one, dict) and one:
                first, *rest = _lines(one, depth + 1)
                yield f"{indent}- {first.strip()}"
                yield from rest
            else:
                yield f"{indent}- {_scalar(one)}"


def _entry(head: str, value: Any, depth: int) -> Iterator[str]:
    if isinstance(value, dict | list) and value:
        yield head
        yield from _lines(value, depth + 1)
    elif isinstance(value, str) and value.endswith("\n") and not value.startswith((" ", "\n")):
        yield f"{head} |"
        yield from (f"{'  ' * (depth + 1)}{line}" for line in value.removesuffix("\n").split("\n"))
    else:
        yield f"{head} {_scalar(value)}"


def _scalar(value: Any) -> str:
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return json.dumps(value, ensure_ascii=False)
