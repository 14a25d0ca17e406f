"""A fleet's month, as a story: three hosts, four versions, one that failed and was rolled back."""

from datetime import UTC, datetime, timedelta

from registry.core.entries import Entry, Kind
from tests.core.audited import Story

BEGIN = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
HOSTS = ("edge-1", "edge-2", "edge-3")


def fleet() -> Story:
    """Versions 1 and 2 served, 3 was refused by its test on edge-1, 4 is on its way."""
    story = Story()
    for version in (1, 2, 3, 4):
        story = story.published("fraud", version, files=2)
    story = story.approved("fraud", 2).approved("fraud", 4)
    told = [*_rollout(story, 1, day=1), *_rollout(story, 2, day=8)]
    told += [
        _entry(story, Kind.STARTED, 3, 15.0, "edge-1", "commit 3 wants version 3"),
        _entry(story, Kind.TESTED, 3, 15.01, "edge-1", "all acceptance tests passed", passed=True),
        _entry(story, Kind.DEPLOYING, 3, 15.02, "edge-1", "commit 3 wants version 3"),
        _entry(story, Kind.DEPLOYED, 3, 15.03, "edge-1", "commit 3 wants version 3"),
        _entry(story, Kind.QUARANTINED, 3, 16.5, "edge-1", "error rate 12 % over 2 %"),
        _entry(story, Kind.ROLLED_BACK, 2, 16.6, "edge-1", "error rate 12 % over 2 %"),
        _entry(story, Kind.REVERT_PUSHED, 3, 16.7, "edge-1", "revert of commit 3 proposed"),
    ]
    told += _rollout(story, 4, day=22)[:-2]
    return story.then(*told)


def _rollout(story: Story, version: int, *, day: float) -> list[Entry]:
    reason = f"commit {version} wants version {version}"
    found: list[Entry] = []
    for number, host in enumerate(HOSTS):
        at = day + number * 0.4
        found += [
            _entry(story, Kind.VERIFIED, version, at, host, "", actor=f"host:{host}"),
            _entry(story, Kind.STARTED, version, at + 0.01, host, reason),
            _entry(
                story, Kind.TESTED, version, at + 0.02, host,
                "all acceptance tests passed", passed=True,
            ),
            _entry(story, Kind.DEPLOYING, version, at + 0.03, host, reason),
            _entry(story, Kind.DEPLOYED, version, at + 0.3, host, reason),
        ]  # fmt: skip
    return found


def _entry(  # noqa: PLR0913  the fields of an entry
    story: Story,
    kind: Kind,
    version: int,
    day: float,
    host: str,
    reason: str,
    *,
    actor: str = "reconciler:main",
    passed: bool | None = None,
) -> Entry:
    at = BEGIN + timedelta(days=day)
    return Entry(
        time=at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        kind=kind,
        actor=actor,
        model="fraud",
        version=version,
        digest=story.digest(version),
        host=host,
        deployment="production/fraud",
        commit=f"{version}" * 40,
        reason=reason,
        detail={} if passed is None else {"passed": passed},
    )
