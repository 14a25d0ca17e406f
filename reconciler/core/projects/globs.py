"""Globs in project files: `*` and `?` stay within one part of a path, `**` goes over several.

Over names without a slash they mean what the registry's scopes do (registry.core.scope).
"""

import functools
import re
from collections.abc import Iterable

_WILD = re.compile(r"\*\*|\*|\?")
_MEANS = {"**": ".*", "*": "[^/]*", "?": "[^/]"}


def any_fits(globs: Iterable[str], word: str) -> bool:
    """Whether one of `globs` is for `word`."""
    return any(_pattern(glob).fullmatch(word) for glob in globs)


@functools.lru_cache(maxsize=4096)
def _pattern(glob: str) -> re.Pattern[str]:
    parts, at = [], 0
    for wild in _WILD.finditer(glob):
        parts += [re.escape(glob[at : wild.start()]), _MEANS[wild[0]]]
        at = wild.end()
    return re.compile("".join([*parts, re.escape(glob[at:])]))
