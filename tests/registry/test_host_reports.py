"""What hosts tell of themselves: kept once, within bounds, shown to whoever may, and forgotten."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import delete, select, update

from registry.api.server import Server
from registry.core import host_report
from registry.core.scope import EVERYTHING, Scope
from registry.db import dump
from registry.db.tables_host_reports import HostReport, InstanceLog
from registry.db.tables_log import LogEntry
from registry.settings import Settings
from registry.usecases import access, erasure, host_reports, publish, reports
from registry.usecases.access import Caller, Role
from registry.usecases.host_reports import Report, Written
from registry.usecases.opening import Registry
from tests.registry.publishing import ALICE, Publisher, onnx_model, store

ROOT, LOOP = Caller(Role.ADMIN, "root"), Caller(Role.RECONCILER, "loop")
GIB = 1 << 30


@dataclass(frozen=True)
class Site:
    """One registry for all tests, and whoever calls it."""

    url: str
    registry: Registry
    alice: Publisher

    def client(self, role: Role, name: str, scope: Scope = EVERYTHING) -> httpx2.Client:
        token = access.mint_wish(self.registry, access.Wish(role, name, scope=scope), by=ROOT)
        headers = {"Authorization": f"Bearer {token}"}
        return httpx2.Client(base_url=self.url, headers=headers, timeout=60)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("registry"), listen=("127.0.0.1:0",))
    alice = Publisher()
    alice.list_in(settings.publishers_file)
    server = Server(settings)
    server.start()
    yield Site(server.addresses[0], server.app.state.registry, alice)
    server.stop()


@pytest.fixture
def served(site: Site) -> Registry:
    """With `digits` 1, deployed on two hosts that told nothing yet."""
    registry = site.registry
    with registry.database.writing() as session:
        session.execute(delete(HostReport))
        session.execute(delete(InstanceLog))
        session.commit()
    fill(registry, site.alice)
    return registry


@pytest.fixture(scope="module")
def loop(site: Site) -> Iterator[httpx2.Client]:
    with site.client(Role.RECONCILER, "loop") as client:
        yield client


@pytest.fixture(scope="module")
def auditor(site: Site) -> Iterator[httpx2.Client]:
    with site.client(Role.AUDITOR, "eve") as client:
        yield client


def fill(registry: Registry, alice: Publisher) -> None:
    """Publishing the very same again changes nothing."""
    add(registry, alice, "digits", 1)
    document: dict[str, Any] = {
        "desired": {"model": "digits", "version": 1, "digest": "sha256:" + "a" * 64},
        "hosts": [{"host": "edge-1"}, {"host": "edge-2"}],
    }
    reports.set_status(
        registry, environment="production", name="digits", document=document, by=LOOP
    )


def add(registry: Registry, alice: Publisher, model: str, version: int) -> None:
    files = {"model.onnx": onnx_model(float(version))}
    store(registry, files)
    publish.publish(registry, alice.draft(files, model=model, version=version), ALICE)


def written(*lines: str, instance: str = "i", model: str = "digits", version: int = 1) -> Written:
    return Written(instance, "production", "digits", model, version, lines)


def tell(registry: Registry, *lines: Written, host: str = "edge-1", most: int = 50) -> None:
    host_reports.tell(registry, host, Report({}, most, lines), by=LOOP)


def kept(registry: Registry) -> list[str]:
    """All lines that are kept of anything."""
    with registry.database.reading() as session:
        rows = session.scalars(select(InstanceLog).order_by(InstanceLog.host, InstanceLog.instance))
        return [line for row in rows for line in row.text.decode().split("\n")]


def body(**changed: Any) -> dict[str, Any]:
    instance = {
        "name": "plimsoll-1", "deployment": "production/digits", "model": "digits", "version": 1,
        "memoryBytes": 400 << 20, "cpus": 0.25, "memoryLimit": 512 << 20, "cpuLimit": 1.0,
        "lines": ["loading", "ready"],
    }  # fmt: skip
    whole = {
        "memoryBytes": 4 * GIB, "cpus": 4.0, "declared": {"memoryBytes": 3 * GIB, "cpus": None},
        "together": None, "unknown": "", "pageLogs": 50, "instances": [instance],
    }  # fmt: skip
    return whole | changed


def test_a_host_page_shows_what_there_is_what_may_be_taken_and_what_is(
    served: Registry, loop: httpx2.Client, auditor: httpx2.Client
) -> None:
    assert auditor.get("/hosts/edge-1?format=json").json()["resources"] is None
    assert "Nothing was told of it within the last day" in auditor.get("/hosts/edge-1").text
    assert loop.put("/v1/hosts/edge-1/report", json=body()).status_code == 204
    found = auditor.get("/hosts/edge-1?format=json").json()["resources"]
    memory, cpus = found["amounts"]
    assert (memory["held"], memory["limit"]) == (400 << 20, 512 << 20)
    assert (memory["there"], memory["forModels"]) == (4 * GIB, 3 * GIB)
    assert (cpus["held"], cpus["limit"], cpus["there"], cpus["forModels"]) == (0.25, 1, 4, None)
    assert found["instances"][0]["deployment"] == "digits"
    page = auditor.get("/hosts/edge-1").text
    assert "in use <b>400.0 MiB</b>" in page
    assert "there is <b>4.0 GiB</b>" in page


def test_what_is_not_known_of_one_instance_is_not_known_of_all(
    served: Registry, loop: httpx2.Client, auditor: httpx2.Client
) -> None:
    told = body()
    told["instances"] += [told["instances"][0] | {"name": "other", "memoryBytes": None}]
    assert loop.put("/v1/hosts/edge-1/report", json=told).status_code == 204
    memory, cpus = auditor.get("/hosts/edge-1?format=json").json()["resources"]["amounts"]
    assert (memory["held"], memory["limit"], cpus["held"]) == (None, 2 * (512 << 20), 0.5)


def test_a_deployment_page_shows_the_last_lines_and_says_who_keeps_them(
    served: Registry, loop: httpx2.Client, auditor: httpx2.Client
) -> None:
    path = "/deployments/production/digits"
    loop.put("/v1/hosts/edge-1/report", json=body())
    found = auditor.get(f"{path}?format=json").json()["lastLines"]
    assert [(one["host"], one["lines"]) for one in found["written"]] == [
        ("edge-1", ["loading", "ready"])
    ]
    assert found["silent"] == ["edge-2"]
    loop.put("/v1/hosts/edge-2/report", json=body(pageLogs=0, instances=[]))
    assert auditor.get(f"{path}?format=json").json()["lastLines"]["kept"] == ["edge-2"]
    page = auditor.get(path).text
    assert "What its runtimes write stays on edge-2." in page
    assert "page_logs = 200" in page


def test_the_next_report_replaces_the_lines_and_who_tells_none_has_none_kept(
    registry: Registry, alice: Publisher
) -> None:
    one = registry
    fill(one, alice)
    tell(one, written("a", "b"))
    tell(one, written("b", "c"), written("other", instance="j"))
    assert kept(one) == ["b", "c", "other"]
    tell(one, written("d"), most=0)
    assert kept(one) == []


def test_lines_go_with_their_version_and_none_of_an_erased_one_are_taken(
    served: Registry, site: Site
) -> None:
    reports.drop_status(served, environment="production", name="digits")
    add(served, site.alice, "digits", 2)
    tell(served, written("Ann Smith, born 1970", version=2))
    assert kept(served) == ["Ann Smith, born 1970"]
    erasure.erase(served, model="digits", version=2, reason="asked for", by=ROOT)
    assert kept(served) == []
    tell(served, written("Ann Smith, born 1970", version=2))
    assert kept(served) == []


def test_lines_of_a_version_that_nobody_published_are_not_kept(served: Registry) -> None:
    tell(served, written("x", version=7), written("y", instance="j", model="other"))
    assert kept(served) == []


def test_lines_go_with_their_deployment(served: Registry) -> None:
    tell(served, written("a"))
    reports.drop_status(served, environment="production", name="digits")
    assert kept(served) == []


def test_what_was_not_told_again_within_a_day_is_not_shown_and_then_forgotten(
    served: Registry,
) -> None:
    tell(served, written("old"), host="edge-2")
    day = timedelta(seconds=host_report.KEPT_S + 1)
    with served.database.writing() as session:
        session.execute(update(HostReport).values(reported_at=datetime.now(UTC) - day))
        session.execute(update(InstanceLog).values(written_at=datetime.now(UTC) - day))
        session.commit()
    assert host_reports.of_host(served, "edge-2") is None
    found = host_reports.of_deployment(served, "production", "digits", ["edge-2"], ROOT)
    assert (found.told, list(found.written)) == ({}, [])
    tell(served, written("new"))
    assert kept(served) == ["new"]


def test_an_instance_that_writes_without_end_has_its_last_lines_kept(served: Registry) -> None:
    tell(served, written(*(f"{number:0999}" for number in range(100))))
    lines = kept(served)
    assert lines[-1] == f"{99:0999}"
    assert len(lines) == host_report.INSTANCE_BYTES // 1000


def test_a_deployment_has_its_bound_on_a_host_and_over_all_hosts(
    served: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_report, "DEPLOYMENT_BYTES", 1000)
    monkeypatch.setattr(host_report, "FLEET_BYTES", 1500)
    tell(served, written("a" * 700), written("b" * 700, instance="j"))
    assert [line[:1] for line in kept(served)] == ["a", ""]
    tell(served, written("c" * 700), host="edge-2")
    tell(served, written("d" * 700), host="edge-3")
    assert [line[:1] for line in kept(served)] == ["a", "", "c", ""]


def test_neither_lines_nor_numbers_are_in_a_backup_or_in_the_log(served: Registry) -> None:
    tell(served, written("secret-looking line"))
    assert not {"host_reports", "instance_logs"} & set(dump.tables())
    assert b"secret-looking" not in b"".join(leaves(served))


def leaves(registry: Registry) -> list[bytes]:
    with registry.database.reading() as session:
        return list(session.scalars(select(LogEntry.leaf)))


def test_an_agent_tells_of_its_own_host_only(served: Registry, site: Site) -> None:
    path = "/v1/hosts/{}/report"
    with site.client(Role.AGENT, "edge-1") as agent:
        assert agent.put(path.format("edge-1"), json=body()).status_code == 204
        assert agent.put(path.format("edge-2"), json=body()).status_code == 403
    for role in (Role.PUBLISHER, Role.HOST, Role.AUDITOR, Role.OPERATOR):
        with site.client(role, "edge-1") as client:
            assert client.put(path.format("edge-1"), json=body()).status_code == 403, role


def test_who_may_not_read_the_deployment_sees_no_line_of_it(served: Registry, site: Site) -> None:
    path = "/deployments/production/digits"
    tell(served, written("for few eyes"))
    for models, status in (("fraud*", 403), ("dig*", 200)):
        with site.client(Role.AUDITOR, "eve", Scope(models=(models,))) as client:
            for form in ("", "?format=json"):
                answer = client.get(f"{path}{form}")
                assert answer.status_code == status
                assert ("for few eyes" in answer.text) == (status == 200)
    assert httpx2.get(f"{site.url}{path}").status_code in {303, 401}


def test_of_another_model_that_served_before_only_its_own_readers_see_lines(
    served: Registry, site: Site
) -> None:
    add(served, site.alice, "fraud", 1)
    tell(served, written("ours"), written("theirs", instance="j", model="fraud"))
    limited = Caller(Role.AUDITOR, "eve", Scope(models=("dig*",)))
    for by, expected in ((limited, {"ours"}), (ROOT, {"ours", "theirs"})):
        found = host_reports.of_deployment(served, "production", "digits", ["edge-1"], by)
        assert {line for one in found.written for line in one.lines} == expected


@pytest.mark.parametrize(
    ("name", "line", "shown"),
    [
        ("a script", "<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("an end of the element", "</pre><h1>x</h1>", "&lt;/pre&gt;&lt;h1&gt;x&lt;/h1&gt;"),
        ("an attribute", '" onload="x', "&#34; onload=&#34;x"),
        ("a colour", "\x1b[31mred", "\ufffd[31mred"),
        ("a title for a terminal", "\x1b]0;x\x07", "\ufffd]0;x\ufffd"),
        ("another direction", "a\u202eb", "a\ufffdb"),
        ("nothing at all", "a\x00b", "a\ufffdb"),
        ("a template", "{{ caller.name }}", "{{ caller.name }}"),
        ("half a character", "a\ud800b", "a?b"),
    ],
)
def test_whatever_a_line_is_a_page_shows_it_as_text(
    served: Registry, auditor: httpx2.Client, name: str, line: str, shown: str
) -> None:
    tell(served, written("before", line, "after"))
    page = auditor.get("/deployments/production/digits")
    assert page.status_code == 200, name
    assert f"before\n{shown}\nafter</pre>" in page.text
    assert "script-src" not in page.headers["content-security-policy"]
    assert "default-src 'self'" in page.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("bytes_below_zero", {"memoryBytes": -1}),
        ("bytes_beyond_a_column", {"memoryBytes": 2**63}),
        ("cores_as_text", {"cpus": "4"}),
        ("more_lines_than_there_may_be", {"pageLogs": host_report.LINES + 1}),
        ("a_misspelt_field", {"memory": 1}),
        ("a_deployment_without_environment", {"deployment": "digits"}),
        ("a_deployment_with_three_parts", {"deployment": "a/b/c"}),
        ("a_line_too_long", {"lines": ["x" * (host_report.LINE + 1)]}),
        ("a_line_that_is_none", {"lines": [7]}),
        ("too_many_lines", {"lines": ["x"] * (host_report.LINES + 1)}),
        ("a_version_below_zero", {"version": -1}),
    ],
)
def test_a_report_that_is_none_is_refused_whole(
    served: Registry, loop: httpx2.Client, name: str, wrong: dict[str, Any]
) -> None:
    told = body()
    of_instance = wrong.keys() <= told["instances"][0].keys() - told.keys()
    (told["instances"][0] if of_instance else told).update(wrong)
    assert loop.put("/v1/hosts/edge-1/report", json=told).status_code == 422, name
    assert host_reports.of_host(served, "edge-1") is None


def test_not_a_number_and_too_many_instances_are_refused(
    served: Registry, loop: httpx2.Client
) -> None:
    told = body()
    told["instances"] *= host_report.INSTANCES + 1
    assert loop.put("/v1/hosts/edge-1/report", json=told).status_code == 422
    raw = '{"cpus": NaN}'
    answer = loop.put(
        "/v1/hosts/edge-1/report", content=raw, headers={"content-type": "application/json"}
    )
    assert answer.status_code == 422


def test_a_report_that_is_shown_broken_is_shown_as_not_known(
    served: Registry, auditor: httpx2.Client
) -> None:
    odd: dict[str, Any] = {"memoryBytes": "much", "instances": [5, {"deployment": 7}], "cpus": []}
    host_reports.tell(served, "edge-1", Report(odd, 0), by=LOOP)
    page = auditor.get("/hosts/edge-1")
    assert page.status_code == 200
    assert "in use <b>not known</b>" in page.text
