"""Texts that Python makes for pages: English wherever they go, and translated where they are shown.

`phrase` marks a text for the catalogs and gives it as English. A template that puts it out shows it
in the page's language; what works on it first, a filter or `{% trans %}`, needs `| word` before.
A JSON twin, a log, a test see the English.
"""

from collections.abc import Iterable
from functools import reduce
from gettext import NullTranslations


class Text(str):
    """English that remembers the message it was made of, and what stands in it."""

    __slots__ = ("message", "values")
    message: str
    values: dict[str, object]


def phrase(message: str, /, **values: object) -> Text:
    """`phrase("pinned to version %(number)s", number=7)`; a per cent sign is written twice."""
    text = Text(message % values)
    text.message, text.values = message, values
    return text


def known(word: str) -> Text:
    """A word that comes from elsewhere, a state perhaps: translated where a catalog knows it."""
    return phrase(word.replace("%", "%%"))


def listed(texts: Iterable[str]) -> str:
    """Side by side, as the language lists things."""
    some = list(texts)
    return reduce(lambda one, more: phrase("%(one)s, %(more)s", one=one, more=more), some or [""])


def shown(value: object, catalog: NullTranslations) -> object:
    """`value`, in the catalog's language where it is a text of ours."""
    if not isinstance(value, Text):
        return value
    return catalog.gettext(value.message) % {
        name: shown(one, catalog) for name, one in value.values.items()
    }


def word(value: object, catalog: NullTranslations) -> object:
    """Also a plain word that the catalog knows: a state, a kind. Never for what people wrote."""
    if type(value) is str:
        return catalog.gettext(value) if value else value
    return shown(value, catalog)
