"""A report of a host: rates of two looks, bounded lines without secrets, and nothing made up."""

from dataclasses import replace
from typing import cast

from reconciler.core import hostreport, kinds, usage
from reconciler.core.hostreport import Seen
from reconciler.core.observed import Health, HostState, Instance, InstanceSpec, Phase
from reconciler.core.usage import Resources, Taken, Usage
from registry.core import host_report
from registry.core.canonical import Json

HOST = kinds.Host.model_validate(
    {
        "apiVersion": "plimsoll.dev/v1",
        "kind": "Host",
        "metadata": {"name": "edge-1"},
        "spec": {
            "engine": {"address": "unix:///var/run/docker.sock"},
            "ingress": {"port": 8501},
            "capacity": {"memory": "2Gi"},
        },
    }
)
USED = Usage(memory_bytes=5, cpu_seconds=10.0, memory_limit=8, cpu_limit=1.0)


def instance(name: str, health: Health = Health.HEALTHY) -> Instance:
    spec = InstanceSpec(
        "edge-1", "a/b", "m", 1, "sha256:" + "0" * 64, "onnx", "i", 1 << 20, 1.0, ""
    )
    return replace(Instance.of(spec, Phase.RUNNING, health), name=name)


def state(*instances: Instance) -> HostState:
    return HostState("edge-1", instances, (), ingress_ready=True)


def told(
    seen: Seen, *instances: Instance, before: Seen | None = None, page_logs: int = 100
) -> dict[str, Json]:
    return hostreport.document(state(*instances), HOST, seen, before, page_logs=page_logs)


def lines(document: dict[str, Json]) -> dict[str, list[str]]:
    listed = document["instances"]
    assert isinstance(listed, list)
    found = [one for one in listed if isinstance(one, dict)]
    return {str(one["name"]): cast("list[str]", one["lines"]) for one in found}


def test_cores_are_what_was_taken_between_two_looks() -> None:
    assert usage.cores(Taken(0, 10), Taken(60, 40)) == 0.5
    assert usage.cores(None, Taken(60, 40)) is None
    assert usage.cores(Taken(0, 10), None) is None
    assert usage.cores(Taken(0, 10), Taken(0, 10)) is None
    assert usage.cores(Taken(0, 10), Taken(60, 2)) is None  # it began anew


def test_a_report_has_what_there_is_and_rates_since_the_look_before() -> None:
    first = Seen.at(100.0, Resources(1 << 30, 4.0, {"i": USED}), {})
    second = Seen.at(160.0, Resources(1 << 30, 4.0, {"i": replace(USED, cpu_seconds=25.0)}), {})
    once, again = told(first, instance("i")), told(second, instance("i"), before=first)
    assert (again["memoryBytes"], again["cpus"]) == (1 << 30, 4.0)
    assert again["declared"] == {"memoryBytes": 2 << 30, "cpus": None}
    assert host_report.total(once, "cpus") is None
    assert host_report.total(again, "cpus") == 0.25
    assert host_report.total(again, "memoryLimit") == 8


def test_what_shares_a_process_is_counted_once() -> None:
    asked = replace(USED, memory_bytes=None, cpu_seconds=None)
    found = Resources(None, None, {"i": asked, "j": asked}, Usage(70, 1.0), "one process")
    document = told(Seen.at(0.0, found, {}), instance("i"), instance("j"))
    assert host_report.total(document, "memoryBytes") == 70
    assert host_report.total(document, "memoryLimit") == 16
    assert document["unknown"] == "one process"


def test_an_instance_that_no_engine_counted_is_unknown_and_not_zero() -> None:
    document = told(Seen.at(0.0, Resources(1, 1.0, {}), {}), instance("i"))
    assert host_report.total(document, "memoryBytes") is None
    assert host_report.total(told(Seen.at(0.0, Resources(), {})), "memoryBytes") == 0


def test_lines_leave_without_secrets_and_not_at_all_where_nobody_wished_so() -> None:
    seen = Seen.at(0.0, Resources(), {"i": ["Authorization: Bearer abcdefgh.ijkl", "ready"]})
    assert lines(told(seen, instance("i")))["i"] == ["Authorization: Bearer (hidden)", "ready"]
    assert lines(told(seen, instance("i"), page_logs=0))["i"] == []


def test_who_is_not_well_has_room_first_and_everybody_their_last_lines() -> None:
    much = [f"{number:0999}" for number in range(200)]
    seen = Seen.at(0.0, Resources(), dict.fromkeys(("i", "j", "sick"), much))
    found = lines(told(seen, instance("i"), instance("j"), instance("sick", Health.UNHEALTHY)))
    each = host_report.INSTANCE_BYTES // 1000
    assert found["sick"] == much[-each:]
    assert len(found["i"]) == each
    assert len(found["j"]) <= 1
    spent = sum(host_report.size(line) for of in found.values() for line in of)
    assert spent <= host_report.DEPLOYMENT_BYTES


def test_an_instance_that_comes_goes_or_does_otherwise_is_news() -> None:
    one = hostreport.signature(state(instance("i")))
    assert one == hostreport.signature(state(replace(instance("i"), commit="other")))
    assert one != hostreport.signature(state(instance("i", Health.UNHEALTHY)))
    assert one != hostreport.signature(state(replace(instance("i"), phase=Phase.EXITED)))
    assert one != hostreport.signature(state())
