"""What pages say, in other languages: gettext catalogs, read from the files that translators write.

A catalog is a PO file (https://www.gnu.org/software/gettext/manual/html_node/PO-Files.html) under
`locale/`. Nothing compiles it: a wheel carries the file itself, and this reads the part of the form
that ours have. A message without a translation is shown in English.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from gettext import NullTranslations
from pathlib import Path

from registry import errors

LOCALE = Path(__file__).parent / "locale"
_STRING = re.compile(
    r'(?:(msgctxt|msgid|msgid_plural|msgstr)(?:\[(\d+)\])?[ \t]+)?"((?:[^"\\]|\\.)*)"'
)
_ESCAPE = re.compile(r"\\(.)")
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\"}


class Catalog(NullTranslations):
    """Of a language that has one form for any number, as Chinese has: `messages` is by English."""

    def __init__(self, messages: Mapping[str, str]) -> None:
        super().__init__()
        self.messages = messages

    def gettext(self, message: str) -> str:
        return self.messages.get(message) or message

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return self.messages.get(msgid1) or super().ngettext(msgid1, msgid2, n)


@cache
def of(locale: str) -> NullTranslations:
    """The catalog of a folder under `locale/`; English where there is none, for all is English."""
    file = LOCALE / locale / "LC_MESSAGES" / "pages.po"
    return Catalog(read(file.read_text("utf-8"))) if file.exists() else NullTranslations()


def read(text: str) -> dict[str, str]:
    """Messages by their English, without the header; of a plural, its one form by the singular.

    Entries marked `fuzzy` are guesses that nobody looked at, and count as not translated.
    Raises IntegrityError for what is not of that form.
    """
    return {
        one.parts["msgid"]: one.parts["msgstr"]
        for one in _entries(text)
        if one.parts["msgid"] and one.parts["msgstr"] and not one.is_fuzzy
    }


@dataclass(slots=True)
class _Entry:
    """One message while it is read; `parts` are its strings by their keyword."""

    parts: dict[str, str] = field(default_factory=dict)
    is_fuzzy: bool = False


def _entries(text: str) -> Iterator[_Entry]:
    """An empty line, or the comments of the next message, end a message."""
    entry, keyword = _Entry(), ""
    for number, line in enumerate([*text.splitlines(), ""], 1):
        if (not line or line.startswith("#")) and entry.parts:
            yield _whole(entry, number)
            entry, keyword = _Entry(), ""
        if line.startswith("#,"):
            entry.is_fuzzy = "fuzzy" in line
        if not line or line.startswith("#"):
            continue
        found = _STRING.fullmatch(line.strip())
        if found is None or not (found[1] or keyword) or found[2] not in {None, "0"}:
            raise errors.IntegrityError(f"line {number} of a catalog is none of a PO file")
        keyword = found[1] or keyword
        entry.parts[keyword] = entry.parts.get(keyword, "") + _ESCAPE.sub(_plain, found[3])


def _whole(entry: _Entry, number: int) -> _Entry:
    if not {"msgid", "msgstr"} <= entry.parts.keys() or "msgctxt" in entry.parts:
        raise errors.IntegrityError(f"before line {number} a catalog has half a message")
    return entry


def _plain(escape: re.Match[str]) -> str:
    return _ESCAPED.get(escape[1], escape[0])
