"""MLflow's searches: by its own client, and page by page on each database."""

from typing import Any

import pytest

from registry import errors
from registry.api.server import Server
from registry.usecases import deletion, registered_models, registered_search, registration
from registry.usecases.opening import Registry
from registry.usecases.registered_search import Asked
from registry.usecases.registration import Wanted
from tests.registry import mlflow_stock as stock
from tests.registry.publishing import ALICE

MODELS = ("Fraud EU", "Fraud US", "digits", "weather")


def create(registry: Registry, name: str, **tags: str) -> None:
    registered_models.create(registry, name, description="", tags=tags, by=ALICE)


def register(registry: Registry, name: str, run_id: str = "", **tags: str) -> str:
    """A version that will fail, which is as good to find as any other."""
    wanted = Wanted(name, f"/somewhere/{run_id}", run_id=run_id, tags=tags)
    return str(registration.register(registry, wanted, ALICE).row.version)


@pytest.fixture
def filled(registry: Registry) -> Registry:
    for name in MODELS:
        create(registry, name, team="risk" if "Fraud" in name else "ops")
    for run_id in ("r1", "r2", "r3"):
        register(registry, "Fraud EU", run_id, **{"mlflow.user": "ann", "stage": run_id})
    register(registry, "digits", "r2", stage="r9")
    return registry


def names(registry: Registry, filter_: str, *order_by: str) -> list[str]:
    found = registered_search.models(registry, Asked(filter_, order_by, 100, ""))
    return [model.row.display_name for model in found.items]


def numbers(registry: Registry, filter_: str, *order_by: str) -> list[str]:
    found = registered_search.versions(registry, Asked(filter_, order_by, 100, ""))
    return [f"{version.name}@{version.row.version}" for version in found.items]


BY_MODEL = {
    "": ["Fraud EU", "Fraud US", "digits", "weather"],
    "name = 'Fraud EU'": ["Fraud EU"],
    "name != 'Fraud EU'": ["Fraud US", "digits", "weather"],
    "name LIKE 'Fraud%'": ["Fraud EU", "Fraud US"],
    "name LIKE 'fraud%'": [],
    "name ILIKE 'fraud%'": ["Fraud EU", "Fraud US"],
    "name IN ('digits', 'weather')": ["digits", "weather"],
    "name NOT IN ('digits', 'weather')": ["Fraud EU", "Fraud US"],
    "tags.team = 'ops'": ["digits", "weather"],
    "tag.`team` != 'ops' AND name LIKE '%US'": ["Fraud US"],
    "tags.none = 'ops'": [],
    # What the stock client adds to each search.
    "tag.`mlflow.prompt.is_prompt` != 'true' AND name = 'digits'": ["digits"],
    "tags.`mlflow.prompt.is_prompt` = 'true'": [],
}


def test_models_are_found_by_mlflow_s_grammar(filled: Registry) -> None:
    for filter_, found in BY_MODEL.items():
        assert sorted(names(filled, filter_)) == found, filter_


BY_VERSION = {
    "name = 'Fraud EU'": ["Fraud EU@1", "Fraud EU@2", "Fraud EU@3"],
    "name = 'nobody'": [],
    "name IN ('digits', 'nobody')": ["digits@1"],
    "name LIKE 'Fraud%' AND version_number = 2": ["Fraud EU@2"],
    "version_number > 1": ["Fraud EU@2", "Fraud EU@3"],
    "run_id = 'r2'": ["Fraud EU@2", "digits@1"],
    "run_id IN ('r1', 'r3')": ["Fraud EU@1", "Fraud EU@3"],
    "source_path LIKE '/somewhere/r1'": ["Fraud EU@1"],
    "tags.stage = 'r9'": ["digits@1"],
    "tags.`mlflow.user` = 'ann' AND tags.stage != 'r1'": ["Fraud EU@2", "Fraud EU@3"],
}


def test_versions_are_found_by_mlflow_s_grammar(filled: Registry) -> None:
    for filter_, found in BY_VERSION.items():
        assert sorted(numbers(filled, filter_)) == found, filter_


def test_order_is_mlflow_s_unless_another_is_asked_for(filled: Registry) -> None:
    newest = ["digits@1", "Fraud EU@3", "Fraud EU@2", "Fraud EU@1"]
    assert numbers(filled, "") == newest
    assert numbers(filled, "", "creation_timestamp ASC") == newest[::-1]
    assert numbers(filled, "name = 'Fraud EU'", "version_number ASC") == newest[:0:-1]
    assert names(filled, "", "name DESC") == names(filled, "")[::-1]
    assert names(filled, "", "last_updated_timestamp DESC")[0] == "digits"


def test_pages_follow_each_other_without_gap_or_double(filled: Registry) -> None:
    found: list[str] = []
    token = ""
    while True:
        page = registered_search.versions(filled, Asked("", (), 2, token))
        found += [f"{version.name}@{version.row.version}" for version in page.items]
        token = page.token
        if not token:
            break
    assert found == numbers(filled, "")
    first = registered_search.models(filled, Asked("", (), 1, ""))
    with pytest.raises(errors.InvalidInput, match="page token"):
        registered_search.models(filled, Asked("name LIKE 'F%'", (), 1, first.token))


def test_what_was_deleted_is_found_no_more(filled: Registry) -> None:
    deletion.delete_version(filled, "fraud-eu", 2, ALICE)
    deletion.delete_model(filled, "digits", ALICE)
    assert sorted(numbers(filled, "")) == ["Fraud EU@1", "Fraud EU@3"]
    assert sorted(names(filled, "")) == ["Fraud EU", "Fraud US", "weather"]


def test_a_filter_that_cannot_be_read_is_refused(filled: Registry) -> None:
    for filter_ in ("name == 'x'", "name = x", "team = 'risk'", "name = 'a' OR name = 'b'", "'"):
        with pytest.raises(errors.InvalidInput):
            names(filled, filter_)


def test_the_stock_client_searches_filters_and_turns_pages(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow: Any = stock.configure(server, monkeypatch)
    registry = server.app.state.registry
    for number in range(5):
        create(registry, f"Model {number}", team="risk")
        register(registry, f"Model {number}", f"r{number}", team="risk")

    page = mlflow.search_registered_models(max_results=3, order_by=["name DESC"])
    rest = mlflow.search_registered_models(
        max_results=3, order_by=["name DESC"], page_token=page.token
    )
    assert [model.name for model in [*page, *rest]] == [f"Model {n}" for n in (4, 3, 2, 1, 0)]
    assert not rest.token
    risky = mlflow.search_registered_models("tags.team = 'risk' AND name ILIKE 'model 1'")
    assert [(model.name, model.tags) for model in risky] == [("Model 1", {"team": "risk"})]

    versions = mlflow.search_model_versions("run_id = 'r3' AND tags.team = 'risk'")
    assert [(version.name, version.run_id) for version in versions] == [("Model 3", "r3")]
    assert len(mlflow.search_model_versions("name LIKE 'Model%'")) == 5
    for filter_ in ("name == 'x'", "nonsense = 'x'", "name"):
        with stock.refused("INVALID_PARAMETER_VALUE"):
            mlflow.search_model_versions(filter_)
    with stock.refused("INVALID_PARAMETER_VALUE", "Prompts are not kept"):
        mlflow.register_prompt("greeting", "Hello {{name}}")
    with stock.refused("INVALID_PARAMETER_VALUE", "It must be at most 1000"):
        mlflow.search_registered_models(max_results=1001)
    with stock.refused("INVALID_PARAMETER_VALUE", "positive integer"):
        mlflow.search_registered_models(max_results=0)
    with stock.refused("INVALID_PARAMETER_VALUE", "page token"):
        mlflow.search_registered_models(page_token="nonsense")
