"""A registry whose log was rolled back or rewritten is not believed; one that grew is cosigned."""

import shutil
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from unittest.mock import patch

import pytest

from reconciler import witness
from registry.api.server import Server
from registry.core import cosignature, note
from registry.settings import Settings
from registry.trust import keys
from registry.usecases import log
from tests.core.logs import Witness
from tests.reconciler.town import Town, admin, reconciler, town, write_config
from tests.registry import witnesses
from tests.registry.publishing import Publisher


@pytest.fixture
def publisher() -> Publisher:
    return Publisher()


@pytest.fixture
def here(tmp_path: Path, publisher: Publisher) -> Iterator[Town]:
    """Version 1 serves; a copy of the registry from before that lies aside."""
    with town(tmp_path, publisher) as made:
        made.publish(1, publisher)
        made.publish(2, publisher)
        shutil.copytree(tmp_path / "registry", tmp_path / "before")
        made.deploy(1)
        made.settle()
        assert made.serving() is not None
        yield made


@contextmanager
def restored(here: Town) -> Iterator[None]:
    """The same reconciler's state, in front of the registry as it was before."""
    here.server.stop()
    settings = Settings(data_dir=here.folder / "before", listen=("127.0.0.1:0",))
    server = Server(settings)
    server.start()
    here.loop.memory._folder.close()
    try:
        with admin(server, settings) as http:
            here.registry = http
            write_config(here.folder, server, here.origin, http)
            with reconciler(here.folder, here.hosts) as loop:
                here.loop = loop
                yield
    finally:
        server.stop()


def test_a_log_that_was_rolled_back_deploys_nothing_and_serving_goes_on(here: Town) -> None:
    with restored(here):
        here.deploy(2)
        here.settle()
        serving = here.serving()
        assert serving is not None
        assert serving.version == 1
        waiting = str(here.status()["waiting"])
        assert "log" in waiting


def test_a_log_that_went_on_differently_deploys_nothing(here: Town, publisher: Publisher) -> None:
    with restored(here):
        for version in range(3, 20):
            here.publish(version, publisher)
        here.deploy(2)
        here.settle()
        serving = here.serving()
        assert serving is not None
        assert serving.version == 1
        assert "is not the one seen before" in str(here.status()["waiting"])


@pytest.fixture
def watched(tmp_path: Path, publisher: Publisher) -> Iterator[Town]:
    """Hosts and reconciler demand the cosignature of the reconciler itself, which gives none by
    itself here: a test says when."""
    key = keys.load_or_create_log_key(tmp_path / "reconciler" / witness.KEY_FILE)
    listed = tmp_path / "registry" / "witnesses.json"
    listed.parent.mkdir()
    witnesses.list_in(listed, (Witness("reconciler", key),), threshold=1)
    never = partial(witness.Rounds, every_s=3600.0)
    with patch.object(witness, "Rounds", never), town(tmp_path, publisher) as made:
        yield made


def test_nothing_is_deployed_before_its_publication_is_cosigned(
    watched: Town, publisher: Publisher
) -> None:
    here = watched
    here.publish(1, publisher)
    here.deploy(1)
    here.settle()
    assert here.serving() is None
    assert "not yet cosigned" in str(here.status()["waiting"])
    seen_here, own = here.loop.journal._witness, here.folder / "reconciler" / witness.KEY_FILE
    with closing(witness.Rounds(seen_here, own, every_s=0.1)):
        end = time.monotonic() + 120
        while here.serving() is None:
            assert time.monotonic() < end, here.status()
            here.rounds(1)
            time.sleep(0.1)
    shown = here.registry.get("/log/checkpoint").text
    registry = here.server.app.state.registry
    seen = note.verify_checkpoint(shown, registry.log_name)
    assert seen.size
    kept = note.verify_checkpoint(registry_cosigned(here), registry.log_name)
    assert cosignature.require(kept, registry.witnesses().keys, threshold=1)


def registry_cosigned(here: Town) -> str:
    with here.server.app.state.registry.database.reading() as session:
        return log.cosigned(session).checkpoint
