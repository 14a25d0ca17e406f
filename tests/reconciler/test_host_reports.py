"""What a reconciler tells of its hosts, beside its rounds: seldom, at once on a change, bounded."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler import config
from reconciler.leases import Fenced
from registry import errors
from registry.core.identity import Caller, Role
from registry.usecases import host_reports
from registry.usecases.host_reports import Known
from tests.reconciler.simulated import SimulatedEngine
from tests.reconciler.town import Town, town
from tests.registry.publishing import Publisher

ROOT = Caller(Role.ADMIN, "root")


@pytest.fixture
def telling(tmp_path: Path) -> Iterator[Town]:
    """A town whose reconciler tells lines, with version 1 on edge-1."""
    alice = Publisher()
    with town(tmp_path, alice, "page_logs = 5\n") as made:
        made.publish(1, alice)
        made.deploy(1)
        made.settle()
        yield made


def until(found: Callable[[], Any], *, within_s: float = 60) -> Any:
    """What `found` gives once it is something."""
    end = time.monotonic() + within_s
    while not (value := found()):
        assert time.monotonic() < end, "nothing came"
        time.sleep(0.05)
    return value


def known(made: Town, host: str) -> Known | None:
    return host_reports.of_host(made.server.app.state.registry, host)


def instances(made: Town, host: str = "edge-1") -> list[Any]:
    found = known(made, host)
    listed = found.document["instances"] if found else []
    assert isinstance(listed, list)
    return listed


def lines(made: Town) -> list[str]:
    registry = made.server.app.state.registry
    found = host_reports.of_deployment(registry, "production", "digits", ["edge-1"], ROOT)
    return [line for one in found.written for line in one.lines]


def test_what_a_host_has_and_holds_and_writes_is_told_and_then_what_changed(
    telling: Town,
) -> None:
    (told,) = until(lambda: instances(telling))
    assert (told["model"], told["version"]) == ("digits", 1)
    assert told["memoryBytes"] * 2 == told["memoryLimit"] == 512 << 20
    has = until(lambda: known(telling, "edge-2"))
    assert (has.document["memoryBytes"], has.document["instances"]) == (8 << 30, [])
    host = telling.hosts["edge-1"]
    name = told["name"]
    host.written[name] = "".join(f"{number}\n" for number in range(9)) + "token=abc\ndied\n"
    host.kill(name)
    telling.rounds(2)
    assert until(lambda: lines(telling)[-1:] == ["died"])
    assert lines(telling) == ["6", "7", "8", "token=(hidden)", "died"]


def test_lines_stay_on_the_host_where_nobody_wished_otherwise_and_a_no_is_asked_again(
    tmp_path: Path,
) -> None:
    alice = Publisher()
    with town(tmp_path, alice) as made:
        faults = made.hosts["edge-1"].faults
        faults["resources"] = errors.EngineRefused("not now", fix="wait")
        made.rounds(2)
        until(lambda: not faults)  # a host that is told of in vain, before anything happens there
        made.publish(1, alice)
        made.deploy(1)
        made.settle()
        assert made.serving() is not None
        assert until(lambda: instances(made))
        assert lines(made) == []
        registry = made.server.app.state.registry
        asked = host_reports.of_deployment(registry, "production", "digits", ["edge-1"], ROOT)
        assert asked.told == {"edge-1": 0}


def test_asking_what_a_host_has_needs_no_lease() -> None:
    def refuse() -> None:
        raise errors.Conflict("not ours")

    engine: Any = Fenced(SimulatedEngine("edge-1"), refuse)
    assert engine.resources().cpus == 4


@pytest.mark.parametrize("lines", ["-1", "1001", '"many"', "true"])
def test_more_lines_than_are_kept_are_not_asked_for(tmp_path: Path, lines: str) -> None:
    file = tmp_path / "plimsoll.toml"
    file.write_text(f'[reconciler]\nrepository = "x"\npage_logs = {lines}\n')
    with pytest.raises(errors.InvalidConfig, match="page_logs"):
        config.load(file)
