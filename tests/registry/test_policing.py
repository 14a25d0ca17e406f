"""Policies at the registry's doors: what they deny is not there, but their decision is."""

import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from registry import errors
from registry.core import entries
from registry.core.entries import Entry, Kind
from registry.core.protection import Rule
from registry.settings import Settings
from registry.usecases import aliases, catalogue, log, opening, publish, registered_models
from registry.usecases.access import Caller, Role
from registry.usecases.aliases import Move
from registry.usecases.opening import Registry
from tests.registry.publishing import ALICE, Publisher, onnx_model, store
from tests.registry.test_mlflow_registration import outcome, register, settle, signed, stage

FILES = {"model.onnx": onnx_model()}
OTHER = {"model.onnx": onnx_model(2.0)}
CI = Caller(Role.PUBLISHER, "ci")


@dataclass(frozen=True)
class Gated:
    """A registry with a folder of policies."""

    registry: Registry
    folder: Path

    def write(self, area: str, expression: str, *, mode: str = "enforce", name: str = "p") -> Path:
        path = self.folder / area / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"""\
apiVersion: plimsoll.dev/v1
kind: Policy
metadata: {{name: {name}}}
spec:
  mode: {mode}
  validations:
    - {{expression: '{expression}', message: 'must be: {expression}', reason: Because}}
""")
        return path

    def log(self) -> list[Entry]:
        _, leaves = log.page(self.registry, start=0, limit=1000)
        return [entries.decode(leaf) for _, leaf in leaves]

    def decisions(self) -> list[Entry]:
        return [entry for entry in self.log() if entry.kind is Kind.DECIDED]


@pytest.fixture
def gated(database_url: str, tmp_path: Path, alice: Publisher) -> Iterator[Gated]:
    folder = tmp_path / "policies"
    folder.mkdir()
    settings = Settings(
        data_dir=tmp_path / "data",
        database_url=database_url,
        policies=folder,
        protected=(Rule("*", "champion", ("publisher:*",)),),
    )
    opened = opening.open_registry(settings)
    alice.list_in(settings.publishers_file)
    store(opened, FILES)
    store(opened, OTHER)
    yield Gated(opened, folder)
    opened.close()


def refused(gated: Gated, alice: Publisher) -> str:
    with pytest.raises(errors.PolicyDenied) as denied:
        publish.publish(gated.registry, alice.draft(FILES), ALICE)
    return denied.value.detail


def test_what_a_policy_allows_is_published_and_both_are_in_the_log(
    gated: Gated, alice: Publisher
) -> None:
    gated.write("publish", 'verification.publisher == "alice" && version.version == 1')
    publish.publish(gated.registry, alice.draft(FILES), ALICE)
    decided, published = gated.log()[-2:]
    assert (decided.kind, published.kind) == (Kind.DECIDED, Kind.PUBLISHED)
    assert decided.digest == published.digest
    assert decided.detail["result"] == "allowed"
    assert decided.detail["area"] == "publish"
    assert decided.detail["by"] == ["p"]


def test_what_a_policy_denies_is_not_there_and_its_number_is_still_free(
    gated: Gated, alice: Publisher
) -> None:
    path = gated.write("publish", 'version.metadata.licence == "MIT"')
    assert 'policy p: must be: version.metadata.licence == "MIT"' in refused(gated, alice)
    with pytest.raises(errors.NotFound):
        catalogue.version(gated.registry, "digits", 1)
    assert [entry.kind for entry in gated.log()] == [Kind.DECIDED]
    path.unlink()
    gated.write("publish", "true")
    assert publish.publish(gated.registry, alice.draft(FILES), ALICE).version.version == 1


def test_a_denial_says_by_whose_policies_on_what_and_for_whom(
    gated: Gated, alice: Publisher
) -> None:
    gated.write("publish", "version.version > 5")
    refused(gated, alice)
    (entry,) = gated.decisions()
    assert entry.actor == ALICE.actor
    assert (entry.model, entry.version) == ("digits", 1)
    assert entry.digest.startswith("sha256:")
    assert str(entry.detail["policies"]).startswith("sha256:")
    assert str(entry.detail["input"]).startswith("sha256:")
    assert entry.detail["reasons"] == ["policy p: must be: version.version > 5"]
    assert entry.reason == "policy p: must be: version.version > 5"


def test_each_refusal_is_written_down(gated: Gated, alice: Publisher) -> None:
    gated.write("publish", "false")
    for _ in range(3):
        refused(gated, alice)
    assert len(gated.decisions()) == 3


def test_an_empty_folder_denies_and_says_what_to_add(gated: Gated, alice: Publisher) -> None:
    assert "add one under policies/publish/ with mode: enforce" in refused(gated, alice)


def test_a_folder_that_is_gone_denies(gated: Gated, alice: Publisher) -> None:
    gated.folder.rmdir()
    assert "there is no such folder" in refused(gated, alice)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"kind: [", "policies/publish/q.yaml:1:8: not YAML"),
        (b"\xff", "policies/publish/q.yaml:1:1: the file is not UTF-8"),
        (b"", "policies/publish/q.yaml:1:1: the file holds no mapping"),
        (b"a: " + b"x" * 300_000, "at most 262144"),
    ],
)
def test_a_broken_file_denies_and_says_where(
    gated: Gated, alice: Publisher, content: bytes, said: str
) -> None:
    gated.write("publish", "true")
    (gated.folder / "publish" / "q.yaml").write_bytes(content)
    assert said in refused(gated, alice)


def test_a_link_to_nowhere_denies(gated: Gated, alice: Publisher) -> None:
    gated.write("publish", "true")
    (gated.folder / "publish" / "q.yaml").symlink_to("/nowhere")
    assert "policies/publish/q.yaml" in refused(gated, alice)


def test_a_policy_too_deep_in_the_folder_is_not_overlooked(gated: Gated, alice: Publisher) -> None:
    gated.write("publish", "true")
    gated.write("publish/team", "false")
    assert "policies/publish/team/p.yaml" in refused(gated, alice)


def test_a_changed_policy_counts_from_the_next_decision_on(gated: Gated, alice: Publisher) -> None:
    gated.write("publish", "false")
    refused(gated, alice)
    gated.write("publish", "true ")
    publish.publish(gated.registry, alice.draft(FILES), ALICE)
    denied, allowed = gated.decisions()
    assert denied.detail["policies"] != allowed.detail["policies"]
    assert allowed.detail["result"] == "allowed"


def test_what_an_auditing_policy_would_refuse_is_written_down_with_the_decision(
    gated: Gated, alice: Publisher
) -> None:
    gated.write("publish", "true")
    gated.write("publish", "false", mode="audit", name="later")
    publish.publish(gated.registry, alice.draft(FILES), ALICE)
    assert gated.decisions()[0].detail["audit"] == ["policy later: must be: false"]


def test_without_a_folder_nothing_is_decided_and_nothing_is_written(
    registry: Registry, alice: Publisher
) -> None:
    store(registry, FILES)
    publish.publish(registry, alice.draft(FILES), ALICE)
    assert log.size(registry) == 1


def test_a_variant_is_a_publication_too(gated: Gated, alice: Publisher) -> None:
    gated.write("publish", 'version.format != "onnx" || version.version == 1')
    publish.publish(gated.registry, alice.draft(FILES), ALICE)
    gated.write("publish", "false")
    with pytest.raises(errors.PolicyDenied):
        publish.add_variant(gated.registry, alice.draft(OTHER, version=1, variant="other"), ALICE)
    assert len(catalogue.version(gated.registry, "digits", 1).variants) == 1


@pytest.fixture
def two(gated: Gated, alice: Publisher) -> Gated:
    gated.write("publish", "true")
    for files in (FILES, OTHER):
        publish.publish(gated.registry, alice.draft(files), ALICE)
    return gated


def alias(gated: Gated, name: str = "champion") -> int | None:
    found = catalogue.model(gated.registry, "digits").aliases
    return next((one.version for one in found if one.alias == name), None)


def test_moving_a_protected_alias_asks_the_policies_of_promotion(two: Gated) -> None:
    two.write("promote", 'alias == "champion" && previous < 1 && "alice" in verification.signers')
    aliases.move(two.registry, Move("digits", "champion", 1, "better"), CI)
    assert alias(two) == 1
    with pytest.raises(errors.PolicyDenied, match="previous < 1"):
        aliases.move(two.registry, Move("digits", "champion", 2, "better still"), CI)
    assert alias(two) == 1
    decided = [entry for entry in two.decisions() if entry.detail["area"] == "promote"]
    assert [entry.detail["result"] for entry in decided] == ["allowed", "denied"]
    assert [entry.detail["previous"] for entry in decided] == [0, 1]
    assert {entry.detail["alias"] for entry in decided} == {"champion"}


def test_an_unprotected_alias_moves_without_being_asked(two: Gated) -> None:
    two.write("promote", "false")
    aliases.move(two.registry, Move("digits", "shadow", 1, ""), CI)
    assert alias(two, "shadow") == 1


def test_without_a_policy_of_promotion_a_protected_alias_does_not_move(two: Gated) -> None:
    with pytest.raises(errors.PolicyDenied, match="add one under policies/promote/"):
        aliases.move(two.registry, Move("digits", "champion", 1, ""), CI)
    assert alias(two) is None


def test_promotion_sees_what_was_verified_and_not_what_the_registry_stores(
    two: Gated, alice: Publisher
) -> None:
    two.write("promote", 'verification.publisher == "alice"')
    two.registry.settings.publishers_file.write_text('{"publishers": []}')
    with pytest.raises(errors.IntegrityError):
        aliases.move(two.registry, Move("digits", "champion", 1, ""), CI)
    assert alias(two) is None


def test_many_decide_at_once_and_each_decision_is_written_once(
    gated: Gated, alice: Publisher
) -> None:
    gated.write("publish", "version.version % 2 == 0")
    outcomes: list[str] = []

    def attempt(number: int) -> None:
        try:
            publish.publish(gated.registry, alice.draft(FILES, version=number), ALICE)
            outcomes.append("allowed")
        except errors.PolicyDenied:
            outcomes.append("denied")

    threads = [threading.Thread(target=attempt, args=(number,)) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["allowed"] * 4 + ["denied"] * 4
    found = {(entry.version, entry.detail["result"]) for entry in gated.decisions()}
    assert found == {(n, "denied" if n % 2 else "allowed") for n in range(1, 9)}


def test_a_refusal_that_cannot_be_written_down_is_still_no_publication(
    gated: Gated, alice: Publisher
) -> None:
    gated.write("publish", "false")
    with gated.registry.database.writing() as session:
        session.execute(text("ALTER TABLE log_entries RENAME TO elsewhere"))
        session.commit()
    with pytest.raises((errors.PlimsollError, SQLAlchemyError)) as failure:
        publish.publish(gated.registry, alice.draft(FILES), ALICE)
    assert not isinstance(failure.value, errors.PolicyDenied)
    with pytest.raises(errors.NotFound):
        catalogue.version(gated.registry, "digits", 1)


def test_the_policies_that_we_ship_let_an_honest_model_in_and_be_promoted(
    gated: Gated, alice: Publisher
) -> None:
    shipped = Path(__file__).parents[2] / "policies"
    shutil.copytree(shipped, gated.folder, dirs_exist_ok=True)
    publish.publish(gated.registry, alice.draft(FILES), ALICE)
    aliases.move(gated.registry, Move("digits", "champion", 1, "first"), CI)
    assert alias(gated) == 1
    published, promoted = gated.decisions()
    assert (published.detail["by"], promoted.detail["by"]) == (["sound"], ["sound"])
    licence, mark = published.detail["audit"]
    assert licence == "policy licensed: the model says no licence"
    assert mark.startswith("policy watermarked: what is published must carry its owner's watermark")
    assert promoted.detail["audit"] == [
        "policy approved: two persons who did not sign the model must approve it"
    ]


def test_what_came_through_mlflow_and_is_denied_fails_with_the_reason(
    gated: Gated, alice: Publisher
) -> None:
    gated.write("publish", 'version.metadata.licence == "MIT"')
    files = FILES | {"MLmodel": b"flavors: {}\n"}
    registered_models.create(gated.registry, "digits", description="", tags={}, by=ALICE)
    source = stage(gated.registry, "candidate", signed(files, alice))
    register(gated.registry, source)
    settle(gated.registry)
    status, said = outcome(gated.registry)
    assert status == "failed"
    assert 'policy p: must be: version.metadata.licence == "MIT"' in said
    assert [entry.detail["result"] for entry in gated.decisions()] == ["denied"]
