"""A database that goes away and comes back: said as such, and no acknowledged write is lost."""

from pathlib import Path

import pytest

from registry import errors
from registry.settings import Settings
from registry.usecases import catalogue, log, opening, publish
from tests.registry import postgres
from tests.registry.publishing import ALICE, Publisher, onnx_model, store

FILES = {"model.onnx": onnx_model()}


def test_publishing_goes_on_where_it_stopped_once_the_database_is_back(
    tmp_path: Path, alice: Publisher
) -> None:
    with postgres.cluster(is_durable=True) as folder:
        url = postgres.create_database(folder, "registry")
        registry = opening.open_registry(Settings(tmp_path / "data", database_url=url))
        alice.list_in(registry.settings.publishers_file)
        store(registry, FILES)
        acknowledged = [publish.publish(registry, alice.draft(FILES), ALICE).version.version]

        postgres.stop(folder)
        for _ in range(3):
            with pytest.raises(errors.Unavailable):
                publish.publish(registry, alice.draft(FILES), ALICE)
            with pytest.raises(errors.Unavailable):
                catalogue.version(registry, "digits", 1)

        postgres.start(folder)
        acknowledged += [
            publish.publish(registry, alice.draft(FILES), ALICE).version.version for _ in range(3)
        ]
        assert acknowledged == [1, 2, 3, 4]
        assert [catalogue.version(registry, "digits", n).version for n in acknowledged] == [
            1, 2, 3, 4,
        ]  # fmt: skip
        assert len(log.consistency(registry, 1, log.size(registry))) > 0
        registry.close()
