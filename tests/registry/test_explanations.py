"""Explanations in the registry: taken in within bounds, the newest travels, the page draws it."""

import re
from collections.abc import Callable
from dataclasses import replace

import httpx2
import pytest

from registry.api.server import Server
from registry.core import evidence_documents as documents
from registry.core.envelope import Wanted
from registry.core.explanation import Explanation, Feature, Picture, Pictures
from registry.errors import InvalidInput
from registry.trust import sign
from registry.usecases import catalogue, evidence
from registry.usecases.access import Role
from registry.usecases.opening import Registry
from tests.core.evidenced import EXPLAINED
from tests.registry.evidencing import AT, CAROL, LAB, PEOPLE, counted, list_all, revocation
from tests.registry.publishing import Publisher
from tests.registry.test_evidence import publish_digits

CROSS = Picture(3, 16, (1.0, -0.5, 0.0, 0.02), (0.0, 1.0, 0.25, 0.0))
DRAWN = replace(EXPLAINED, pictures=Pictures("images", 2, 2, (CROSS,)))


@pytest.fixture
def digits(server: Server, alice: Publisher) -> Wanted:
    registry = server.app.state.registry
    list_all(registry.settings, alice)
    return publish_digits(registry, alice)


@pytest.fixture
def registry(server: Server) -> Registry:
    found: Registry = server.app.state.registry
    return found


@pytest.fixture
def browser(client_of: Callable[..., httpx2.Client]) -> httpx2.Client:
    """Signed in as an auditor."""
    return client_of(role=Role.AUDITOR)


def add(registry: Registry, about: Wanted, said: Explanation, at: str = AT) -> str:
    bundle = sign.sign_statement(documents.explained(about, said, at=at), PEOPLE["lab"])
    return evidence.add(registry, "digits", 1, bundle, LAB).row.statement


def test_it_is_logged_as_what_it_is_and_only_the_newest_travels(
    registry: Registry, digits: Wanted
) -> None:
    add(registry, digits, EXPLAINED)
    assert counted(registry) == ["explanation by lab"]
    entry = catalogue.latest(registry, limit=1)[0].entry
    assert (entry.kind, entry.detail["predicateType"]) == (
        "explained", "https://plimsoll.dev/explanation/v1",
    )  # fmt: skip
    add(registry, digits, replace(EXPLAINED, seed=1))
    assert counted(registry) == ["explanation by lab"]
    assert len(evidence.page(registry, "digits", 1).items) == 2


def test_what_is_out_of_bounds_is_refused(registry: Registry, digits: Wanted) -> None:
    for said, why in (
        (replace(EXPLAINED, method="tea leaves"), "not known"),
        (replace(EXPLAINED, features=(Feature("a\x1b[31m", 1.0, None),)), "cannot be printed"),
        (replace(EXPLAINED, count=1), "2 features are listed, of 1"),
        (replace(DRAWN, pictures=Pictures("x", 40, 40, (CROSS,))), "pictures of 40 × 40"),
        (replace(DRAWN, pictures=Pictures("x", 3, 3, (CROSS,))), "must be 9 numbers"),
    ):
        with pytest.raises(InvalidInput, match=why):
            add(registry, digits, said)
    assert evidence.page(registry, "digits", 1).items == []


def test_the_page_draws_what_was_signed_in_squares_of_its_own_style(
    registry: Registry, digits: Wanted, browser: httpx2.Client
) -> None:
    assert "What it answers by" not in browser.get("/models/digits/versions/1").text
    add(registry, digits, replace(DRAWN, features=(Feature("<b>age", 0.25, 0.01),), finished=False))
    text = browser.get("/models/digits/versions/1").text
    assert "What it answers by" in text
    assert "The time was over first" in text
    assert "&lt;b&gt;age" in text
    assert "<b>age" not in text
    figure = re.search(r"<figure>(.*?)</figure>", text, re.DOTALL)
    assert figure
    assert (
        'aria-label="Class 3; most speaks for it at row 1, column 1; most against it at row 1,'
        in (figure[1])
    )
    assert re.findall(r'<path class="(.*?)" d="(.*?)"/>', figure[1]) == [
        ("ink s2", "M0 1h1v1h-1z"),
        ("ink s8", "M1 0h1v1h-1z"),
        ("for s8", "M3 0h1v1h-1z"),
        ("against s4", "M4 0h1v1h-1z"),
    ]
    assert " style=" not in text


def test_its_twin_has_the_numbers_and_a_revoked_one_is_not_shown(
    registry: Registry, digits: Wanted, browser: httpx2.Client
) -> None:
    first = add(registry, digits, EXPLAINED)
    second = add(registry, digits, DRAWN)

    def twin() -> dict[str, object]:
        found = browser.get("/models/digits/versions/1", params={"format": "json"}).json()
        shown: dict[str, object] = found["explained"]
        return shown

    shown = twin()
    assert (shown["by"], shown["method"]) == ("lab", "permutation importance")
    assert shown["said"]["pictures"]["classes"][0]["effect"] == [1.0, -0.5, 0.0, 0.02]  # type: ignore[index]
    for statement, left in ((second, True), (first, False)):
        evidence.add(registry, "digits", 1, revocation(digits, "lab", of=statement), CAROL)
        assert (twin() is not None) is left


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ('verification.evidence.exists(e, e.kind == "explanation" && e.detail.finished)', True),
        (
            (
                "verification.evidence.filter(e, e.kind == 'explanation').all(e, e.detail.features"
                ".first.all(f, f.name != 'age' || f.value < 0.01))"
            ),
            False,
        ),
    ],
)
def test_policies_read_which_features_count(
    registry: Registry, digits: Wanted, browser: httpx2.Client, expression: str, holds: bool
) -> None:
    add(registry, digits, EXPLAINED)
    asked = {"model": "digits", "version": "1", "expression": expression, "format": "json"}
    found = browser.get("/policies", params=asked).json()
    assert found["tried"]["holds"] is holds
