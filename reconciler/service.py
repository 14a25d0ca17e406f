"""Puts one reconciler together from its configuration, runs it, and takes it apart again."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import uvicorn

from reconciler import (
    analysing,
    anchor,
    answering,
    attesting,
    calling,
    checkpoints,
    client,
    config,
    effects,
    engines,
    gate,
    journal,
    judging,
    lanes,
    leases,
    loop,
    memory,
    metrics,
    permits,
    proposal,
    reading,
    repo,
    sharing,
    signatures,
    signing,
    source,
    state,
    statuses,
    webhook,
    witness,
)
from reconciler.core import gittrust, kinds, plan, planned
from reconciler.engines.protocol import Engine, Launch
from registry import errors
from registry.core.trustroot import TrustRoot

_LOOK_TIMEOUT_S = 10.0
_DAY_S = 86400.0


def run(path: Path, stop: threading.Event) -> None:
    """Reconcile as `path` (plimsoll.toml) says until `stop` is set."""
    settings = config.load(path)
    with assembled(settings) as (reconciler, counted), _listening(settings, reconciler, counted):
        reconciler.run(stop)


def preview(path: Path) -> planned.Plan:
    """What would be done next, from a fresh look; writes nothing, needs no lock."""
    settings = config.load(path)
    with TemporaryDirectory() as scratch:
        repository = _repository(settings, Path(scratch) / "repository.git")
        examiner = _examiner(settings, repository)
        commit = repository.fetch()
        examiner.require(commit, gate.peek(settings.state, examiner.origin))
        wanted = source.load(repository, commit, allow_empty=settings.allow_empty)
        with closing(lanes.Lanes(_connector(settings))) as hosts:
            hosts.follow(wanted.hosts)
            observed = hosts.look(timeout_s=_LOOK_TIMEOUT_S)
        return plan.plan(wanted, observed, state.peek(settings.state), time.time())


@contextmanager
def assembled(settings: config.Config) -> Iterator[tuple[loop.Loop, metrics.Metrics]]:
    """A reconciler that has not looked at anything yet."""
    repository = _repository(settings, settings.state / "repository.git")
    with ExitStack() as stack:
        folder = stack.enter_context(closing(state.StateFolder(settings.state)))
        followed = anchor.Anchor(settings.trust_file, folder)
        followed.root()  # without a trust root nothing starts
        registry = stack.enter_context(closing(_registry(settings)))
        holder = "" if settings.lease is None else folder.holder(settings.lease.name)
        remembered, counted = _memory(folder, registry, holder), metrics.Metrics()
        archive = _archive(settings, repository, followed)
        seen = witness.Witness(registry, folder, followed.root, archive)
        stack.enter_context(closing(witness.Rounds(seen, settings.state / witness.KEY_FILE)))
        written = journal.Journal(registry, folder, seen, holder)
        gated = gate.Gate(_examiner(settings, repository), folder, written, clock=time.time)
        judge = _judge(registry, written, seen, followed, remembered)
        key = signing.load_or_create(folder)
        taken = stack.enter_context(closing(_sharing(settings, registry, remembered, holder)))
        reconciler = loop.Loop(
            source=stack.enter_context(closing(_source(settings, repository, gated))),
            leases=taken,
            lanes=stack.enter_context(closing(lanes.Lanes(taken.fenced(_connector(settings))))),
            memory=remembered,
            journal=written,
            effects=effects.Effects(
                judge=judge,
                journal=written,
                proposals=proposal.Proposals(repository),
                permits=_permits(settings, folder, key, followed.root),
                attester=attesting.Attester(registry, folder, key, trust=followed.root),
                analyst=analysing.Analyst(written, settings.sources),
                caller=calling.Caller(written, settings.sources),
                answers=answering.Answers(judge, written, folder.pseudonym),
                launch=_Launches(settings, registry, folder, followed.text).launch,
                rollouts=remembered.rollouts,
            ),
            statuses=statuses.Statuses(registry),
            metrics=counted,
        )
        yield reconciler, counted


def _registry(settings: config.Config) -> client.Registry:
    return client.Registry(settings.registry, settings.token_file, settings.registry_ca)


def _judge(
    registry: client.Registry,
    written: journal.Journal,
    seen: witness.Witness,
    followed: anchor.Anchor,
    remembered: memory.Memory,
) -> judging.Judge:
    whole = reading.Reading(registry)
    return judging.Judge(registry, written, seen, whole, followed.root, remembered.rollouts)


def _memory(folder: state.StateFolder, registry: client.Registry, holder: str) -> memory.Memory:
    return memory.Memory(folder, sharing.Shared(registry, holder) if holder else None)


def _sharing(
    settings: config.Config, registry: client.Registry, known: memory.Memory, holder: str
) -> leases.Sharing:
    if settings.lease is None:
        return leases.Alone()
    return leases.Leases(
        registry,
        holder=holder,
        seconds=settings.lease.seconds,
        remembered=known.rollouts,
        adopt=known.adopt,
    )


def _archive(
    settings: config.Config, repository: repo.Repository, followed: anchor.Anchor
) -> checkpoints.Checkpoints | None:
    if settings.checkpoint_branch is None:
        return None
    return checkpoints.Checkpoints(
        repository,
        branch=settings.checkpoint_branch,
        key=lambda: followed.root().log,
        clock=time.time,
    )


def _repository(settings: config.Config, folder: Path) -> repo.Repository:
    return repo.Repository(
        settings.repository,
        branch=settings.branch,
        folder=folder,
        author=settings.author,
        signing_key=settings.git.signing_key,
    )


def _source(
    settings: config.Config, repository: repo.Repository, gated: gate.Gate
) -> source.Source:
    return source.Source(
        repository,
        gated,
        poll_s=settings.poll_s,
        clock=time.time,
        allow_empty=settings.allow_empty,
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
) -> permits.Permits:
    return permits.Permits(
        key,
        folder,
        trust=trust,
        valid_s=settings.permit_days * _DAY_S,
        clock=time.time,
    )


class _Launches:
    """What instances are handed: each host its own token, minted once and kept."""

    def __init__(
        self,
        settings: config.Config,
        registry: client.Registry,
        folder: state.StateFolder,
        trust: Callable[[], str],
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._folder = folder
        self._trust = trust
        self._lock = threading.Lock()

    def launch(self, host: str, kind: kinds.Host) -> Launch:
        """For an instance on `host`; asks the registry only the first time."""
        with self._lock:
            token = self._folder.token(host)
            if token is None:
                token = self._registry.host_token(host)
                self._folder.save_token(host, token)
        address = kind.spec.registry or self._settings.host_registry
        return Launch(registry_url=address, token=token, trust=self._trust())


def _connector(settings: config.Config) -> lanes.Connect:
    def connect(name: str, kind: kinds.Host) -> Engine:
        credentials = settings.credentials / name
        return engines.connect(
            host=name,
            address=kind.spec.engine.address,
            mode=kind.spec.engine.mode or "",
            front=engines.Front(
                port=kind.spec.ingress.port,
                image=settings.ingress_image,
                grpc_port=kind.spec.ingress.grpc_port or 0,
            ),
            state=settings.state / "hosts",
            credentials=credentials if credentials.is_dir() else None,
        )

    return connect


@contextmanager
def _listening(
    settings: config.Config, reconciler: loop.Loop, counted: metrics.Metrics
) -> Iterator[None]:
    """Serve the webhook beside the loop, where the configuration says so."""
    if settings.listen is None:
        yield
        return
    secret = b""
    if settings.webhook_secret_file is not None:
        secret = _read(settings.webhook_secret_file, "webhook secret").strip().encode()
    app = webhook.create_app(secret=secret, hint=reconciler.hint, metrics=counted.registry)
    address, _, port = settings.listen.rpartition(":")
    server = uvicorn.Server(
        uvicorn.Config(app, host=address, port=int(port), log_level="warning", lifespan="off")
    )
    thread = threading.Thread(target=server.run, name="webhook", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(timeout=5)


def _read(path: Path, what: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise errors.InvalidConfig(
            f"the {what} {path} cannot be read: {error}",
            fix="see docs/configuration.md for what must be in it",
        ) from error
