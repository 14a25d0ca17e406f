"""Reads a line that somebody typed, piece by piece; what is wrong is told with its column."""

import re

from registry.errors import InvalidInput

LENGTH_LIMIT = 4000
_SPACE = re.compile(r"\s*")
# Zero, which no database keeps in a text, and halves of characters.
_FOREIGN = re.compile(r"[\x00\ud800-\udfff]")


def can_be_kept(text: str) -> bool:
    """Whether it is a text to every database."""
    return not _FOREIGN.search(text)


class Reader:
    """A text and how far it has been read."""

    def __init__(self, text: str, what: str) -> None:
        self.text, self.what, self.at = text, what, 0
        if len(text) > LENGTH_LIMIT:
            raise InvalidInput(
                f"the {what} has {len(text)} characters", fix=f"at most {LENGTH_LIMIT} fit"
            )
        foreign = _FOREIGN.search(text)
        if foreign:
            self.at = foreign.start()
            raise self.wrong("this character is in no text", fix="leave it out")

    def is_done(self) -> bool:
        self._skip()
        return self.at == len(self.text)

    def take(self, form: re.Pattern[str]) -> re.Match[str] | None:
        """What stands next, if it has this form; read on behind it."""
        self._skip()
        return self.take_adjacent(form)

    def take_adjacent(self, form: re.Pattern[str]) -> re.Match[str] | None:
        """Like `take`, with no space before."""
        found = form.match(self.text, self.at)
        if found:
            self.at = found.end()
        return found

    def wrong(self, problem: str, *, fix: str, at: int | None = None) -> InvalidInput:
        """The error that names this place (or the one at `at`)."""
        place = self.at if at is None else at
        shown = self.text[place : place + 20]
        near = f" at {shown!r}" if shown else " at the end"
        return InvalidInput(f"{self.what}, column {place + 1}{near}: {problem}", fix=fix)

    def _skip(self) -> None:
        found = _SPACE.match(self.text, self.at)
        self.at = found.end() if found else self.at
