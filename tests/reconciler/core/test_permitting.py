"""What stands against a permit before the registry is asked."""

from dataclasses import replace
from datetime import UTC, datetime

from reconciler.core import permitting
from reconciler.core.desired import Deployment
from reconciler.core.projects.windows import Window
from reconciler.core.rollout import NO_ROLLOUT, Quarantined
from registry.core.policy import PolicySet
from tests.reconciler.core.asking import KEY
from tests.reconciler.core.paper import Paper

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC).timestamp()
FREEZE = Window(True, "0 10 * * *", 4 * 3600, "UTC", False, "the audit")


def deployment(served: Paper) -> Deployment:
    return served.wish.deployments[KEY]


def test_a_quarantined_revision_is_permitted_nowhere(served: Paper) -> None:
    asked = deployment(served)
    entry = Quarantined(asked.revision, asked.anywhere, "h1", "not_accepted", "3 of 5 wrong", 0.0)
    known = replace(NO_ROLLOUT, quarantined=(entry,))
    assert permitting.quarantined(asked, known) == ("version 1 is quarantined: 3 of 5 wrong",)
    assert permitting.quarantined(replace(asked, revision="another"), known) == ()


def test_nothing_begins_while_a_window_of_its_project_denies_it(served: Paper) -> None:
    asked = replace(deployment(served), windows=(FREEZE,))
    (why,) = permitting.held_back(asked, NO_ROLLOUT, PolicySet(()), NOON)
    assert "the audit" in why
    assert permitting.held_back(asked, NO_ROLLOUT, PolicySet(()), NOON + 4 * 3600) == ()
