"""Requests to a forge: JSON there and back, with the token, which is in no message of ours.

The token's file is read for each request, so that a renewed one is used at once.
"""

from collections.abc import Iterator, Mapping
from urllib.parse import urlencode

from reconciler.config import Forge, Source
from reconciler.measuring import asking
from registry import errors
from registry.core import canonical
from registry.core.canonical import Json

_LIMIT_BYTES = 8 << 20
_SHOWN = 200
_PAGES = 50
_NOT_FOUND = 404
_DENIED = frozenset({401, 403})
_FAILED = 300


class Wire:
    """One API; `scheme` is what stands before the token, `headers` go with every request."""

    def __init__(
        self, settings: Forge, *, scheme: str, headers: Mapping[str, str] | None = None
    ) -> None:
        self._settings = settings
        self._scheme = scheme
        self._headers = headers or {}

    def get(self, path: str, **query: str | int) -> Json:
        """What stands at `path`."""
        return self._call("GET", f"{path}?{urlencode(query)}" if query else path, None)

    def pages(self, path: str, **query: str | int) -> Iterator[Json]:
        """All items at `path`. A server may give fewer a page than are asked for: only an empty
        one is the last."""
        for page in range(1, _PAGES + 1):
            found = items(self.get(path, page=page, **query))
            if not found:
                return
            yield from found
        raise errors.Unavailable(f"{self._where(path)} has more than {_PAGES} pages")

    def send(self, method: str, path: str, **body: Json) -> Json:
        """Change something there."""
        return self._call(method, path, body)

    def _call(self, method: str, path: str, body: dict[str, Json] | None) -> Json:
        token = self._token()
        try:
            answer = asking.ask(
                self._settings.address.rstrip("/") + path,
                method=method,
                headers={
                    "accept": "application/json",
                    "content-type": "application/json",
                    "user-agent": "plimsoll-reconciler",
                    **self._headers,
                    "authorization": f"{self._scheme} {token}",
                },
                body=b"" if body is None else canonical.encode(body),
                source=Source(self._settings.address, ca=self._settings.ca),
                limit=_LIMIT_BYTES,
            )
        except errors.PlimsollError as error:
            raise errors.Unavailable(error.detail.replace(token, "***")) from None
        if answer.status >= _FAILED:
            raise self._refusal(method, path, answer, token)
        try:
            return canonical.decode(answer.body, what="forge's answer") if answer.body else None
        except errors.InvalidInput as error:
            raise errors.Unavailable(f"{self._where(path)} {error.detail}") from error

    def _refusal(
        self, method: str, path: str, answer: asking.Answer, token: str
    ) -> errors.Unavailable:
        said = answer.body[: 4 * _SHOWN].decode("utf-8", "replace").replace(token, "***")
        said = "".join(letter if letter.isprintable() else " " for letter in said)[:_SHOWN]
        text = f"{self._where(path)} answers {answer.status} to {method}: {said}"
        if answer.status in _DENIED:
            fix = f"docs/pull-requests.md says what the token in {self._settings.token_file} needs"
        elif answer.status == _NOT_FOUND:
            fix = "check address and project of [[reconciler.forge]], and what the token may see"
        else:
            fix = ""
        return errors.Unavailable(text, fix=fix)

    def _where(self, path: str) -> str:
        return f"forge {self._settings.address.rstrip('/')}{path.partition('?')[0]}"

    def _token(self) -> str:
        try:
            text = self._settings.token_file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise errors.Unavailable(
                f"{self._settings.token_file} cannot be read", fix="put the forge's token there"
            ) from error
        if not text or not text.isprintable() or " " in text:
            raise errors.Unavailable(
                f"{self._settings.token_file} holds no token",
                fix="write the token there, and nothing else",
            )
        return text


def number(item: Json, name: str) -> int:
    """A field of an answer; raises `Unavailable`."""
    found = item.get(name) if isinstance(item, dict) else None
    if not isinstance(found, int) or isinstance(found, bool):
        raise errors.Unavailable(f"the forge's answer has no number {name}")
    return found


def text(item: Json, name: str) -> str:
    """A field of an answer; raises `Unavailable`."""
    found = item.get(name) if isinstance(item, dict) else None
    if not isinstance(found, str):
        raise errors.Unavailable(f"the forge's answer has no text {name}")
    return found


def items(found: Json) -> list[Json]:
    """A list of them; raises `Unavailable`."""
    if not isinstance(found, list):
        raise errors.Unavailable("the forge answers something else than a list")
    return found
