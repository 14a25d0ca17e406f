"""Brings the catalogs up to date with what is marked: `python -m tests.pages.catalog`.

New messages come in without a translation, those that are gone go; translations stay. It prints
what is left to translate.
"""

import io
import re
import sys
from collections.abc import Sequence

from babel.messages import extract
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po

from registry.pages import catalogs
from tests.pages.vocabulary import words

PAGES = catalogs.LOCALE.parent
KEYWORDS = extract.DEFAULT_KEYWORDS | {"phrase": None}
_HEADER = """msgid ""
msgstr ""
"Language: {locale}\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"Plural-Forms: {plurals}\\n"

"""
_METHODS = [("**/templates/**.html", "jinja2"), ("**.py", "python")]
_OPTIONS = {
    "**/templates/**.html": {
        "trimmed": "true", "newstyle_gettext": "true", "silent": "false",
        "trim_blocks": "true", "lstrip_blocks": "true",
    }
}  # fmt: skip


def template() -> Catalog:
    """Every message that there is, with where it stands."""
    found = Catalog(fuzzy=False)
    for file, _, message, comments, _ in extract.extract_from_dir(
        str(PAGES), method_map=_METHODS, options_map=_OPTIONS, keywords=KEYWORDS
    ):
        found.add(message, locations=[(file, 0)], auto_comments=comments)
    for word in sorted(words()):
        if word not in found:
            found.add(word, auto_comments=["a word of the log, of a status, of a policy"])
    return found


def of(locale: str) -> Catalog:
    """The catalog of a language, as it is."""
    with (catalogs.LOCALE / locale / "LC_MESSAGES" / "pages.po").open("rb") as file:
        return read_po(file, locale=locale, domain="pages")


def locales() -> list[str]:
    """Those that pages are translated into."""
    return [folder.name for folder in sorted(catalogs.LOCALE.iterdir()) if folder.is_dir()]


def update(locale: str) -> list[str]:
    """Write it anew; gives the messages without a translation."""
    known = of(locale)
    known.update(template(), no_fuzzy_matching=True)
    known.obsolete.clear()
    write(locale, known)
    return [one for one, said in translations(known).items() if not said]


def write(locale: str, catalog: Catalog) -> None:
    """Without dates and line numbers: a file that changes only where a message does."""
    body = io.BytesIO()
    write_po(body, catalog, width=100, omit_header=True, sort_output=True, include_lineno=False)
    said = _HEADER.format(locale=locale, plurals=catalog.plural_forms)
    file = catalogs.LOCALE / locale / "LC_MESSAGES" / "pages.po"
    file.write_text(said + body.getvalue().decode(), "utf-8")


def translations(catalog: Catalog) -> dict[str, str]:
    """By their English, a plural's by its singular; empty where there is none yet."""
    return {_first(one.id): _first(one.string or "") for one in catalog if one.id}


def _first(said: str | Sequence[str] | None) -> str:
    return said if isinstance(said, str) else said[0] if said else ""


def placeholders(text: str) -> list[str]:
    """What is put into a message, and its tags: a translation must have just these."""
    return sorted(re.findall(r"%\(\w+\)[sd]|%%|</?\w+", text))


if __name__ == "__main__":
    for locale in locales():
        for missing in update(locale):
            sys.stdout.write(f"{locale}: {missing}\n")
