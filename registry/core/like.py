r"""Patterns of LIKE: % stands for any characters, _ for one, and \ takes the next one as it is.

SQLite's own LIKE minds no case, its GLOB does: so a pattern is also written as one of GLOB.
"""

import re

ESCAPE = "\\"
_PIECE = re.compile(r"\\(.)|(%)|(_)|([^%_\\]+)", re.DOTALL)
_GLOB_SIGNS = re.compile(r"[*?\[]")


def is_complete(pattern: str) -> bool:
    """Whether every backslash has a character after it."""
    trailing = len(pattern) - len(pattern.rstrip(ESCAPE))
    return trailing % 2 == 0


def glob(pattern: str) -> str:
    """What matches the same with GLOB."""
    return "".join(_as_glob(piece) for piece in _PIECE.finditer(pattern))


def prefix(pattern: str) -> str:
    """What every match begins with."""
    found = []
    for piece in _PIECE.finditer(pattern):
        if piece[2] or piece[3]:
            break
        found.append(piece[1] or piece[4])
    return "".join(found)


def _as_glob(piece: re.Match[str]) -> str:
    if piece[2]:
        return "*"
    if piece[3]:
        return "?"
    return _GLOB_SIGNS.sub(lambda sign: f"[{sign[0]}]", piece[1] or piece[4])
