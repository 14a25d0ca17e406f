"""A seeded catalogue: its versions are found like others, its log is whole, publishing goes on."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench import population, seeding
from registry.core import entries, merkle, note
from registry.core.facts import Facts
from registry.settings import Settings
from registry.usecases import catalogue, log, opening, publish
from registry.usecases.opening import Registry
from tests.registry.publishing import ALICE, Publisher, onnx_model, store

FILES = {"model.onnx": onnx_model()}


@dataclass
class Filled:
    registry: Registry
    publisher: Publisher

    def publish(self) -> int:
        """The number that a new version of the first model of the population gets."""
        draft = self.publisher.draft(FILES, model=population.name(0))
        return publish.publish(self.registry, draft, ALICE).version.version


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[Filled]:
    """A registry with one published version, and 1,010 copies of it in two goes."""
    registry = opening.open_registry(Settings(data_dir=tmp_path / "data"))
    publisher = Publisher()
    publisher.list_in(registry.settings.publishers_file)
    store(registry, FILES)
    said = Facts(metrics={"accuracy": 0.9}, parameters={"epochs": "3"}, tags={"team": "none"})
    draft = publisher.draft(FILES, model="prototype", said=said)
    publish.publish(registry, draft, ALICE)
    for start, stop in ((0, 7), (7, 1010)):
        seeding.fill(
            registry.settings.database,
            tmp_path / "data" / "keys" / "log.pem",
            population.members(start, stop),
            like=("prototype", 1),
        )
    yield Filled(registry, publisher)
    registry.close()


def test_a_copy_is_shown_with_its_own_tags_and_all_that_was_said_of_the_first(
    filled: Filled,
) -> None:
    found = catalogue.version(filled.registry, population.name(3), 2)
    assert {tag.key: tag.value for tag in found.tags} == {"team": "team-03", "stage": "archived"}
    assert [(metric.key, metric.value) for metric in found.metrics] == [("accuracy", 0.9)]
    assert [(one.key, one.value) for one in found.parameters] == [("epochs", "3")]
    assert [file.path for file in found.variants[0].files] == ["model.onnx"]
    assert found.digest == found.variants[0].digest
    assert found.status == "ready"


def test_the_log_has_a_true_entry_for_each_under_a_checkpoint_of_its_own_key(
    filled: Filled,
) -> None:
    checkpoint = note.verify_checkpoint(log.checkpoint(filled.registry), filled.registry.log_name)
    assert checkpoint.size == 1011
    leaf = log.page(filled.registry, start=1003, limit=1)[1][0][1]
    proof = log.inclusion(filled.registry, 1003, None)
    merkle.check_inclusion(leaf, 1003, 1011, proof=proof, expected_root=checkpoint.root)
    assert entries.decode(leaf).model == population.name(2)
    assert entries.decode(leaf).version == 2


def test_publishing_goes_on_after_the_last_copy(filled: Filled) -> None:
    assert filled.publish() == 3
    assert filled.publish() == 4
    assert log.size(filled.registry) == 1013
