"""What Traefik alone does: it counts for Prometheus, and copies what is known to be short."""

import contextlib
import http.client
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from reconciler.core.observed import Route, Share
from reconciler.engines import commands, traefik, wire
from tests.engines import fronts
from tests.engines.rigs import free_port


class Measured(fronts.Traefik):
    """With a door for Prometheus."""

    def __init__(self) -> None:
        self.port = free_port()

    def command(self, file: Path, front: int, preview: int) -> list[str]:
        doors = [one.replace(":8082", f"127.0.0.1:{self.port}") for one in traefik.METRICS]
        return [*super().command(file, front, preview), *doors]


def test_answers_are_counted_for_each_instance_and_copies_apart(tmp_path: Path) -> None:
    kind = Measured()
    with fronts.running(kind, tmp_path) as front:
        stable, candidate = front.instance("one"), front.instance("two")
        share = Share(candidate.name, weight=25, mirror=50)
        front.tell(Route(fronts.MODEL, "production/digits", stable.name, share))
        assert front.answers(40) == {stable.name: 30, candidate.name: 10}
        # It counts what it has answered a moment after the answer.
        assert wire.until(lambda: _asked(_counts(kind.port)) == 40, timeout=60)
        assert wire.until(lambda: "copies-plimsoll-two@file" in _counts(kind.port), timeout=60)
        found = _counts(kind.port)
    assert found["plimsoll-one@file"] == 30
    assert found["plimsoll-two@file"] == 10
    assert 0 < found["copies-plimsoll-two@file"] <= 20


def test_a_request_of_unknown_length_passes_as_it_comes_and_is_not_copied(tmp_path: Path) -> None:
    with fronts.running(fronts.Traefik(), tmp_path) as front:
        stable, candidate = front.instance("one"), front.instance("two")
        share = Share(candidate.name, mirror=100)
        front.tell(Route(fronts.MODEL, "production/digits", stable.name, share))
        link = http.client.HTTPConnection("127.0.0.1", front.port, timeout=30)
        with contextlib.closing(link):
            link.request("POST", f"/v1/models/{fronts.MODEL}:predict", body=iter([b"{", b"}"]))
            assert link.getresponse().headers["answered-by"] == stable.name
        assert front.ask(body=b"[]").status == 200
        assert wire.until(lambda: len(candidate.seen) > 0, timeout=60)
        assert candidate.seen == [b"[]"]


def test_the_door_for_prometheus_is_published_where_the_host_names_its_port() -> None:
    plain = commands.IngressSpec(host="edge-1", image="traefik:v3.7", port=18080)
    measured = commands.IngressSpec(
        host="edge-1", image="traefik:v3.7", port=18080, metrics_port=9100, arguments=("--x",)
    )
    body = commands.ingress_container(measured, ["--y"])
    assert body["HostConfig"]["PortBindings"]["8082/tcp"] == [
        {"HostIp": plain.bind, "HostPort": "9100"}
    ]
    assert body["Cmd"] == ["--y", "--x"]
    assert "8082/tcp" not in commands.ingress_container(plain, [])["ExposedPorts"]


def _asked(counts: dict[str, float]) -> float:
    """By clients, and not for copies."""
    return sum(counts.get(f"plimsoll-{name}@file", 0) for name in ("one", "two"))


def _counts(port: int) -> dict[str, float]:
    page = wire.ask(f"http://127.0.0.1:{port}/metrics", timeout=60).body.decode()
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            if (
                sample.name == "traefik_service_requests_total"
                and sample.labels["method"] == "POST"
            ):
                name = sample.labels["service"]
                found[name] = found.get(name, 0) + sample.value
    return found
