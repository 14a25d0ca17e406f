"""Edits of models and versions: what may change, what the log tells of it, and what stays."""

import threading

import httpx2
import pytest

from registry import errors
from registry.core import digest
from registry.core.protection import Rule
from registry.settings import Settings
from registry.usecases import aliases, annotate, catalogue, listing, opening, publish
from registry.usecases.access import Caller, Role
from registry.usecases.aliases import Move
from registry.usecases.annotate import Edit
from registry.usecases.opening import Registry
from tests.registry.publishing import ALICE, Publisher, onnx_model, store

FILES = {"model.onnx": onnx_model()}
OTHER = {"model.onnx": onnx_model(2.0)}
LOOP = Caller(Role.RECONCILER, "loop")


def tags_of(registry: Registry) -> dict[str, str]:
    return {tag.key: tag.value for tag in catalogue.version(registry, "digits", 1).tags}


@pytest.fixture
def published(registry: Registry, alice: Publisher) -> Registry:
    store(registry, FILES | {"other": OTHER["model.onnx"]})
    publish.publish(registry, alice.draft(FILES), ALICE)
    publish.publish(registry, alice.draft(OTHER), ALICE)
    return registry


def test_tags_are_set_replaced_and_removed_and_the_digest_stays(published: Registry) -> None:
    before = catalogue.version(published, "digits", 1).digest
    annotate.change_version(published, "digits", 1, Edit(tags={"team": "risk", "x": "1"}), ALICE)
    annotate.change_version(published, "digits", 1, Edit(tags={"team": "fraud", "x": None}), ALICE)
    assert tags_of(published) == {"team": "fraud"}
    assert catalogue.version(published, "digits", 1).digest == before


def test_the_log_tells_tags_and_of_free_text_only_the_digest(published: Registry) -> None:
    edit = Edit(description="Ada Lovelace made it", tags={"team": "risk", "old": None})
    annotate.change_version(published, "digits", 1, edit, ALICE)
    entry = catalogue.latest(published, limit=1)[0].entry
    assert entry.kind == "version_changed"
    assert entry.detail == {
        "description": digest.of(b"Ada Lovelace made it"),
        "tags": {"team": "risk", "old": None},
    }


def test_a_card_with_broken_front_matter_changes_nothing(published: Registry) -> None:
    edit = Edit(card="---\nno end", tags={"team": "risk"})
    with pytest.raises(errors.InvalidInput):
        annotate.change_version(published, "digits", 1, edit, ALICE)
    assert tags_of(published) == {}


def test_a_model_gets_a_display_name_that_no_other_has(published: Registry) -> None:
    annotate.change_model(published, "digits", Edit(display_name="Digits, hand-written"), ALICE)
    annotate.create_model(published, "letters", Edit(tags={"team": "risk"}), ALICE)
    with pytest.raises(errors.Conflict):
        annotate.change_model(
            published, "letters", Edit(display_name="Digits, hand-written"), ALICE
        )
    found = catalogue.model(published, "letters")
    assert (found.model.display_name, found.tags[0].value) == ("letters", "risk")
    with pytest.raises(errors.Conflict):
        annotate.create_model(published, "digits", Edit(), ALICE)


def test_a_model_cannot_be_called_like_the_slug_of_another(published: Registry) -> None:
    annotate.create_model(published, "letters", Edit(), ALICE)
    with pytest.raises(errors.Conflict, match="a name of model 'digits'"):
        annotate.change_model(published, "letters", Edit(display_name="digits"), ALICE)
    with pytest.raises(errors.Conflict, match="a name of model 'digits'"):
        annotate.create_model(published, "signs", Edit(display_name="digits"), ALICE)


@pytest.mark.parametrize("name", ["", "  ", "a/b", "a:b", "x" * 257])
def test_a_display_name_that_dialects_cannot_carry_is_refused(
    published: Registry, name: str
) -> None:
    with pytest.raises(errors.InvalidInput):
        annotate.change_model(published, "digits", Edit(display_name=name), ALICE)


def test_of_two_who_move_an_alias_from_one_place_the_second_is_told(published: Registry) -> None:
    outcomes: list[str] = []

    def move(version: int) -> None:
        try:
            aliases.move(published, Move("digits", "champion", version, "race", expected=0), ALICE)
            outcomes.append("won")
        except errors.Conflict:
            outcomes.append("told")

    threads = [threading.Thread(target=move, args=(version,)) for version in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["told", "won"]
    assert len(listing.moves(published, "digits", "champion")[1].items) == 1


def test_a_protected_alias_is_moved_only_by_those_the_rule_names(
    database_url: str, tmp_path, alice: Publisher
) -> None:
    rule = Rule("*", "production", ("reconciler:*",))
    settings = Settings(tmp_path / "data", database_url=database_url, protected=(rule,))
    registry = opening.open_registry(settings)
    alice.list_in(settings.publishers_file)
    store(registry, FILES)
    publish.publish(registry, alice.draft(FILES), ALICE)
    with pytest.raises(errors.PolicyDenied, match="only reconciler"):
        aliases.move(registry, Move("digits", "production", 1, "mine"), ALICE)
    aliases.move(registry, Move("digits", "production", 1, "promoted"), LOOP)
    with pytest.raises(errors.PolicyDenied):
        aliases.move(registry, Move("digits", "production", None, "away"), ALICE)
    assert listing.moves(registry, "digits", "production")[0].version == 1
    registry.close()


def test_edits_come_over_http(client: httpx2.Client) -> None:
    new = {"name": "letters", "displayName": "Letters", "tags": {"team": "risk"}}
    assert client.post("/v1/models", json=new).status_code == 201
    edit = {"description": "reads letters", "tags": {"team": None, "tier": "1"}}
    document = client.patch("/v1/models/letters", json=edit).json()
    assert (document["description"], document["tags"]) == ("reads letters", {"tier": "1"})
    assert client.post("/v1/models", json=new).status_code == 409
    assert client.patch("/v1/models/nobody", json=edit).status_code == 404
