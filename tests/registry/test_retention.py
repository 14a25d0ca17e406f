"""Retention over a real database: facts are gathered, rules applied, and the record stays."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, update

from registry import errors
from registry.core import digest
from registry.core.facts import Facts, Parent, Relation
from registry.core.retention import Expire, Keep, Rule, Why
from registry.db import versions
from registry.db.tables import READY, File
from registry.db.tables_log import Deployment, LogEntry
from registry.usecases import aliases, catalogue, holds, pull, retention
from registry.usecases.aliases import Move
from registry.usecases.opening import Registry
from registry.usecases.pull import Asked
from tests.registry.keeping import (
    RECONCILER,
    ROOT,
    deploy,
    make_older,
    publish_one,
    publish_some,
    report,
    with_rules,
)
from tests.registry.publishing import Publisher

LAST = Rule("*", keep_last=1)


@pytest.fixture
def kept(registry: Registry, alice: Publisher) -> Registry:
    """Five old versions, and the rule to keep the last."""
    publish_some(registry, alice, 5)
    return with_rules(registry, LAST)


def reasons(registry: Registry) -> dict[int, Why | None]:
    return {
        one.version.number: one.why if isinstance(one, Keep) else None
        for one in retention.plan(registry).decisions
    }


def make_log_older(registry: Registry) -> None:
    then = datetime.now(UTC) - timedelta(days=60)
    with registry.database.writing() as session:
        session.execute(update(LogEntry).values(at=then))
        session.commit()


def test_all_that_speaks_for_a_version_is_found(kept: Registry) -> None:
    aliases.move(kept, Move("digits", "champion", 1, "best"), ROOT)
    holds.place(kept, model="digits", version=2, reason="case", by=ROOT)
    deploy(kept, 3)
    report(kept, "started", 4)
    assert reasons(kept) == {
        1: Why.ALIASED,
        2: Why.HELD,
        3: Why.DEPLOYED,
        4: Why.IN_WINDOW,
        5: Why.NEWEST,
    }


def test_a_plan_changes_nothing_and_applying_it_keeps_the_record(kept: Registry) -> None:
    planned = retention.plan(kept)
    assert [one.version.number for one in planned.expiring] == [4, 3, 2, 1]
    assert catalogue.version(kept, "digits", 4).status == READY
    retention.apply(kept, planned, ROOT)
    gone = catalogue.version(kept, "digits", 4)
    assert (gone.status, gone.digest) == ("expired", planned.expiring[0].version.digest)
    assert gone.status_message == "rule '*': 2nd newest, keep_last = 1"
    [entry] = [x.entry for x in catalogue.latest(kept, limit=9) if x.entry.version == 4][:1]
    assert (entry.kind, entry.digest, entry.actor) == ("expired", gone.digest, "admin:root")
    with kept.database.reading() as session:
        [variant] = versions.variants(session, gone.id)
    assert digest.of(variant.manifest) == gone.digest
    assert variant.publisher_bundle
    assert variant.registry_bundle
    assert list(variant.files) == []


def test_an_expired_version_cannot_be_pulled_and_says_why(kept: Registry) -> None:
    retention.apply(kept, retention.plan(kept), ROOT)
    with pytest.raises(errors.Gone, match=r"is expired: rule '\*'"):
        pull.bundle(kept, Asked("digits", 1), RECONCILER)


def test_a_second_pass_has_nothing_to_do(kept: Registry) -> None:
    retention.apply(kept, retention.plan(kept), ROOT)
    again = retention.plan(kept)
    assert again.expiring == []
    assert [one.version.number for one in again.decisions] == [5]
    assert retention.apply(kept, again, ROOT) == []


def test_what_is_touched_between_plan_and_apply_stays(kept: Registry) -> None:
    planned = retention.plan(kept)
    aliases.move(kept, Move("digits", "champion", 1, "best"), ROOT)
    holds.place(kept, model="digits", version=2, reason="case", by=ROOT)
    report(kept, "starting", 3)
    done = retention.apply(kept, planned, ROOT)
    assert [one.version.number for one in done] == [4]


def test_a_hold_on_the_model_between_plan_and_apply_keeps_all(kept: Registry) -> None:
    planned = retention.plan(kept)
    holds.place(kept, model="digits", version=None, reason="case", by=ROOT)
    assert retention.apply(kept, planned, ROOT) == []


def test_the_rollback_window_closes(kept: Registry) -> None:
    report(kept, "deployed", 2)
    assert reasons(kept)[2] is Why.IN_WINDOW
    make_log_older(kept)
    assert reasons(kept)[2] is None


def test_the_last_good_version_stays_after_the_window(kept: Registry) -> None:
    for number in (1, 2, 3):
        report(kept, "deployed", number)
    deploy(kept, 3)
    make_log_older(kept)
    assert reasons(kept) == {
        1: None,
        2: Why.LAST_GOOD,
        3: Why.DEPLOYED,
        4: None,
        5: Why.NEWEST,
    }


def test_a_status_that_nobody_can_read_keeps_everything(kept: Registry) -> None:
    deploy(kept, 3)
    with kept.database.writing() as session:
        session.execute(update(Deployment).values(document={"spec": "from the future"}))
        session.commit()
    assert set(reasons(kept).values()) == {Why.UNREADABLE}


def test_a_parents_bytes_may_go_while_its_child_stays(kept: Registry, alice: Publisher) -> None:
    child = Facts(parents=(Parent(Relation.FINE_TUNED, "digits", 1),))
    publish_one(kept, alice, 6, said=child)
    make_older(kept, days=400)
    retention.apply(kept, retention.plan(kept), ROOT)
    assert catalogue.version(kept, "digits", 1).status == "expired"
    assert catalogue.version(kept, "digits", 6).parents[0].reference == "digits@1"


def test_a_deployed_version_must_not_be_removed(kept: Registry) -> None:
    deploy(kept, 3)
    with kept.database.reading() as session:
        retention.require_undeployed(session, "digits", 2)
        with pytest.raises(errors.Conflict, match="production/digits wants or serves it"):
            retention.require_undeployed(session, "digits", 3)
        with pytest.raises(errors.Conflict, match="digits@3 is deployed"):
            retention.require_undeployed(session, "digits", None)


def test_many_versions_expire_in_several_transactions(kept: Registry, alice: Publisher) -> None:
    publish_some(kept, alice, 30, model="fraud")
    seen: list[tuple[str, int, int]] = []
    done = retention.apply(kept, retention.plan(kept), ROOT, lambda *step: seen.append(step))
    assert len(done) == 4 + 29
    assert seen[0] == ("expiring", 0, 33)
    assert seen[-1] == ("expiring", 33, 33)
    assert all(isinstance(one, Expire) for one in done)
    with kept.database.reading() as session:
        assert session.execute(select(func.count()).select_from(File)).scalar_one() == 4
