"""Results as YAML, for people and for `yq`: plain where a word can be mistaken for nothing else.

Written here since the YAML library takes longer to load than a short command takes.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence

_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./@-]*")
# YAML 1.1, which many tools still read, takes these for truth or nothing.
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})


def render(value: object) -> str:
    """One document."""
    if isinstance(value, Mapping | list | tuple) and value:
        return "\n".join(_lines(value, 0)) + "\n"
    return _scalar(value) + "\n"


def _lines(value: object, depth: int) -> Iterator[str]:
    indent = "  " * depth
    if isinstance(value, Mapping):
        for key, one in value.items():
            if isinstance(one, Mapping | list | tuple) and one:
                yield f"{indent}{_scalar(str(key))}:"
                yield from _lines(one, depth + 1)
            else:
                yield f"{indent}{_scalar(str(key))}: {_scalar(one)}"
    elif isinstance(value, Sequence):
        for one in value:
            if isinstance(one, Mapping | list | tuple) and one:
                first, *rest = _lines(one, depth + 1)
                yield f"{indent}- {first.lstrip(' ')}"
                yield from rest
            else:
                yield f"{indent}- {_scalar(one)}"


def _scalar(value: object) -> str:
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    # Newer line breaks, DEL and a byte order mark are escaped: YAML reads them otherwise.
    text = json.dumps(value, ensure_ascii=False, default=str)
    if isinstance(value, float) and "." not in text:
        text = text.replace("e", ".0e")  # without a point it is a word to YAML 1.1
    return re.sub(
        "[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]",
        lambda found: f"\\u{ord(found[0]):04x}",
        text,
    )
