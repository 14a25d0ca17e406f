"""The reason that a person types for what they do: it goes into a log that forgets nothing.

Whoever reads it there must see what was typed, so nothing is let in that hides or turns letters
round (Unicode Technical Report 36, on bidirectional text).
"""

from unicodedata import category

from registry.errors import InvalidInput

LIMIT = 2000
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def typed(text: str) -> str:
    """`text` with one kind of line end and nothing around it.

    Raises InvalidInput where it says nothing, has more than `LIMIT` characters, or holds control
    characters other than line ends and tabs.
    """
    said = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    if not said:
        raise InvalidInput("a reason must be given", fix="say why; it is kept in the log")
    if len(said) > LIMIT:
        raise InvalidInput(
            f"the reason has {len(said)} characters", fix=f"at most {LIMIT} characters fit"
        )
    if any(one in _TURNING or (category(one) == "Cc" and one not in "\n\t") for one in said):
        raise InvalidInput("the reason holds control characters", fix="type it as plain text")
    return said
