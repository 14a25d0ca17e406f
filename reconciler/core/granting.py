"""What a person's wish comes to that needs no rollout under way: rollback, retry, pins. Pure.

Wishes about a rollout under way are events of its table (`strategies`).
"""

from collections.abc import Iterator

from reconciler.core import actions, changes, goods, hostplan, pinning
from reconciler.core.actions import Action, Wait
from reconciler.core.desired import Deployment
from reconciler.core.fleet import Fleet
from reconciler.core.projects import roles
from reconciler.core.promotions import byhand
from reconciler.core.reasons import Reason, Why
from reconciler.core.rollout import Pin
from reconciler.core.seat import same
from reconciler.core.strategies.progress import Verb, Wish

FOR_GIT = frozenset({Verb.COMMIT, Verb.PROPOSE})
OF_A_ROLLOUT = frozenset(Verb) - {Verb.ROLLBACK, Verb.RETRY, Verb.PIN, Verb.UNPIN} - FOR_GIT


def asked(fleet: Fleet, key: str) -> Wish | None:
    """What a person wants of `key` beside its strategy, or may not want, if anything."""
    wish, deployment = fleet.rollout(key).wish, fleet.deployment(key)
    if wish is None or (wish.verb in OF_A_ROLLOUT and not _why_not(deployment, wish)):
        return None
    return wish


def _why_not(deployment: Deployment | None, wish: Wish) -> str:
    if deployment is None:
        return ""
    version = pinning.of_git(deployment).manifest.spec.model.version
    return roles.why_not(deployment.roles, wish, asked=version)


def grant(fleet: Fleet, deployment: Deployment, wish: Wish) -> Iterator[Action | Wait]:
    """It is remembered first; until the next look, what serves is kept alive."""
    if wish.verb in FOR_GIT:
        yield _for_git(fleet, deployment, wish)
    else:
        spec = deployment.spec_on("", fleet.commit)
        yield actions.Grant(deployment.key, spec, wish, *_change(fleet, deployment, wish))
    for view in fleet.views(deployment):
        yield from hostplan.held_back(view.seat, hostplan.keep(view.seat))


def _change(fleet: Fleet, deployment: Deployment, wish: Wish) -> tuple[changes.Change, Reason]:
    if deployment.manifest.spec.suspend:
        return _no(f"{deployment.path} says suspend: true")
    if said := _why_not(deployment, wish):
        return _no(said)
    match wish.verb:
        case Verb.RETRY:
            return _retry(fleet, deployment, wish)
        case Verb.PIN:
            return _pin(fleet, deployment, wish)
        case Verb.UNPIN:
            return _unpin(fleet, deployment, wish)
        case _:
            return _rollback(fleet, deployment, wish)


def _for_git(fleet: Fleet, deployment: Deployment, wish: Wish) -> Action:
    asked = byhand.asked(fleet, deployment, wish)
    why = _why_not(deployment, wish) or (asked if isinstance(asked, str) else "")
    if why or isinstance(asked, str):
        spec = deployment.spec_on("", fleet.commit)
        return actions.Grant(deployment.key, spec, wish, *_no(why))
    return asked


def _rollback(fleet: Fleet, deployment: Deployment, wish: Wish) -> tuple[changes.Change, Reason]:
    known, revision = fleet.rollout(deployment.key), deployment.revision
    if deployment.pin is not None:
        return _no(f"{pinning.words(deployment.pin)}; pin another version, or unpin it")
    bad = deployment.spec_on("", fleet.commit)
    found = goods.before(known, deployment.hosts, bad, wish.version)
    if not found:
        return _no(_nothing(wish, bad.version))
    entry = known.quarantine_of(revision)
    version = found[0].version
    if entry is not None and all(same(known.on(one.host).last_good, one) for one in found):
        return _no(f"version {version} serves already: {entry.reason}")
    versions = ", ".join(sorted({str(one.version) for one in found}))
    text = f"from version {bad.version} back to version {versions}: {wish.reason}"
    return changes.GoBack(revision, found), Reason(Why.ROLLED_BACK_BY_HAND, text)


def _nothing(wish: Wish, version: int) -> str:
    if wish.version is None:
        return f"no version but {version} was ever found good here"
    if wish.version == version:
        return f"version {version} is what Git asks for"
    return f"version {wish.version} was never found good here"


def _pin(fleet: Fleet, deployment: Deployment, wish: Wish) -> tuple[changes.Change, Reason]:
    git, version = pinning.of_git(deployment), wish.version or 0
    if wish.digest == git.manifest.spec.model.digest:
        return _no(f"version {version} is what Git asks for")
    if wish.until <= fleet.now:
        return _no("its time is over before it began")
    pin = Pin(wish.id, version, wish.digest, wish.reason, wish.by, wish.until)
    revision = pinning.held(git, pin).revision
    entry = fleet.rollout(deployment.key).quarantine_of(revision)
    if entry is not None:
        return _no(f"version {version} is quarantined: {entry.reason}")
    return changes.Hold(pin), Reason(Why.PINNED, pinning.words(pin))


def _unpin(fleet: Fleet, deployment: Deployment, wish: Wish) -> tuple[changes.Change, Reason]:
    pin = fleet.rollout(deployment.key).pin
    if pin is None:
        return _no("it is not pinned")
    text = f"no longer pinned at version {pin.version}: {wish.reason}"
    return changes.LetGo(pin.id), Reason(Why.UNPINNED, text)


def _retry(fleet: Fleet, deployment: Deployment, wish: Wish) -> tuple[changes.Change, Reason]:
    version, revision = deployment.manifest.spec.model.version, deployment.revision
    known = fleet.rollout(deployment.key)
    marks = (facts.gave_up for facts in known.hosts.values())
    is_lost = any(mark is not None and mark.revision == revision for mark in marks)
    if known.quarantine_of(revision) is None and not is_lost:
        return _no(f"version {version}, which Git asks for, is not quarantined")
    text = f"version {version} begins anew at {fleet.commit[:12]}: {wish.reason}"
    return changes.TryAgain(revision), Reason(Why.TRIED_AGAIN, text)


def stray(fleet: Fleet, key: str) -> Iterator[Action]:
    """A wish for what Git does not ask for, or asks for in a file that is wrong."""
    wish = asked(fleet, key)
    if wish is None or fleet.deployment(key) is not None:
        return
    known, problem = fleet.rollout(key), fleet.held(key)
    good = next((one for facts in known.hosts.values() for one in goods.of(facts)), None)
    if good is not None:
        text = problem[0].detail if problem else f"{key} is no longer in Git"
        yield actions.Grant(key, good, wish, *_no(text))


def _no(text: str) -> tuple[changes.Change, Reason]:
    return changes.Decline(), Reason(Why.DECLINED, f"changes nothing: {text}")
