"""Which versions clients see: policies, labels, and what moves when."""

import dataclasses
from pathlib import Path

import pytest

from registry import errors
from registry.core.canonical import Json
from runtime import config, policy
from runtime.backends.protocol import Arrays
from runtime.config import Pin
from runtime.policy import Active, All, Latest, Policy, Specific
from runtime.table import Slot, State, Table
from tests.runtime import models
from tests.runtime.process import Runtime, pin, running
from tests.runtime.stand_in import StandIn
from tests.runtime.test_control import BODY, load


class Nothing:
    """A backend that nobody asks."""

    def __init__(self) -> None:
        self.calls: dict[str, object] = {}

    def run(self, call: str, inputs: Arrays) -> dict[str, object]:
        raise NotImplementedError(call, inputs)

    def close(self) -> None:
        """There is nothing to give back."""


def put(
    table: Table, version: int, state: State = State.AVAILABLE, *, active: bool = False
) -> Slot:
    slot = Slot(Pin("m", version, f"sha256:{version:064x}", "onnx", active), state)
    table.put(slot)
    if state is State.AVAILABLE:
        enter(table, slot)
    return slot


def enter(table: Table, slot: Slot) -> list[int]:
    slot.state, slot.backend = State.AVAILABLE, Nothing()  # type: ignore[assignment]
    return [unused.pin.version for unused in table.settle(slot.pin.model)]


def seen(table: Table) -> list[int]:
    return [slot.pin.version for slot in table.versions("m") if table.is_visible(slot)]


def named(table: Table, label: str) -> int:
    return table.find("m", None, label, preview=False).pin.version


@pytest.mark.parametrize(
    ("versions", "visible", "default"),
    [
        (Active(), [2], 2),
        (All(), [1, 2, 3], 2),
        (Latest(1), [2, 3], 2),
        (Specific(frozenset({1})), [1, 2], 2),
    ],
)
def test_the_active_version_is_always_seen_and_answers_whom_names_none(
    versions: policy.Versions, visible: list[int], default: int
) -> None:
    table = Table()
    table.set_policy("m", Policy(versions))
    for version in (1, 2, 3):
        put(table, version, active=version == 2)
    assert seen(table) == visible
    assert table.find("m", None, None, preview=False).pin.version == default


def test_without_an_active_version_the_highest_that_is_shown_and_ready_answers() -> None:
    table = Table()
    table.set_policy("m", Policy(Specific(frozenset({1, 2, 3}))))
    put(table, 1)
    put(table, 2)
    put(table, 3, State.LOADING)
    put(table, 4)
    assert table.find("m", None, None, preview=False).pin.version == 2


def test_a_model_whose_only_versions_are_on_their_way_asks_clients_to_come_back() -> None:
    table = Table()
    table.set_policy("m", Policy(Latest(1)))
    put(table, 1, State.LOADING)
    with pytest.raises(errors.Unavailable):
        table.find("m", None, None, preview=False)


def test_latest_gives_up_the_old_version_only_when_the_new_one_is_ready() -> None:
    table = Table()
    table.set_policy("m", Policy(Latest(2)))
    put(table, 1)
    put(table, 2)
    third = put(table, 3, State.LOADING)
    assert seen(table) == [1, 2]
    assert enter(table, third) == [1]


def test_latest_keeps_what_is_active_and_what_has_a_label() -> None:
    table = Table()
    table.set_policy("m", Policy(Latest(1), {"stable": 2}))
    put(table, 1, active=True)
    put(table, 2)
    put(table, 3)
    assert enter(table, put(table, 4, State.LOADING)) == [3]
    assert seen(table) == [1, 2, 4]


def test_a_policy_that_becomes_narrower_gives_up_the_old_ones_at_once() -> None:
    table = Table()
    table.set_policy("m", Policy(All()))
    for version in (1, 2, 3):
        put(table, version)
    unused = table.set_policy("m", Policy(Latest(1), {"stable": 1}))
    assert [slot.pin.version for slot in unused] == [2]


def test_a_label_may_be_declared_before_its_version_is_there() -> None:
    table = Table()
    table.set_policy("m", Policy(labels={"canary": 8}))
    for expected in ("waits for m@8", "is loading"):
        with pytest.raises(errors.Unavailable, match=expected):
            table.find("m", None, "canary", preview=False)
        slot = table.get("m", 8) or put(table, 8, State.LOADING)
    enter(table, slot)
    assert named(table, "canary") == 8
    assert table.find("m", 8, None, preview=False) is slot


def test_a_label_in_use_moves_only_when_the_new_version_is_ready() -> None:
    table = Table()
    table.set_policy("m", Policy(labels={"stable": 7}))
    put(table, 7)
    eighth = put(table, 8, State.LOADING)
    table.set_policy("m", Policy(labels={"stable": 8}))
    assert named(table, "stable") == 7
    enter(table, eighth)
    assert named(table, "stable") == 8


def test_a_label_stays_where_it_is_when_the_new_version_is_refused() -> None:
    table = Table()
    table.set_policy("m", Policy(labels={"stable": 7}))
    put(table, 7)
    put(table, 8, State.REFUSED)
    table.set_policy("m", Policy(labels={"stable": 8}))
    assert named(table, "stable") == 7
    assert table.labels("m") == {"stable": 7}


def test_a_label_that_was_taken_away_is_unknown_and_hides_its_version_again() -> None:
    table = Table()
    table.set_policy("m", Policy(labels={"canary": 8}))
    put(table, 8)
    table.set_policy("m", Policy())
    with pytest.raises(errors.InvalidInput, match="has no label"):
        named(table, "canary")
    with pytest.raises(errors.NotFound):
        table.find("m", 8, None, preview=False)


def test_a_label_of_a_version_that_was_unloaded_leads_nowhere_and_says_so() -> None:
    table = Table()
    table.set_policy("m", Policy(labels={"canary": 8}))
    table.remove(put(table, 8))
    with pytest.raises(errors.Unavailable, match="waits for m@8"):
        named(table, "canary")


@pytest.mark.parametrize(
    ("versions", "up"),
    [
        (Active(), {1, 2, 3, 4}),
        (All(), {1, 2, 3, 4}),
        (Latest(1), {1, 2, 4}),
        (Specific(frozenset({3, 9})), {1, 2, 3}),
    ],
)
def test_what_is_brought_up_at_a_start(versions: policy.Versions, up: set[int]) -> None:
    declared = Policy(versions, {"stable": 2})
    assert policy.loaded(declared, frozenset({1, 2, 3, 4}), 1) == up


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"versions": "latest"}, "'versions' is latest"),
        ({"versions": {"latest": 0}}, "'versions' is"),
        ({"versions": {"latest": True}}, "'versions' is"),
        ({"versions": {"specific": []}}, "'versions' is"),
        ({"versions": {"specific": [0]}}, "version 0 is not allowed"),
        ({"versions": {"latest": 1, "specific": [1]}}, "'versions' is"),
        ({"labels": {"v7": 7}}, "alias 'v7' is not allowed"),
        ({"labels": {"a-b": 7}}, "alias 'a-b' is not allowed"),
        ({"labels": {"stable": "7"}}, "version '7' is not allowed"),
        ({"labels": ["stable"]}, "must be an object"),
        ({"label": {}}, "unknown field 'label'"),
    ],
)
def test_a_bad_policy_is_told_what_is_wrong(given: dict[str, Json], said: str) -> None:
    with pytest.raises(errors.InvalidInput, match="here: ") as caught:
        policy.parse(given, what="here")
    assert said in caught.value.detail


@pytest.mark.parametrize("versions", [Active(), All(), Latest(2), Specific(frozenset({1, 2}))])
def test_a_policy_is_read_as_it_was_written(
    versions: policy.Versions, runtime: Runtime, tmp_path: Path
) -> None:
    runtime.write_config()
    loaded = config.read(runtime.config)
    changed = dataclasses.replace(loaded, policies={"m": Policy(versions, {"stable": 7})})
    config.write(tmp_path / "again.json", changed)
    assert config.read(tmp_path / "again.json") == changed


def test_labels_and_policies_are_set_while_it_runs_and_survive_a_restart(
    runtime: Runtime, registry: StandIn
) -> None:
    runtime.models = [pin(registry.publish(models.onnx_digits()))]
    second = registry.publish(models.onnx_digits(shuffled=True), version=2)
    with running(runtime):
        runtime.until_state("AVAILABLE")
        canary = runtime.control("PUT", "digits/labels/canary", {"version": 2})
        assert canary.json() == {
            "versions": "active", "labels": {"canary": 2}, "leads": {"canary": None}
        }  # fmt: skip
        by_label = "/v1/models/digits/labels/canary"
        assert runtime.post(f"{by_label}:predict", BODY).status_code == 503
        load(runtime, second)
        assert runtime.until_state("AVAILABLE", version=2)["labels"] == ["canary"]
        assert runtime.post(f"{by_label}:predict", BODY).headers["plimsoll-version"] == "2"
        assert runtime.get(by_label).json()["model_version_status"][0]["version"] == "2"
        policy_now = {"versions": {"latest": 1}, "labels": {}}
        assert runtime.control("PUT", "digits/policy", policy_now).status_code == 200
        gone = runtime.post(f"{by_label}:predict", BODY)
        assert gone.json() == {"error": "Unrecognized servable version label: canary"}
        assert runtime.control("DELETE", "digits/active").status_code == 204
        runtime.stop()
        runtime.start()
        runtime.until_state("AVAILABLE", version=2)
        answer = runtime.post("/v1/models/digits:predict", BODY)
        assert answer.headers["plimsoll-version"] == "2"
        assert [item["version"] for item in runtime.get("/plimsoll/status").json()["models"]] == [2]
