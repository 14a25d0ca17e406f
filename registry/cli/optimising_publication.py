"""Publishes what a recipe made: a version with its lineage, its numbers, and signed evidence."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from registry import errors
from registry.cli import options, output, push, saying, statements
from registry.core import evidence_documents, fields, names
from registry.core.canonical import Json
from registry.core.envelope import Wanted

if TYPE_CHECKING:
    from registry.core.recipes.kinds import OptimisationRecipe


@dataclass(frozen=True, slots=True)
class Made:
    """A recipe, and the report of what came of it, here or in a registry."""

    recipe: "OptimisationRecipe"
    report: dict[str, Json]

    @property
    def inputs(self) -> dict[str, str]:
        """Digests by what they are of."""
        found = fields.mapping(self.report, "inputs", what="report")
        return {name: str(digest) for name, digest in found.items()}


@dataclass(frozen=True, slots=True)
class Publication:
    """As what the result is published, by whose key, and by whose its numbers are evidence;
    `parent` is MODEL@VERSION, or empty."""

    model: str
    key: Path
    evidence_key: Path | None
    parent: str


def wanted(
    model: str,
    keys: tuple[Path | None, Path | None],
    parent: str,
    recipe: "OptimisationRecipe",
) -> Publication | None:
    """What was asked for; raises InvalidConfig or InvalidInput before anything is made."""
    key, evidence_key = keys
    if not model:
        return None
    if key is None:
        raise errors.InvalidConfig(
            "nothing says who signs the version",
            fix="name the publisher's key with --key, or leave out --publish",
        )
    source = recipe.spec.model
    known = f"{source.name}@{source.version}" if source.name else ""
    if known and parent and parent != known:
        raise errors.InvalidInput(
            f"the recipe begins with {known}, not with {parent}", fix="leave out --derived-from"
        )
    if parent:
        saying.parents([f"converted:{parent}"])
    return Publication(names.slug(model), key, evidence_key, known or parent)


def publish(
    outcome: "tuple[OptimisationRecipe, dict[str, Json]]",
    wanted: Publication | None,
    folder: Path,
    access: options.Access,
) -> dict[str, Json]:
    """A version of what a report tells of, and a signed test result with all its numbers.

    Nothing where nobody wants it published.
    """
    from registry.core.recipes import planning, report  # noqa: PLC0415  heavy

    if wanted is None:
        return {}
    made = Made(*outcome)
    recipe, best = made.recipe, fields.text(made.report, "best", what="report")
    chosen = next(one for one in planning.plan(recipe.spec) if one.name == best)
    edges = [f"{relation}:{wanted.parent}" for relation in chosen.relations if wanted.parent]
    metrics: dict[str, Json] = dict(report.metrics(made.report))
    sets: list[Json] = [
        {"name": name, "digest": digest} for name, digest in made.inputs.items() if name != "model"
    ]
    origin = fields.text(made.report, "origin", what="report")
    metadata = saying.metadata(
        description=f"{best} of {origin}, by the recipe {recipe.metadata.name}",
        card=(folder / "report.md").read_text(encoding="utf-8"),
        metrics=metrics,
        datasets=sets,
        derivedFrom=saying.parents(edges),
    )
    published = push.publish_files(
        push.Wanted(wanted.model, None, None, "", "onnx"), push.Said(metadata, None),
        folder / "model", push.Signed(wanted.key, None), access,
    )  # fmt: skip
    shown = (published.get(name) for name in ("model", "version", "digest"))
    output.message(f"published: {' '.join(str(one) for one in shown)}")
    if wanted.evidence_key is not None:
        _attest(made, metrics, published, wanted.evidence_key, access)
    return {"published": published}


def _attest(
    made: Made, metrics: dict[str, Json], published: dict[str, Json], key: Path,
    access: options.Access,
) -> None:  # fmt: skip
    """An in-toto test result on the version's digest, named as acceptance tests are."""
    from registry.core.recipes import report  # noqa: PLC0415  heavy

    name = made.recipe.metadata.name
    about = Wanted(
        fields.text(published, "model", what="version"),
        fields.integer(published, "version", what="version"),
        fields.text(published, "digest", what="version"),
    )
    configuration: list[dict[str, Json]] = [
        {"name": what, "digest": {"sha256": digest.removeprefix("sha256:")}}
        for what, digest in (*made.inputs.items(), ("recipe", report.digest(made.recipe)))
    ]
    suite = evidence_documents.SuiteRun(configuration, [name], [], {name: metrics})
    payload = evidence_documents.test_result(about, suite, at=statements.now())
    bundle = statements.signed(payload, key)
    with options.connect(access.server, access.token_file) as client:
        added = statements.add(client, about.model, about.version, bundle)
    output.message(f"evidence {added.get('id')} by {added.get('signer')}")
