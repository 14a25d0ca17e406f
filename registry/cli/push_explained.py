"""`plimsoll push --explain`: what a version answers by, measured and filed once it is published.

What is measured is what anybody pulls: verified, and marked where the registry marks. Where that
fails the version is published all the same, and the same push again, or `plimsoll model explain`,
makes up for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry import errors
from registry.cli import options, output, statements
from registry.core import explanation
from registry.core.canonical import Json

if TYPE_CHECKING:
    from registry.cli.explaining import Wish

Samples = Annotated[
    Path | None,
    typer.Option(help="An .npz of samples: measure by them what the version answers by, and sign."),
]
How = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=VALUE",
        help="An option of `plimsoll model explain` for that: label=y, picture=8x8, budget=60.",
    ),
]
_TEXTS = ("label", "of")
# The least that they may be, and what they are if nothing is said.
_NUMBERS = {"seed": (0, 0), "budget": (1, 120)}
_MOST = 86400
_HOW = (*_TEXTS, *_NUMBERS, "method", "picture")


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be measured, and by whose key the result is signed."""

    wish: "Wish"
    key: Path
    trust: Path | None


def asked(
    samples: Path | None, how: Sequence[str], key: Path | None, trust: Path | None
) -> Asked | None:
    """What the options ask for, None for nothing; raises before anything is published where it
    could not be done: `InvalidInput`, `InvalidConfig`, and as the trust root does."""
    if samples is None:
        if how:
            raise errors.InvalidInput(
                "--explain-with says how to measure, and nothing is measured",
                fix="name the samples with --explain",
            )
        return None
    from registry.trust import keys  # noqa: PLC0415  heavy

    if key is None:
        raise errors.InvalidConfig(
            "nothing says who signs the explanation",
            fix="name the publisher's key with --key, or explain later: plimsoll model explain",
        )
    statements.read(samples)
    keys.load_signing_key(key)
    options.current_trust_root(trust)
    return Asked(_wish(samples, how), key, trust)


def explained(
    asked: Asked, published: dict[str, Json], variant: str | None, access: options.Access
) -> dict[str, Json]:
    """The version's document, and the `evidence` that was filed about it."""
    from registry.cli import explaining  # noqa: PLC0415  heavy

    reference = f"{published.get('model')}@{published.get('version')}"
    output.message(f"{reference} is published; measuring what it answers by")
    about, said = explaining.measured(
        reference, asked.wish, access, trust=asked.trust, variant=variant
    )
    found = explanation.parse(said)
    return published | {"evidence": explaining.file(about, found, asked.key, access)}


def _wish(samples: Path, how: Sequence[str]) -> "Wish":
    from registry.cli import explaining  # noqa: PLC0415  heavy

    given = dict(_pair(text) for text in how)
    known = [one.value for one in explaining.Method]
    if (method := given.get("method", known[0])) not in known:
        raise _wrong(f"method={method}", f"one of {', '.join(known)}")
    return explaining.Wish(
        samples,
        given.get("label", ""),
        explaining.Method(method),
        given.get("of", ""),
        explaining.sides(given.get("picture", "")),
        seed=_number("seed", given),
        budget=_number("budget", given),
    )


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if name not in _HOW or not equals or not value:
        raise _wrong(text, f"NAME=VALUE with one of {', '.join(_HOW)}")
    return name, value


def _number(name: str, given: Mapping[str, str]) -> int:
    least, usual = _NUMBERS[name]
    text = given.get(name, str(usual))
    if not text.isascii() or not text.isdecimal() or not least <= int(text) <= _MOST:
        raise _wrong(f"{name}={text}", f"a number from {least} to {_MOST}")
    return int(text)


def _wrong(text: str, fix: str) -> errors.InvalidInput:
    return errors.InvalidInput(f"--explain-with {text[:80]!r} says nothing", fix=f"write {fix}")
