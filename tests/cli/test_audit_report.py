"""`audit report`: one file for people, which nothing in the log can turn into something else."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from registry.core import canonical
from registry.core.entries import Entry, Kind
from tests.cli.conftest import run
from tests.core import audited, audited_fleet
from tests.core.audited import Story

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>&{{ 7*7 }}"


@pytest.fixture(autouse=True)
def _nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "trust.json").write_bytes(canonical.encode(audited.TRUST.document()))
    monkeypatch.setenv("PLIMSOLL_TRUST", str(tmp_path / "trust.json"))
    monkeypatch.setenv("PLIMSOLL_SERVER", "http://127.0.0.1:1")


def report(story: Story, folder: Path, deployment: str = "production/fraud") -> str:
    bundle, out = folder / "bundle.tar", folder / "report.html"
    bundle.write_bytes(audited.packed(story.members()))
    done = run("audit", "report", deployment, "--bundle", bundle, "--out", out)
    assert done.code == 0, done.err
    return out.read_text()


class _Tags(HTMLParser):
    """Every tag with its attributes, as a browser would see them."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def tags(page: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = _Tags()
    parser.feed(page)
    return parser.found


def test_a_report_says_who_what_when_where_and_why(tmp_path: Path) -> None:
    page = report(audited_fleet.fleet(), tmp_path)
    assert "The whole log was checked, and it is intact." in page
    assert "bob, 2026-11-01 08:30:01" in page
    assert "error rate 12 % over 2 %" in page
    for host in audited_fleet.HOSTS:
        assert f">{host}<" in page
    assert re.search(r"<code>4{40}</code>", page)
    assert audited_fleet.fleet().checkpoint() in page


def test_the_same_log_gives_the_same_report(tmp_path: Path) -> None:
    story = audited_fleet.fleet()
    assert report(story, tmp_path) == report(story, tmp_path)


def test_a_report_needs_nothing_but_itself(tmp_path: Path) -> None:
    page = report(audited_fleet.fleet(), tmp_path)
    assert not [tag for tag, _ in tags(page) if tag in {"script", "link", "img", "iframe", "a"}]
    assert "url(" not in page
    assert "@import" not in page
    policy = next(dict(kept) for tag, kept in tags(page) if tag == "meta" and "http-equiv" in kept)
    assert policy["content"] == "default-src 'none'; style-src 'unsafe-inline'"


@pytest.mark.parametrize("field", ["reason", "host", "commit", "actor", "model"])
def test_a_hostile_name_stays_a_name(tmp_path: Path, field: str) -> None:
    told = audited.event(Kind.DEPLOYED, 1, 1)
    values = {name: getattr(told, name) for name in Entry.__slots__}
    page = report(Story((Entry(**values | {field: HOSTILE}),)), tmp_path, "production/digits")
    plain = report(Story((told,)), tmp_path, "production/digits")
    assert [tag for tag, _ in tags(page)] == [tag for tag, _ in tags(plain)]
    assert not [kept for _, kept in tags(page) if any(name.startswith("on") for name in kept)]
    assert "{{ 7*7 }}" in page


def test_a_hostile_deployment_is_a_title_and_no_more(tmp_path: Path) -> None:
    told = replace(audited.event(Kind.DEPLOYED, 1, 1), deployment=f"production/{HOSTILE}")
    page = report(Story((told,)), tmp_path, told.deployment)
    assert "<script" not in page


def test_times_that_are_none_are_drawn_in_the_order_of_the_log(tmp_path: Path) -> None:
    story = Story(
        tuple(
            replace(audited.event(Kind.DEPLOYED, version, 1), time="whenever")
            for version in (1, 2, 3)
        )
    )
    page = report(story, tmp_path, "production/digits")
    places = [float(x) for x in re.findall(r'<rect class="k\d" x="([\d.]+)"', page)]
    assert places == sorted(set(places))
    assert len(places) == 3


def test_a_deployment_of_which_the_log_says_nothing_is_named(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.tar"
    bundle.write_bytes(audited.packed(audited_fleet.fleet().members()))
    done = run("audit", "report", "a/b", "--bundle", bundle, "--out", tmp_path / "r.html")
    assert done.code == 1
    assert "the log says nothing of a deployment 'a/b'" in done.err
    assert not (tmp_path / "r.html").exists()
