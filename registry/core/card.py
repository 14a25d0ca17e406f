"""Model cards: Markdown whose front matter (between two lines of `---`) is YAML.

The form is Hugging Face's. What it says of licence, data sets and base models is taken over
where the publisher did not say so himself; the text stays as it came.
"""

from collections.abc import Iterator
from dataclasses import replace

from registry.core.facts import Dataset, Facts, Parent, Relation
from registry.errors import InvalidInput

_FENCE = "---"
_LIMIT = 64_000
_RELATIONS = {
    "finetune": Relation.FINE_TUNED,
    "adapter": Relation.FINE_TUNED,
    "quantized": Relation.QUANTISED,
    "merge": Relation.MERGED,
}


def front_matter(card: str) -> dict[str, object]:
    """What stands between the fences, {} where there are none; raises InvalidInput."""
    lines = card.removeprefix("\ufeff").splitlines()
    if not lines or lines[0].rstrip() != _FENCE:
        return {}
    end = next((at for at, line in enumerate(lines[1:], 1) if line.rstrip() == _FENCE), None)
    if end is None:
        raise InvalidInput(
            "the model card's front matter has no end", fix=f"close it with a line of {_FENCE}"
        )
    return _parse("\n".join(lines[1:end]))


def body(card: str) -> str:
    """The Markdown below the front matter."""
    lines = card.removeprefix("\ufeff").splitlines()
    if not lines or lines[0].rstrip() != _FENCE:
        return card
    rest = lines[1:]
    end = next((at for at, line in enumerate(rest) if line.rstrip() == _FENCE), len(rest))
    return "\n".join(rest[end + 1 :]).lstrip("\n")


def completed(said: Facts) -> Facts:
    """`said`, with what only its card says; the publisher's own words win."""
    if not said.card:
        return said
    found = front_matter(said.card)
    known = {dataset.name for dataset in said.datasets}
    datasets = [Dataset(name) for name in _texts(found.get("datasets")) if name not in known]
    return replace(
        said,
        licence=said.licence or next(iter(_texts(found.get("license"))), ""),
        datasets=(*said.datasets, *datasets),
        parents=said.parents or _parents(found),
    )


def _parents(found: dict[str, object]) -> tuple[Parent, ...]:
    named = str(found.get("base_model_relation") or "finetune")
    relation = _RELATIONS.get(named, Relation.FINE_TUNED)
    return tuple(Parent(relation, reference=name) for name in _texts(found.get("base_model")))


def _texts(value: object) -> Iterator[str]:
    """A text, or those in a list of texts, each once."""
    listed = value if isinstance(value, list) else [value]
    return iter(dict.fromkeys(item for item in listed if isinstance(item, str) and item))


def _parse(text: str) -> dict[str, object]:
    # Heavy, and few versions come with a card.
    import yaml  # noqa: PLC0415

    if len(text) > _LIMIT:
        raise InvalidInput(f"the model card's front matter is over {_LIMIT} characters")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # in C where that is there
    try:
        for event in yaml.parse(text, Loader=loader):
            # An alias is a few bytes that can stand for gigabytes.
            if isinstance(event, yaml.AliasEvent):
                raise InvalidInput(
                    "the model card's front matter uses YAML aliases", fix="write the values out"
                )
        top = yaml.compose(text, Loader=loader)
        keys = [key.value for key, _ in top.value] if isinstance(top, yaml.MappingNode) else []
        if twice := {key for key in keys if isinstance(key, str) and keys.count(key) > 1}:
            raise InvalidInput(
                f"the model card's front matter says {min(twice)!r} twice", fix="say it once"
            )
        found = yaml.load(text, Loader=loader)  # noqa: S506  a safe one
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        said = str(error).splitlines()
        raise InvalidInput(
            f"the model card's front matter is not YAML: {said[0] if said else error!r}",
            fix="mend the lines between the two ---",
        ) from error
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise InvalidInput("the model card's front matter is not a mapping of names to values")
    return {str(key): value for key, value in found.items()}
