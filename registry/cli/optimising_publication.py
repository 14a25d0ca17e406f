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
    from registry.core.recipes.report import Run


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
    run: "Run", wanted: Publication, folder: Path, access: options.Access
) -> dict[str, Json]:
    """The version, and a signed test result about it with all its numbers."""
    from registry.core.recipes import planning, report  # noqa: PLC0415  heavy

    best = run.best
    if best is None:
        raise AssertionError  # nothing to publish ends the command before
    chosen = next(one for one in planning.plan(run.recipe.spec) if one.name == best.name)
    edges = [f"{relation}:{wanted.parent}" for relation in chosen.relations if wanted.parent]
    metrics: dict[str, Json] = dict(report.metrics(run, best))
    sets: list[Json] = [
        {"name": name, "digest": digest} for name, digest in run.inputs.items() if name != "model"
    ]
    metadata = saying.metadata(
        description=f"{best.name} of {run.origin}, by the recipe {run.recipe.metadata.name}",
        card=report.page(run), metrics=metrics, datasets=sets, derivedFrom=saying.parents(edges),
    )  # fmt: skip
    made = push.publish_files(
        push.Wanted(wanted.model, None, None, "", "onnx"), push.Said(metadata, None),
        folder / "model", push.Signed(wanted.key, None), access,
    )  # fmt: skip
    shown = (made.get(name) for name in ("model", "version", "digest"))
    output.message(f"published: {' '.join(str(one) for one in shown)}")
    if wanted.evidence_key is not None:
        _attest(run, metrics, made, wanted.evidence_key, access)
    return made


def _attest(
    run: "Run", metrics: dict[str, Json], made: dict[str, Json], key: Path,
    access: options.Access,
) -> None:  # fmt: skip
    """An in-toto test result on the version's digest, named as acceptance tests are."""
    name = run.recipe.metadata.name
    about = Wanted(
        fields.text(made, "model", what="version"), fields.integer(made, "version", what="version"),
        fields.text(made, "digest", what="version"),
    )  # fmt: skip
    configuration: list[dict[str, Json]] = [
        {"name": what, "digest": {"sha256": digest.removeprefix("sha256:")}}
        for what, digest in (*run.inputs.items(), ("recipe", run.digest))
    ]
    suite = evidence_documents.SuiteRun(configuration, [name], [], {name: metrics})
    payload = evidence_documents.test_result(about, suite, at=statements.now())
    bundle = statements.signed(payload, key)
    with options.connect(access.server, access.token_file) as client:
        added = statements.add(client, about.model, about.version, bundle)
    output.message(f"evidence {added.get('id')} by {added.get('signer')}")
