"""Recipes that the registry runs: who may leave one, and that a crash costs a step at most."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import update

from registry import errors
from registry.core.identity import Caller, Role
from registry.core.scope import Scope
from registry.db import versions
from registry.db.tables_optimisations import Optimisation
from registry.making.optimising import carrying_out, orders
from registry.settings import Limits, Running, Settings
from registry.usecases import erasure, opening, publish, sweep
from registry.usecases.opening import Registry
from registry.usecases.sweep import Grace
from tests.making.optimising import networks
from tests.registry.publishing import ALICE, Publisher, digest_of, store

ROOT = Caller(Role.ADMIN, "root")
RECIPE = """\
apiVersion: plimsoll.dev/v1
kind: OptimisationRecipe
metadata: {name: small-int8}
spec:
  model: {name: digits, version: 1, digest: "DIGEST"}
  data: {golden: {path: samples/golden.npz}}
  steps: [{quantise: {mode: dynamic}}]
  measure: {requests: 20}
"""
ZEROS = "sha256:" + "0" * 64
# A registry's process that carries out one order, and is killed with the first step that it keeps.
# It is given the folder of the registry, and the one where steps are kept.
PROGRAM = """
import os, signal, sys
from pathlib import Path
from registry.making.optimising import carrying_out
from registry.usecases import opening
from tests.making.optimising.test_orders import finished, settings_of
registry, work = opening.open_registry(settings_of(Path(sys.argv[1]))), Path(sys.argv[2])
killed = lambda: os.kill(os.getpid(), signal.SIGKILL) if finished(work) else False
carrying_out.run_next(registry, "first", killed)
"""


def settings_of(folder: Path) -> Settings:
    return Settings(folder, running=Running(optimisations=1), limits=Limits(registration_lease=1.0))


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    """With a small network as digits@1, and samples that it has been sent."""
    found, alice = opening.open_registry(settings_of(tmp_path / "data")), Publisher()
    alice.list_in(found.settings.publishers_file)
    model = networks.model(tmp_path / "model.onnx")
    networks.samples(tmp_path / "golden.npz", 200, of=model)
    files = {"model.onnx": model.read_bytes()}
    store(found, {**files, "golden": (tmp_path / "golden.npz").read_bytes()})
    publish.publish(found, alice.draft(files), ALICE)
    yield found
    found.close()


@pytest.fixture
def recipe(registry: Registry) -> str:
    with registry.database.reading() as session:
        found = versions.find(session, "digits", 1)
        assert found is not None
        return RECIPE.replace("DIGEST", str(found.digest))


@pytest.fixture
def given(tmp_path: Path, registry: Registry) -> dict[str, str]:
    return {"samples/golden.npz": digest_of((tmp_path / "golden.npz").read_bytes())}


def never() -> bool:
    return False


def test_the_same_recipe_is_left_once_and_ends_with_model_report_and_plot(
    registry: Registry, recipe: str, given: dict[str, str]
) -> None:
    left, is_new = orders.place(registry, recipe, given, ALICE)
    again, is_new_again = orders.place(registry, recipe, given, ROOT)
    assert (is_new, is_new_again) == (True, False)
    assert left.row.id == again.row.id
    assert again.row.actor == ALICE.actor
    assert carrying_out.run_next(registry, "one", never)
    assert not carrying_out.run_next(registry, "one", never)
    ended = orders.find(registry, left.row.id)
    assert (ended.row.state, ended.row.reason) == ("done", "")
    assert ended.row.done == ended.row.total > 0
    made = {file.path: file for file in ended.made}
    assert set(made) == {"model/model.onnx", "pareto.svg", "report.json", "report.md"}
    # Nothing of it lies about, and no sweep takes what it refers to.
    assert not list((registry.settings.data_dir / "optimisations").iterdir())
    sweep.sweep(registry, Grace.of(0))
    sweep.sweep(registry, Grace.of(0))
    assert all(registry.blobs.size(file.digest) == file.size for file in ended.made)


def test_a_process_that_is_killed_costs_the_step_it_was_at(
    tmp_path: Path, registry: Registry, recipe: str, given: dict[str, str]
) -> None:
    left, _ = orders.place(registry, recipe, given, ALICE)
    work = registry.settings.data_dir / "optimisations" / left.row.id / "work"
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "data"), str(work)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert finished(work)
    assert orders.find(registry, left.row.id).row.state == "running"
    end = time.monotonic() + 120
    while not carrying_out.run_next(registry, "second", never):
        assert time.monotonic() < end
        time.sleep(0.05)
    ended = orders.find(registry, left.row.id).row
    assert (ended.state, ended.attempts) == ("done", 2)


def test_one_that_takes_its_process_with_it_each_time_is_given_up(
    registry: Registry, recipe: str, given: dict[str, str]
) -> None:
    left, _ = orders.place(registry, recipe, given, ALICE)
    for _ in range(carrying_out.BEGINNINGS + 1):
        with registry.database.writing() as session:
            session.execute(update(Optimisation).values(due_at=datetime(2020, 1, 1, tzinfo=UTC)))
            session.commit()
        if orders.find(registry, left.row.id).row.attempts < carrying_out.BEGINNINGS:
            assert carrying_out._take(registry, "killed") is not None  # and no more of it
    assert carrying_out.run_next(registry, "next", never)
    ended = orders.find(registry, left.row.id).row
    assert (ended.state, ended.reason.partition(";")[0]) == (
        "failed", "it was begun 10 times and never ended",
    )  # fmt: skip


def finished(work: Path) -> set[str]:
    """Steps that are kept."""
    found = work.iterdir() if work.is_dir() else iter(())
    return {one.name for one in found if not one.name.startswith("unfinished")}


def test_a_stop_puts_it_back_and_counts_as_no_attempt(
    registry: Registry, recipe: str, given: dict[str, str]
) -> None:
    left, _ = orders.place(registry, recipe, given, ALICE)
    assert not carrying_out.run_next(registry, "one", lambda: True)
    put_back = orders.find(registry, left.row.id).row
    assert (put_back.state, put_back.attempts) == ("waiting", 0)
    assert carrying_out.run_next(registry, "two", never)


def test_one_that_is_withdrawn_or_whose_model_is_erased_leaves_nothing(
    registry: Registry, recipe: str, given: dict[str, str]
) -> None:
    left, _ = orders.place(registry, recipe, given, ALICE)
    carrying_out.run_next(registry, "one", never)
    made = orders.find(registry, left.row.id).made
    erasure.erase(registry, model="digits", version=1, reason="a person asked for it", by=ROOT)
    with pytest.raises(errors.NotFound, match="no recipe"):
        orders.find(registry, left.row.id)
    sweep.sweep(registry, Grace.of(0))
    sweep.sweep(registry, Grace.of(0))
    assert all(registry.blobs.size(file.digest) is None for file in made)


def test_samples_that_are_none_fail_it_and_it_can_be_left_again(
    registry: Registry, recipe: str
) -> None:
    store(registry, {"golden": b"no archive"})
    wrong = {"samples/golden.npz": digest_of(b"no archive")}
    left, _ = orders.place(registry, recipe, wrong, ALICE)
    carrying_out.run_next(registry, "one", never)
    failed = orders.find(registry, left.row.id).row
    assert failed.state == "failed"
    assert "golden" in failed.reason
    again, is_new = orders.place(registry, recipe, wrong, ALICE)
    assert (is_new, again.row.state, again.row.reason) == (True, "waiting", "")


@pytest.mark.parametrize(
    ("change", "files", "kind", "said"),
    [
        ("model: .*|model: {path: model.onnx}", None, errors.InvalidInput, "names a file"),
        ("version: 1|version: 9", None, errors.NotFound, "9"),
        (f"sha256:[0-9a-f]+|{ZEROS}", None, errors.DigestMismatch, "the recipe names"),
        ("samples/golden|../golden", None, errors.InvalidName, "not allowed"),
        ("steps|stepps", None, errors.InvalidDesiredState, "stepps"),
        ("|", {}, errors.InvalidInput, "came with none"),
        ("|", {"samples/golden.npz": ZEROS}, errors.MissingContent, "not here"),
    ],
)  # fmt: skip
def test_a_recipe_that_cannot_be_run_is_refused_with_the_place(  # noqa: PLR0913, PLR0917  a table
    registry: Registry,
    recipe: str,
    given: dict[str, str],
    change: str,
    files: dict[str, str] | None,
    kind: type[errors.PlimsollError],
    said: str,
) -> None:
    wrong = re.sub(*change.split("|"), recipe)
    with pytest.raises(kind, match=said):
        orders.place(registry, wrong, given if files is None else files, ALICE)


def test_who_may_not_act_on_the_model_and_a_registry_that_runs_none_refuse_it(
    registry: Registry, recipe: str, given: dict[str, str]
) -> None:
    stranger = replace(ALICE, scope=Scope(models=("other-*",)))
    with pytest.raises(errors.Forbidden):
        orders.place(registry, recipe, given, stranger)
    closed = replace(registry, settings=replace(registry.settings, running=Running()))
    with pytest.raises(errors.Unsupported, match="runs no recipes"):
        orders.place(closed, recipe, given, ALICE)
