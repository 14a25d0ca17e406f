"""What became of the versions that a deployment was asked to serve."""

from registry.core import history
from registry.core.entries import Entry, Kind
from registry.core.history import Outcome

OLD, NEW = "a" * 40, "b" * 40


def told(*said: tuple[Kind, int, str, str]) -> list[history.Asked]:
    """Entries a second apart: (kind, version, commit, reason), on edge-1."""
    entries = [
        Entry(
            time=f"2026-11-29T09:00:{number:02}.000Z",
            kind=kind,
            actor="reconciler:main",
            model="digits" if version else "",
            version=version,
            digest=f"sha256:{version}" if version else "",
            host="edge-1",
            deployment="production/digits",
            commit=commit,
            reason=reason,
            detail={"signer": "person-1"} if kind is Kind.COMMIT_VERIFIED else {},
        )
        for number, (kind, version, commit, reason) in enumerate(said)
    ]
    return history.of(enumerate(entries))


FIRST = ((Kind.STARTING, 1, OLD, ""), (Kind.STARTED, 1, OLD, ""), (Kind.DEPLOYED, 1, OLD, ""))


def test_a_version_that_serves_gives_way_to_the_next() -> None:
    first, second = told(*FIRST, (Kind.STARTING, 2, NEW, ""), (Kind.DEPLOYED, 2, NEW, ""))
    assert (first.outcome, first.seconds) == (Outcome.REPLACED, 2.0)
    assert (second.outcome, second.commit, second.hosts) == (Outcome.SERVING, NEW, {"edge-1"})


def test_a_quarantined_version_says_why_and_the_former_serves_again() -> None:
    first, second = told(
        *FIRST,
        (Kind.STARTING, 2, NEW, ""),
        (Kind.TESTED, 2, NEW, "accuracy 0.81"),
        (Kind.QUARANTINED, 2, NEW, "accuracy 0.81"),
        (Kind.ROLLED_BACK, 1, OLD, "version 2 is quarantined"),
    )
    assert first.outcome is Outcome.SERVING
    assert (second.outcome, second.reason) == (Outcome.QUARANTINED, "accuracy 0.81")


def test_a_repair_of_what_serves_meanwhile_was_not_asked_for() -> None:
    found = told(
        *FIRST,
        (Kind.STARTING, 2, NEW, ""),
        (Kind.STARTING, 1, OLD, "it was gone"),
        (Kind.DEPLOYED, 1, OLD, ""),
        (Kind.DEPLOYED, 2, NEW, ""),
    )
    assert [(one.version, one.outcome) for one in found] == [
        (1, Outcome.REPLACED),
        (2, Outcome.SERVING),
    ]


def test_going_back_through_git_is_asked_for() -> None:
    found = told(*FIRST, (Kind.STARTING, 2, NEW, ""), (Kind.STARTING, 1, "c" * 40, ""))
    assert [(one.version, one.outcome) for one in found] == [
        (1, Outcome.REPLACED),
        (2, Outcome.SUPERSEDED),
        (1, Outcome.UNDER_WAY),
    ]
    assert found[-1].seconds is None


def test_a_retry_after_quarantine_is_a_line_of_its_own() -> None:
    found = told(
        (Kind.STARTING, 1, OLD, ""), (Kind.QUARANTINED, 1, OLD, "down"), (Kind.STARTING, 1, OLD, "")
    )
    assert [one.outcome for one in found] == [Outcome.QUARANTINED, Outcome.UNDER_WAY]


def test_what_is_refused_may_be_allowed_later() -> None:
    (refused,) = told((Kind.REFUSED, 1, OLD, "no approval"))
    assert (refused.outcome, refused.reason) == (Outcome.REFUSED, "no approval")
    (later,) = told((Kind.REFUSED, 1, OLD, "no approval"), *FIRST)
    assert (later.outcome, later.reason) == (Outcome.SERVING, "")


def test_who_signed_the_commit_is_told_though_another_entry_says_it() -> None:
    (one,) = told((Kind.COMMIT_VERIFIED, 0, OLD, ""), *FIRST)
    assert one.by == "person-1"


def test_a_kind_of_a_newer_release_is_passed_over() -> None:
    assert history.entry_of({"kind": "teleported", "time": "2026", "actor": "x"}) is None
