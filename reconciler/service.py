"""Puts one reconciler together from its configuration, runs it, and takes it apart again."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from reconciler import (
    accepting,
    analysing,
    anchor,
    answering,
    attesting,
    calling,
    checkpoints,
    client,
    config,
    connecting,
    effects,
    ends,
    following,
    forges,
    gate,
    goldens,
    host_reports,
    journal,
    judging,
    lanes,
    launches,
    listening,
    loop,
    metrics,
    permits,
    proposal,
    reading,
    repo,
    requests,
    signatures,
    signing,
    source,
    state,
    tracing,
    witness,
)
from reconciler.core import desired, gittrust, plan, planned
from reconciler.core.experiments import applied
from reconciler.reviewing import assembly
from registry import errors, notify
from registry.core.trustroot import TrustRoot

_LOOK_TIMEOUT_S = 10.0
_DAY_S = 86400.0


def run(path: Path, stop: threading.Event) -> None:
    """Reconcile as `path` (plimsoll.toml) says until `stop` is set."""
    run_as(config.load(path), stop)


def run_as(settings: config.Config, stop: threading.Event) -> None:
    """Reconcile as `settings` say until `stop` is set."""
    with (
        assembled(settings) as (reconciler, counted),
        assembly.beside(
            settings, reconciler.effects.judge, partial(_examiner, settings)
        ) as reviews,
        requests.pursued(settings, reconciler.memory.rollouts, reconciler.notice),
    ):
        heard = listening.Listeners(reconciler.hint, reviews, reconciler.effects.analyst.doors)
        with listening.serving(settings, heard, counted.registry):
            notify.ready()
            reconciler.run(stop)
            notify.stopping()


def preview(path: Path) -> planned.Plan:
    """What would be done next, from a fresh look; writes nothing, needs no lock."""
    settings = config.load(path)
    with TemporaryDirectory() as scratch:
        wanted = newest(settings, repository_in(settings, Path(scratch)))
        known = state.peek(settings.state)
        wanted = applied.wanted(ends.previewed(settings, wanted, known), known, time.time())
        wanted = replace(wanted, has_forge=settings.forge is not None)
        with closing(_registry(settings)) as registry:
            wanted = following.applied_once(registry, wanted)
        with closing(lanes.Lanes(connecting.to_hosts(settings))) as hosts:
            hosts.follow(wanted.hosts)
            observed = hosts.look(timeout_s=_LOOK_TIMEOUT_S)
        return plan.plan(wanted, observed, state.peek(settings.state), time.time())


def newest(settings: config.Config, repository: repo.Repository) -> desired.DesiredState:
    """The newest commit, once it may be in force; writes nothing, raises `CommitRefused`."""
    examiner = _examiner(settings, repository)
    commit = repository.fetch()
    standing = gate.peek(settings.state, examiner.origin)
    provenance = examiner.require(commit, standing)
    kept = examiner.kept(commit, standing)
    wanted = source.load(repository, commit, allow_empty=settings.allow_empty, kept=kept)
    return replace(wanted, provenance=provenance)


def in_force(settings: config.Config) -> desired.DesiredState:
    """What the reconciler that owns the state folder goes by, read without getting in its way."""
    repository = repository_in(settings, settings.state)
    standing = gate.peek(settings.state, f"{settings.repository} {settings.branch}")
    if standing is None:
        raise errors.NotFound(
            f"no commit of {settings.repository} is in force",
            fix="start the reconciler, see its log",
        )
    wanted = source.load(repository, standing.commit, allow_empty=True, kept=standing.kept)
    return ends.previewed(settings, wanted, state.peek(settings.state))


@contextmanager
def assembled(settings: config.Config) -> Iterator[tuple[loop.Loop, metrics.Metrics]]:
    """A reconciler that has not looked at anything yet."""
    with ExitStack() as stack:
        folder = stack.enter_context(closing(state.StateFolder(settings.state)))
        repository, followed = repository_in(settings, settings.state), _anchored(settings, folder)
        registry, counted = stack.enter_context(closing(_registry(settings))), metrics.Metrics()
        known = ends.known(settings, registry, folder, counted)
        end = stack.enter_context(closing(ends.end(known)))
        seen = stack.enter_context(_witnessing(settings, registry, folder, repository, followed))
        written = journal.Journal(registry, folder, seen, known.holder, end.host)
        traces = stack.enter_context(closing(tracing.opened(settings.traces, known.holder)))
        judge, key = _judge(known, end, written, seen, followed), signing.load_or_create(folder)
        attester = attesting.Attester(registry, folder, key, trust=followed.root)
        desired = stack.enter_context(closing(_source(known, repository, written, end, traces)))
        reconciler = loop.Loop(
            source=desired,
            leases=end.sharing,
            follower=stack.enter_context(closing(following.Follower(registry))),
            lanes=stack.enter_context(closing(_lanes(settings, end))),
            memory=known.memory,
            journal=written,
            effects=effects.Effects(
                judge=judge,
                journal=written,
                proposals=proposal.Proposals(repository, written, _forge(settings)),
                permits=_permits(settings, folder, key, followed.root, end.clock),
                attester=attester,
                analyst=analysing.Analyst(written, settings.sources),
                caller=calling.Caller(written, settings.sources),
                answers=answering.Answers(judge, written, folder.pseudonym),
                accepting=_accepting(judge, written, attester, folder),
                launches=launches.Launches(settings, registry, folder, followed.text),
            ),
            statuses=end.reporting(desired),
            metrics=counted,
            reports=stack.enter_context(host_reports.beside(known)),
            traces=traces,
            clock=end.clock,
        )
        yield reconciler, counted


def _anchored(settings: config.Config, folder: state.StateFolder) -> anchor.Anchor:
    """Without a trust root nothing starts."""
    followed = anchor.Anchor(settings.trust_file, folder)
    followed.root()
    return followed


def _registry(settings: config.Config) -> client.Registry:
    return client.Registry(settings.registry, settings.token_file, settings.registry_ca)


def _lanes(settings: config.Config, end: ends.End) -> lanes.Lanes:
    return lanes.Lanes(end.sharing.fenced(connecting.to_hosts(settings)))


def _forge(settings: config.Config) -> forges.Forge | None:
    return None if settings.forge is None else forges.connect(settings.forge, settings.branch)


def _accepting(
    judge: judging.Judge,
    written: journal.Journal,
    attester: attesting.Attester,
    folder: state.StateFolder,
) -> accepting.Accepting:
    kept = goldens.Goldens(judge.registry, folder.path)
    return accepting.Accepting(written, attester, kept, judge.tested)


def _judge(
    known: ends.Known,
    end: ends.End,
    written: journal.Journal,
    seen: witness.Witness,
    followed: anchor.Anchor,
) -> judging.Judge:
    return judging.Judge(
        registry=known.registry,
        journal=written,
        witness=seen,
        reading=reading.Reading(known.registry),
        trust=followed.root,
        rollouts=known.memory.rollouts,
        clock=end.clock,
    )


@contextmanager
def _witnessing(
    settings: config.Config,
    registry: client.Registry,
    folder: state.StateFolder,
    repository: repo.Repository,
    followed: anchor.Anchor,
) -> Iterator[witness.Witness]:
    kept = archive(settings, repository, followed)
    seen = witness.Witness(registry, folder, followed.root, kept)
    with closing(witness.Rounds(seen, settings.state / witness.KEY_FILE)):
        yield seen


def archive(
    settings: config.Config, repository: repo.Repository, followed: anchor.Anchor
) -> checkpoints.Checkpoints | None:
    """Where the log's checkpoints are kept in Git, if they are."""
    if settings.checkpoint_branch is None:
        return None
    return checkpoints.Checkpoints(
        repository,
        branch=settings.checkpoint_branch,
        key=lambda: followed.root().log,
        clock=time.time,
    )


def repository_in(settings: config.Config, folder: Path) -> repo.Repository:
    """A copy of our own, in `folder`."""
    return repo.Repository(
        settings.repository,
        branch=settings.branch,
        folder=folder / "repository.git",
        author=settings.author,
        signing_key=settings.git.signing_key,
    )


def _source(
    known: ends.Known,
    repository: repo.Repository,
    written: journal.Journal,
    end: ends.End,
    traces: tracing.Traces,
) -> source.Source:
    settings, clock = known.settings, end.clock
    gated = gate.Gate(_examiner(settings, repository), known.folder, written, clock, traces)
    return source.Source(
        repository,
        gated,
        poll_s=settings.poll_s,
        clock=clock,
        allow_empty=settings.allow_empty,
        has_forge=settings.forge is not None,
    )


def _examiner(settings: config.Config, repository: repo.Repository) -> gate.Examiner:
    git = settings.git
    people: tuple[gittrust.Person, ...] = ()
    if git.people is not None:
        people = gittrust.people(_read(git.people, "list of people"))
    known = signatures.Signatures(git.allowed_signers, git.revoked_signers, git.keyring)
    known.require_ready()
    rules = gittrust.Rules(git.mode, people, git.require_author)
    return gate.Examiner(repository, known, rules)


def _permits(
    settings: config.Config,
    folder: state.StateFolder,
    key: signing.Key,
    trust: Callable[[], TrustRoot],
    clock: Callable[[], float],
) -> permits.Permits:
    valid_s = settings.permit_days * _DAY_S
    return permits.Permits(key, folder, trust=trust, valid_s=valid_s, clock=clock)


def _read(path: Path, what: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise errors.InvalidConfig(
            f"the {what} {path} cannot be read: {error}",
            fix="see docs/configuration.md for what must be in it",
        ) from error
