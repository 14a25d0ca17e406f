"""What monitoring stands on: metrics as documented, and alerts and dashboards that ask for them."""

import json
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from wsgiref.simple_server import WSGIServer

import httpx2
import pytest
from prometheus_client import CollectorRegistry, generate_latest, start_http_server

from reconciler import metrics as reconciling
from registry.api.metrics import Metrics as RegistryMetrics
from registry.usecases.opening import Registry
from runtime.metrics import Metrics as RuntimeMetrics
from runtime.table import Table
from tests.reconciler.measuring import real

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yaml"
DASHBOARDS = sorted((ROOT / "deploy" / "grafana").glob("*.json"))
PAGE = (ROOT / "docs" / "monitoring.md").read_text()
_NAME = re.compile(r"\bplimsoll_[a-z_]+")


def shown(page: bytes) -> set[str]:
    """The names that Prometheus finds, with a histogram's own name for its three."""
    found = re.findall(r"^# TYPE (plimsoll_\w+) \w+$", page.decode(), re.MULTILINE)
    return {name for name in found if not name.endswith("_created")}


@pytest.fixture(scope="module")
def known() -> set[str]:
    """Of reconciler, agent and runtime."""
    counted = reconciling.Metrics()
    reconciling.AgentMetrics(counted.registry)
    reconciling.Standings(counted.registry)
    reconciling.Hosts(counted.registry)
    return shown(generate_latest(counted.registry)) | shown(RuntimeMetrics(Table()).own())


def documented() -> set[str]:
    rows = [line for line in PAGE.splitlines() if line.startswith("| `plimsoll_")]
    return {name for row in rows for name in _NAME.findall(row.split("|")[1])}


def test_every_metric_is_documented_and_every_documented_one_is_there(
    known: set[str], registry: Registry
) -> None:
    of_registry = shown(generate_latest(RegistryMetrics(registry).collected))
    assert documented() == known | of_registry


@pytest.mark.parametrize("file", [ALERTS, *DASHBOARDS], ids=lambda path: path.name)
def test_alerts_and_dashboards_ask_for_metrics_that_there_are(file: Path) -> None:
    text = file.read_text()
    asked = {re.sub(r"_(bucket|count|sum)$", "", name) for name in _NAME.findall(text)}
    assert asked
    assert asked <= documented() | {re.sub(r"_(bucket|count|sum)$", "", n) for n in documented()}


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda path: path.name)
def test_a_dashboard_lets_one_choose_where_its_numbers_come_from(file: Path) -> None:
    dashboard = json.loads(file.read_text())
    sources = {panel["datasource"]["uid"] for panel in dashboard["panels"]}
    places = [tuple(panel["gridPos"][side] for side in "xywh") for panel in dashboard["panels"]]
    assert sources == {"${source}"}
    assert all(x + width <= 24 for x, _, width, _ in places)
    assert len({(x, y) for x, y, _, _ in places}) == len(places)


def test_the_alerts_ring_when_they_should_and_not_before() -> None:
    """By Prometheus' own tool, over series of the tests beside the rules."""
    for command in (["check", "config", "--syntax-only", "prometheus.yaml"],
                    ["test", "rules", "alerts_test.yaml"]):  # fmt: skip
        done = subprocess.run(
            ["promtool", *command], cwd=ALERTS.parent, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_says_what_to_do() -> None:
    named = re.findall(r"- alert: (\w+)", ALERTS.read_text())
    rows = {name for line in PAGE.splitlines() if line.startswith("| `Plimsoll")
            for name in re.findall(r"`(Plimsoll\w+)`", line.split("|")[1])}  # fmt: skip
    assert rows == set(named)
    assert f"{_spelled(len(named))} alerts" in PAGE


def test_a_real_prometheus_takes_the_alerts_up(tmp_path: Path) -> None:
    """And rings at once for a version that may not run."""
    counted = CollectorRegistry()
    words = {"sync": "Synced", "health": "Healthy", "trust": "Refused"}
    standing = {name: {"status": word} for name, word in words.items()}
    reconciling.Standings(counted).show("production/digits", standing)
    server, thread = start_http_server(0, "127.0.0.1", registry=counted)
    with (
        closing_server(server, thread),
        real.prometheus(tmp_path, scraping=server.server_port, rules=ALERTS) as found,
    ):
        answer = httpx2.get(
            f"{found.url}/api/v1/rules",
            verify=real.believing(found.ca),
            trust_env=False,
            timeout=60,
        )
        groups = answer.json()["data"]["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        assert len(rules) == ALERTS.read_text().count("- alert:")
        assert {rule["health"] for rule in rules} <= {"ok", "unknown"}
        ringing = 'ALERTS{alertname="PlimsollVersionNotTrusted",deployment="digits"}'
        real.until(lambda: found.value(ringing) == 1.0, what=lambda: str(rules), seconds=60)
        assert found.value('ALERTS{alertname="PlimsollDeploymentDegraded"}') is None


@contextmanager
def closing_server(server: WSGIServer, thread: threading.Thread) -> Iterator[None]:
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def _spelled(count: int) -> str:
    return {16: "sixteen", 17: "seventeen", 18: "eighteen"}.get(count, str(count))
