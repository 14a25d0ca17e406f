"""Where a runtime takes versions from, as its file says: a registry, or its own image."""

from pathlib import Path

from registry.core import fields
from registry.core.canonical import Json
from registry.errors import InvalidInput


def require_one(
    document: dict[str, Json], image: Path | None, tokens: tuple[Path | None, ...], *, what: str
) -> None:
    """Raise `InvalidInput` unless it is one of them: a registry takes one token, an image none."""
    shown = [one for one in tokens if one is not None]
    if image is not None and (shown or document.get("registry")):
        raise InvalidInput(
            f"{what}: with 'image' no registry is asked",
            fix="leave out 'registry' and its tokens, or 'image'",
        )
    if image is None and len(shown) != 1:
        raise InvalidInput(
            f"{what}: 'tokenFile' and 'enrolmentTokenFile': one of them must be there",
            fix="name the file with the host's token, or the one with its enrolment token",
        )


def url(document: dict[str, Json], *, what: str) -> str:
    """The registry's address, without a slash at its end; raises `InvalidInput`."""
    text = fields.text(document, "registry", what=what)
    if not text.startswith(("http://", "https://")):
        raise InvalidInput(
            f"{what}: 'registry' is {text[:80]!r}", fix="write a URL: https://registry.example"
        )
    return text.rstrip("/")
