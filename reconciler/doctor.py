"""`plimsoll doctor`: is everything there that the reconciler needs, and how to mend what is not.

Only looks, and asks each part for as much as shows that it answers; changes nothing.
"""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from registry import errors

if TYPE_CHECKING:
    import httpx2

    from reconciler import config
    from reconciler.core import desired

_TIMEOUT_S = 10.0
# What permits and certificates can stand.
_CLOCK_S = 30.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One part: what was seen, or what is wrong and the fix; `fix` is empty where it is well."""

    part: str
    seen: str
    fix: str = ""


def doctor(
    config: Annotated[Path, typer.Option(help="The configuration file.")] = Path("plimsoll.toml"),
) -> None:
    """Look at all that the reconciler needs: each part with a mark, and how to mend what is not
    well. Ends with 1 where something is not."""
    from reconciler import config as configuration  # noqa: PLC0415  heavy

    bad = 0
    for found in findings(configuration.load(config)):
        typer.echo(f"{'✖' if found.fix else '✔'} {found.part:<14} {_plain(found.seen)}")
        if found.fix:
            typer.echo(f"  {'':<14} fix: {_plain(found.fix)}")
            bad += 1
    if bad:
        raise errors.Unavailable(f"{bad} of the parts {'is' if bad == 1 else 'are'} not well")


def findings(settings: "config.Config") -> Iterator[Finding]:
    """One part after the other; a part that is away spoils no other."""
    yield _git_program()
    yield _try("git", lambda: _git(settings))
    yield from _registry(settings)
    yield _try("trust root", lambda: _trust(settings))
    yield _try("key", lambda: _key(settings))
    if settings.forge is not None:
        yield _try("forge token", lambda: _forge(settings))
    yield from _in_force(settings)


def _try(part: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(part, look())
    except errors.PlimsollError as error:
        detail = error.detail.removeprefix(f"{part.removeprefix('host ')}: ")
        return Finding(part, detail, error.fix or "see docs/errors.md")
    except OSError as error:
        return Finding(part, str(error), "see docs/configuration.md for what must be there")


def _git_program() -> Finding:
    missing = [name for name in ("git", "ssh-keygen") if shutil.which(name) is None]
    if missing:
        return Finding("programs", f"not found: {', '.join(missing)}", "install git and openssh")
    return Finding("programs", "git and ssh-keygen are here")


def _git(settings: "config.Config") -> str:
    from reconciler import repo  # noqa: PLC0415  heavy

    with TemporaryDirectory() as scratch:
        tip = repo.Repository(
            settings.repository,
            branch="",
            folder=Path(scratch) / "repository.git",
            author=settings.author,
        ).tip(settings.branch)
    if tip is None:
        raise errors.NotFound(
            f"{settings.repository} has no branch {settings.branch}",
            fix="push it, or let `branch` name the right one",
        )
    return f"{settings.branch} of {settings.repository} is at {tip[:12]}"


def _registry(settings: "config.Config") -> Iterator[Finding]:
    import ssl  # noqa: PLC0415  slow to load

    import httpx2  # noqa: PLC0415  heavy

    authority = None if settings.registry_ca is None else str(settings.registry_ca)
    try:
        with httpx2.Client(
            base_url=settings.registry,
            timeout=_TIMEOUT_S,
            trust_env=False,
            verify=ssl.create_default_context(cafile=authority),
        ) as http:
            ready = http.get("/readyz")
            yield _clock(ready.headers.get("date", ""))
            for part, said in ready.json().get("checks", {}).items():
                fix = "" if said == "ok" else "see the registry's own log"
                yield Finding(str(part), f"the registry's: {said}", fix)
            yield _try("token", lambda: _token(http, settings.token_file))
    except (httpx2.HTTPError, OSError, ValueError) as error:
        yield Finding(
            "registry",
            f"{settings.registry} does not answer: {error}",
            "start it, or let `registry` name the right address",
        )


def _clock(date: str) -> Finding:
    from email.utils import parsedate_to_datetime  # noqa: PLC0415  slow to load

    try:
        ahead = time.time() - parsedate_to_datetime(date).timestamp()
    except ValueError:
        return Finding("clock", "the registry does not tell its time", "look at its proxy")
    if abs(ahead) > _CLOCK_S:
        seen = f"{abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} the registry's"
        return Finding("clock", seen, "let both machines follow NTP")
    return Finding("clock", "agrees with the registry's")


def _token(http: "httpx2.Client", path: Path) -> str:
    token = path.read_text(encoding="ascii").strip()
    answer = http.get("/v1/whoami", headers={"Authorization": f"Bearer {token}"})
    if answer.status_code != 200:
        raise errors.Unauthenticated(
            f"the registry does not take the token in {path}",
            fix=f"plimsoll token create reconciler reconciler > {path}",
        )
    return f"the registry takes it for {answer.json().get('name')}"


def _trust(settings: "config.Config") -> str:
    from datetime import UTC, datetime  # noqa: PLC0415  with the rest

    from registry.core import trustchain  # noqa: PLC0415  heavy

    root = trustchain.read(settings.trust_file.read_bytes())
    trustchain.require_current(root, datetime.now(UTC))
    until = f", until {root.expires}" if root.expires else ""
    return f"{len(root.publishers)} publishers, {len(root.reconcilers)} reconcilers{until}"


def _key(settings: "config.Config") -> str:
    from reconciler import signing  # noqa: PLC0415  heavy
    from registry.core import trustchain  # noqa: PLC0415  heavy

    key = signing.peek(settings.state)
    if key is None:
        raise errors.NotFound("there is none yet", fix="plimsoll permit key makes and prints it")
    root = trustchain.read(settings.trust_file.read_bytes())
    hint = key.signer("").hint
    listed = [one.name for one in root.reconcilers if one.hint == hint]
    if root.reconcilers and not listed:
        raise errors.PermitRefused(
            "the trust root lists reconcilers, and not this one: hosts will start nothing",
            fix="add what plimsoll permit key prints to the registry's reconcilers.json",
        )
    return f"listed as {listed[0]}" if listed else "the trust root asks for no permits"


def _forge(settings: "config.Config") -> str:
    from reconciler import forges  # noqa: PLC0415  heavy

    if settings.forge is None:
        return "no forge is configured"
    forges.connect(settings.forge, settings.branch).find("plimsoll/doctor")
    return "it may read pull requests; whether it may open one shows when it does"


def _in_force(settings: "config.Config") -> Iterator[Finding]:
    """What the commit in force asks for: hosts, and the key for its secrets."""
    from reconciler import connecting, service  # noqa: PLC0415  heavy

    try:
        wanted, connect = service.in_force(settings), connecting.to_hosts(settings)
    except errors.PlimsollError as error:
        yield Finding("hosts", error.detail, error.fix)
        return

    yield _try("age key", lambda: _age_key(settings, wanted))

    def look(name: str) -> str:
        with closing(connect(name, wanted.hosts[name])) as engine:
            return f"its engine answers; {len(engine.observe().instances)} instances of ours"

    for name in sorted(wanted.hosts):
        yield _try(f"host {name}", partial(look, name))


def _age_key(settings: "config.Config", wanted: "desired.DesiredState") -> str:
    """It is there, nobody else may read it, and it opens each file that a deployment here needs."""
    from reconciler import unsealing  # noqa: PLC0415  heavy
    from reconciler.core import environments, kinds  # noqa: PLC0415  heavy

    specs = [one.spec_on("", wanted.commit) for one in wanted.deployments.values()]
    named = {one.secret for spec in specs for one in environments.wanted(spec)}
    if not named and settings.age_identity_file is None:
        return "no deployment needs a secret, and no key is configured"
    known, shut = unsealing.identities(settings.age_identity_file), list[errors.PlimsollError]()
    for name in sorted(named & wanted.secrets.keys()):
        try:
            unsealing.require_open(
                f"{kinds.Secret.folder}/{name}.yaml", wanted.secrets[name], known
            )
        except errors.PlimsollError as error:
            shut.append(error)
    if shut:
        raise errors.DecryptionFailed("; ".join(one.detail for one in shut), fix=shut[0].fix)
    return f"opens the {len(named)} files of secrets that deployments need"


def _plain(text: str) -> str:
    return "".join(char if char.isprintable() else "\ufffd" for char in text)
