"""The `[reconciler]` table of plimsoll.toml, or the `[agent]` table of an agent's own file."""

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from reconciler import agent_settings, git_settings
from registry import errors
from registry.core import destination, host_report, names, table

# Ten of them are not counted on, for a call to an engine that is under way.
_LEASE_S = 20, 300
_GITHUB = "https://api.github.com"
_PLANS = re.compile(r"https?://[A-Za-z0-9._:/~-]+")
_PROJECT = re.compile(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)+")


@dataclass(frozen=True, slots=True)
class Source:
    """An address that analyses may ask. `token_file` holds a bearer token, which goes there and
    nowhere else; `ca` has the authorities to believe about who answers."""

    address: str
    ca: Path | None = None
    token_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Sources:
    """All of them: `[[reconciler.prometheus]]`, `[[reconciler.checks]]`, `[[reconciler.hooks]]`.
    Nothing else is asked."""

    prometheus: tuple[Source, ...] = ()
    checks: tuple[Source, ...] = ()
    hooks: tuple[Source, ...] = ()


class ForgeKind(StrEnum):
    """Whose API a forge speaks; `GITEA` is Forgejo's too."""

    GITHUB = "github"
    GITEA = "gitea"
    GITLAB = "gitlab"


@dataclass(frozen=True, slots=True)
class Forge:
    """Where pull requests are: the API's `address`, and the repository there. `reviews` says
    whether they are told what they would do, `plans` where people reach the whole of it."""

    kind: ForgeKind
    address: str
    project: str
    token_file: Path
    ca: Path | None = None
    reviews: bool = True
    plans: str = ""


@dataclass(frozen=True, slots=True)
class Lease:
    """Its name among those that share the fleet, and for how long it keeps hosts unheard of."""

    name: str
    seconds: int


@dataclass(frozen=True, slots=True)
class Config:
    """Settings of one reconciler; paths are absolute, times are seconds.

    `host_registry` is the registry's address as hosts see it, unless a `Host` says otherwise.
    `trust_file` is the trust root; without the file the reconciler refuses to start.
    `allow_empty` lets a commit without any deployment prune everything. `checkpoint_branch` is
    where the log's checkpoints go, None for nowhere. `permit_days` is how long
    after its start was permitted a host may begin to serve a version; 0 means for ever. `pin_hours`
    is the longest that a pin may hold; 0 means that none may.
    `page_logs` is how many of the last lines of each instance the registry is told; 0: none.
    `requests` says whether what people ask on the registry's pages is done.
    `lease` is there where several reconcilers share the fleet, `agent` where this is an agent.
    """

    repository: str
    branch: str
    poll_s: float
    state: Path
    registry: str
    host_registry: str
    token_file: Path
    trust_file: Path
    credentials: Path
    webhook_secret_file: Path | None
    listen: str | None
    ingress_image: str
    haproxy_image: str
    author: tuple[str, str]
    allow_empty: bool
    checkpoint_branch: str | None
    permit_days: float
    pin_hours: float
    requests: bool
    git: git_settings.GitTrust
    registry_ca: Path | None = None
    sources: Sources = Sources()
    lease: Lease | None = None
    agent: agent_settings.Agent | None = None
    forge: Forge | None = None
    labels_token_file: Path | None = None
    age_identity_file: Path | None = None
    traces: str = ""
    page_logs: int = 0

    @property
    def name(self) -> str:
        """How it is called where hosts are given to somebody; empty where it shares with nobody."""
        if self.agent is not None:
            return f"agent-{self.agent.host}"
        return "" if self.lease is None else self.lease.name


def load(path: Path) -> Config:
    """Read `path`; raises `InvalidConfig` naming the setting and the fix."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise table.unreadable(str(path), error) from error
    folder = path.resolve().parent
    if table.has(text, "agent"):
        return _agent_config(table.parse(text, "agent", file=str(path)), folder)
    return _config(table.parse(text, "reconciler", file=str(path)), folder)


def load_agent(path: Path) -> Config:
    """Read `path`, which must be an agent's."""
    found = load(path)
    if found.agent is None:
        raise errors.InvalidConfig(
            f"{path}: the table [agent] is missing", fix="see docs/agent.md for what is in it"
        )
    return found


def _agent_config(settings: table.Table, folder: Path) -> Config:
    agent = agent_settings.take(settings)
    return replace(_config(settings, folder), agent=agent)


def _config(settings: table.Table, folder: Path) -> Config:
    registry = settings.take("registry", str, "http://127.0.0.1:8440")
    config = Config(
        repository=settings.take("repository", str),
        branch=settings.take("branch", str, "main"),
        poll_s=settings.take("poll_seconds", float, 30.0),
        state=folder / settings.take("state", str, "reconciler"),
        registry=registry,
        host_registry=settings.take("host_registry", str, registry),
        token_file=folder / settings.take("token_file", str, "reconciler.token"),
        trust_file=folder / settings.take("trust_file", str, "registry/trust.json"),
        credentials=folder / settings.take("credentials", str, "credentials"),
        webhook_secret_file=_below(folder, settings.optional("webhook_secret_file")),
        listen=settings.optional("listen"),
        ingress_image=settings.take("ingress_image", str, "plimsoll-ingress:dev"),
        haproxy_image=settings.take("haproxy_image", str, "plimsoll-ingress-haproxy:dev"),
        author=(
            settings.take("author_name", str, "Plimsoll reconciler"),
            settings.take("author_email", str, "reconciler@plimsoll.invalid"),
        ),
        allow_empty=settings.take("allow_empty", bool, default=False),
        checkpoint_branch=settings.optional("checkpoint_branch"),
        permit_days=settings.take("permit_days", float, 7.0),
        pin_hours=settings.take("pin_hours", float, 24.0),
        requests=settings.take("requests", bool, default=True),
        git=git_settings.take(settings, folder),
        registry_ca=_below(folder, settings.optional("registry_ca")),
        sources=_all_sources(settings, folder),
        lease=_lease(settings),
        forge=_forge(settings, folder),
        labels_token_file=_below(folder, settings.optional("labels_token_file")),
        age_identity_file=_below(folder, settings.optional("age_identity_file")),
        traces=settings.take("traces", str, ""),
        page_logs=settings.take("page_logs", int, 0),
    )
    settings.finish()
    _require_bounds(settings, config)
    return config


def _below(folder: Path, name: str | None) -> Path | None:
    return None if name is None else folder / name


def _require_bounds(settings: table.Table, config: Config) -> None:
    if config.poll_s <= 0:
        raise settings.error("poll_seconds", "must be above zero")
    for name in ("permit_days", "pin_hours"):
        if getattr(config, name) < 0:
            raise settings.error(name, "must not be below zero")
    if not 0 <= config.page_logs <= host_report.LINES:
        raise settings.error("page_logs", f"must be 0 (none) or up to {host_report.LINES} lines")


def _all_sources(settings: table.Table, folder: Path) -> Sources:
    return Sources(
        _sources(settings.tables("prometheus"), folder),
        _sources(settings.tables("checks"), folder),
        _sources(settings.tables("hooks"), folder),
    )


def _sources(tables: list[table.Table], folder: Path) -> tuple[Source, ...]:
    found = []
    for each in tables:
        address, ca, token = (
            each.take("address", str), each.optional("ca"), each.optional("token_file")
        )  # fmt: skip
        each.finish()
        try:
            destination.parse(address)
        except errors.InvalidInput as error:
            raise each.error("address", f"is {address!r}: {error.detail}") from error
        if token is not None and not destination.is_confidential(address):
            raise each.error("token_file", f"would be read by anybody between here and {address}")
        found.append(
            Source(
                address,
                None if ca is None else folder / ca,
                None if token is None else folder / token,
            )
        )
    return tuple(found)


def _forge(settings: table.Table, folder: Path) -> Forge | None:
    tables = settings.tables("forge")
    if len(tables) > 1:
        raise settings.error("forge", "is there more than once")
    for each in tables:
        kind, ca = each.take("kind", str), each.optional("ca")
        if kind not in set(ForgeKind):
            raise each.error("kind", f"must be one of {', '.join(ForgeKind)}, found {kind!r}")
        usual = _GITHUB if kind == ForgeKind.GITHUB else None
        found = Forge(
            kind=ForgeKind(kind),
            address=each.take("address", str, usual),
            project=each.take("project", str),
            token_file=folder / each.take("token_file", str),
            ca=None if ca is None else folder / ca,
            reviews=each.take("reviews", bool, default=True),
            plans=each.take("plans", str, ""),
        )
        each.finish()
        if found.plans and not _PLANS.fullmatch(found.plans):
            raise each.error("plans", f"must be an http address, found {found.plans!r}")
        if not destination.is_confidential(found.address):
            raise each.error("address", f"{found.address!r} lets others read the token: use https")
        if not _PROJECT.fullmatch(found.project):
            raise each.error("project", f"must be owner/name, found {found.project!r}")
        return found
    return None


def _lease(settings: table.Table) -> Lease | None:
    seconds = settings.take("lease_seconds", int, 0)
    name = settings.take("name", str, "reconciler")
    if not seconds:
        return None
    if not _LEASE_S[0] <= seconds <= _LEASE_S[1]:
        raise settings.error("lease_seconds", f"must be 0 or {_LEASE_S[0]} to {_LEASE_S[1]}")
    if not names.is_slug(name):
        raise settings.error("name", "must be lower-case letters and digits, words joined by '-'")
    return Lease(name, seconds)
