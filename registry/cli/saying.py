"""Options by which a publisher says what a version is, and the document they become."""

from pathlib import Path
from typing import Annotated

import typer

from registry import errors
from registry.core import canonical, facts, names
from registry.core import tensors as signatures
from registry.core.canonical import Json
from registry.core.facts import Relation

Description = Annotated[str, typer.Option(help="A sentence about this version.")]
Commit = Annotated[str, typer.Option(help="The Git commit it was trained from.")]
Repository = Annotated[str, typer.Option(help="Where the training code is, an address.")]
Licence = Annotated[str, typer.Option(help="Its licence, such as Apache-2.0.")]
Owner = Annotated[str, typer.Option(help="The person or team that answers for it.")]
Card = Annotated[
    Path | None, typer.Option(help="A model card: Markdown, with front matter as on Hugging Face.")
]
Tags = Annotated[list[str] | None, typer.Option(help="A tag, such as team=risk; repeatable.")]
Metrics = Annotated[
    list[str] | None, typer.Option(help="A result, such as accuracy=0.98; repeatable.")
]
Parameters = Annotated[
    list[str] | None, typer.Option("--param", help="A setting, such as epochs=3; repeatable.")
]
Datasets = Annotated[
    list[str] | None,
    typer.Option(help="Data it was made from: NAME or NAME=sha256:…; repeatable."),
]
Parents = Annotated[
    list[str] | None,
    typer.Option(
        help="What it was made of: RELATION:MODEL@VERSION, or RELATION:REFERENCE for something "
        f"elsewhere; relations are {', '.join(Relation)}; repeatable."
    ),
]


def metadata(**said: Json) -> dict[str, Json]:
    """What was said; what was not is left out."""
    return {field: value for field, value in said.items() if value}


def tags(texts: list[str] | None) -> dict[str, Json]:
    """`team=risk` as a mapping."""
    return dict(_pair(text, "tag", "team=risk") for text in texts or [])


def parameters(texts: list[str] | None) -> dict[str, Json]:
    """`epochs=3` as a mapping; values stay text."""
    return dict(_pair(text, "param", "epochs=3") for text in texts or [])


def metrics(texts: list[str] | None) -> dict[str, Json]:
    """`accuracy=0.98` as a mapping to numbers."""
    return dict(_metric(text) for text in texts or [])


def datasets(texts: list[str] | None) -> list[Json]:
    """`mnist=sha256:…` as documents."""
    found: list[Json] = []
    for text in texts or []:
        name, _, digest = text.partition("=")
        found.append({"name": name, "digest": digest})
    return found


def parents(texts: list[str] | None) -> list[Json]:
    """`quantised:digits@3` as documents."""
    return [_parent(text) for text in texts or []]


def card(path: Path | None) -> str:
    """The card's text, empty without one."""
    if path is None:
        return ""
    try:
        if path.stat().st_size > 4 * facts.CARD_LIMIT:
            raise errors.TooLarge(f"{path}: a model card has at most {facts.CARD_LIMIT} characters")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise errors.InvalidInput(
            f"{path}: the model card cannot be read: {error}", fix="name a UTF-8 text file"
        ) from error


def tensors(path: Path) -> dict[str, Json]:
    """Inputs and outputs as a JSON file says them; raises InvalidInput."""
    try:
        document = canonical.decode_object(path.read_bytes(), what=str(path))
    except OSError as error:
        raise errors.InvalidInput(
            f"{path}: cannot be read: {error.strerror}", fix="name a JSON file"
        ) from error
    return signatures.signature(document).document()


def _pair(text: str, what: str, example: str) -> tuple[str, Json]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise errors.InvalidInput(
            f"{what} {text[:80]!r} is not NAME=VALUE", fix=f"write it like --{what} {example}"
        )
    return name, value


def _metric(text: str) -> tuple[str, Json]:
    name, _, value = text.partition("=")
    try:
        return name.strip(), float(value)
    except ValueError:
        raise errors.InvalidInput(
            f"metric {text[:80]!r} is not NAME=NUMBER", fix="write it like --metric accuracy=0.98"
        ) from None


def _parent(text: str) -> Json:
    relation, _, named = text.partition(":")
    if relation not in set(Relation) or not named:
        raise errors.InvalidInput(
            f"parent {text[:80]!r} is not RELATION:PARENT",
            fix=f"write it like quantised:digits@3; relations are {', '.join(Relation)}",
        )
    model, at, number = named.rpartition("@")
    if at and number.isdigit():
        return {"relation": relation, "model": names.slug(model), "version": int(number)}
    return {"relation": relation, "reference": named}
