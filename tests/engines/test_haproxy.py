"""What HAProxy alone does: it counts for Prometheus in words of its own."""

from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from reconciler.core.observed import Route, Share
from reconciler.engines import wire
from tests.engines import fronts


def test_answers_are_counted_for_each_instance(tmp_path: Path) -> None:
    kind = fronts.HAProxy()
    with fronts.running(kind, tmp_path) as front:
        stable, candidate = front.instance("one"), front.instance("two")
        share = Share(candidate.name, weight=25)
        front.tell(Route(fronts.MODEL, "production/digits", stable.name, share))
        process = front.process
        assert process is not None
        # While there are two, each counts for itself.
        assert wire.until(lambda: len(fronts.workers(process)) == 1, timeout=60)
        before = _answered(kind.metrics)
        assert front.answers(40) == {stable.name: 30, candidate.name: 10}
        after = _answered(kind.metrics)
    assert after[stable.name] - before[stable.name] == 30
    assert after[candidate.name] - before[candidate.name] == 10


def _answered(port: int) -> dict[str, float]:
    page = wire.ask(f"http://127.0.0.1:{port}/metrics", timeout=60).body.decode()
    return {
        sample.labels["server"]: sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == "haproxy_server_http_responses_total"
        and (sample.labels["proxy"], sample.labels["code"]) == ("model-digits", "2xx")
    }
