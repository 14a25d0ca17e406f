"""`plimsoll status`: sync, health and trust of every deployment, as the reconciler reports them."""

from collections import Counter
from typing import Annotated

import typer

from registry import errors
from registry.cli import options, output
from registry.core import hostlist, names
from registry.core.canonical import Json

app = typer.Typer()
Deployment = Annotated[str, typer.Argument(help="As ENVIRONMENT/NAME.")]
_MOST_ROWS = 8
_DONE = ("baked", "settled")
WORST_FIRST = (
    "Degraded", "Missing", "Unreachable", "Unknown", "Progressing", "Suspended", "Healthy",
)  # fmt: skip


@app.command()
def status(
    deployment: Annotated[
        str | None, typer.Argument(help="ENVIRONMENT/NAME; without it, all of them.")
    ] = None,
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
    form: output.Listed = output.Listing.TABLE,
) -> None:
    """What is deployed and how it does."""
    with options.connect(server, token_file) as client:
        one = None if deployment is None else client.deployment(key(deployment))
        found = client.deployments() if one is None else [one]
    if form.is_data:
        output.print_document(form, found if one is None else one)
        return
    show_all(found, form)
    if one is not None and form is not output.Listing.NAME:
        show_one(one)


def show_all(found: list[dict[str, Json]], form: output.Listing = output.Listing.TABLE) -> None:
    """One line a deployment."""
    output.print_listing(
        form,
        ("deployment", "wanted", "commit", "sync", "health", "trust", "reason"),
        [_row(document) for document in found],
    )


def key(text: str) -> str:
    """ENVIRONMENT/NAME, checked; raises InvalidInput."""
    parts = text.split("/")
    if len(parts) != 2:
        raise errors.InvalidInput(
            f"{text[:80]!r} names no deployment", fix="write ENVIRONMENT/NAME: production/digits"
        )
    environment, name = parts
    names.slug(environment, what="environment")
    return f"{environment}/{names.slug(name, what='deployment name')}"


def _row(document: dict[str, Json]) -> tuple[object, ...]:
    three = [part(document, name) for name in ("sync", "health", "trust")]
    reasons = [str(part["reason"]) for part in three if part.get("reason")]
    return (
        f"{document.get('environment')}/{document.get('name')}",
        version_of(document.get("desired")),
        str(document.get("commit") or "")[:12],
        *(part.get("status") for part in three),
        "; ".join(reasons),
    )


def show_one(found: dict[str, Json]) -> None:
    """All of one deployment; from some number on, hosts that are alike share a line."""
    typer.echo()
    _print_rollout(found)
    hosts = parts(found, "hosts")
    rows = [(str(host.get("host")), *_about(host)) for host in hosts]
    if len(hosts) > _MOST_ROWS:
        rows = _alike(hosts)
    titles = ("host", "serving", "sync", "health", "trust", "stage", "reason")
    output.print_table(titles, rows)
    for entry in parts(found, "quarantined"):
        branch = f"; reverted on branch {entry['branch']}" if entry.get("branch") else ""
        by = f" (by {entry['by']})" if entry.get("by") else ""
        request = f", {entry['request']}" if entry.get("request") else ""
        said = f"{version_of(entry)}: {entry.get('reason')}{by}{branch}{request}"
        output.print_fields([("quarantined", said)])
    if pin := part(found, "pin"):
        output.print_fields([("pinned", f"version {pin.get('version')} by {pin.get('by')}")])
    if experiment := part(found, "experiment"):
        output.print_fields(_experiment(experiment))
    if answer := part(found, "answer"):
        output.print_fields([("last asked", str(answer.get("text")))])


def _experiment(found: dict[str, Json]) -> list[tuple[str, str]]:
    """How it stands, or what it came to; a line for each metric."""
    told = f"; {found['told']}" if found.get("told") else ""
    if found.get("state") == "running":
        ends = output.at(found.get("ends"))
        said = f"under way since {output.at(found.get('began'))}, until {ends} at the latest"
    else:
        said = f"{found.get('state')} since {output.at(found.get('decided'))}: "
        said += f"{found.get('reason')}{told}"
    lines = [("experiment", f"{found.get('name')}, {said}")]
    lines += [("", str(metric.get("text"))) for metric in parts(found, "metrics")]
    return lines


def _about(host: dict[str, Json]) -> tuple[str, ...]:
    """What is shown of a host beside its name."""
    said = str(host.get("reason") or host.get("trustReason") or "")
    return (
        version_of(host.get("serving")),
        *(str(host.get(name) or "") for name in ("sync", "health", "trust", "stage")),
        said.removeprefix(f"{host.get('host')}: "),
    )


def _alike(hosts: list[dict[str, Json]]) -> list[tuple[str, ...]]:
    """A row for all hosts that are alike, the sickest first."""
    found: dict[tuple[str, ...], list[str]] = {}
    for host in hosts:
        found.setdefault(_about(host), []).append(str(host.get("host")))
    rows = [
        (f"{hostlist.folded(names)} ({len(names)})" if len(names) > 1 else names[0], *about)
        for about, names in found.items()
    ]
    return sorted(rows, key=lambda row: WORST_FIRST.index(row[3]) if row[3] in WORST_FIRST else 0)


def _counts(hosts: list[dict[str, Json]]) -> list[tuple[str, str]]:
    """50: 1 Degraded, 2 Unreachable, 47 Healthy; and what they serve."""
    healths = Counter(str(host.get("health")) for host in hosts)
    serving = Counter(version_of(host.get("serving")) or _unseen(host) for host in hosts)
    parts = [f"{healths[health]} {health}" for health in WORST_FIRST if healths[health]]
    served = [f"{count} {version}" for version, count in serving.most_common()]
    return [("hosts", f"{len(hosts)}: {', '.join(parts)}"), ("serving", ", ".join(served))]


def _unseen(host: dict[str, Json]) -> str:
    """What serves on a host out of sight may serve well."""
    return "unknown" if host.get("health") in ("Unreachable", "Unknown") else "nothing"


def _steps(found: dict[str, Json]) -> list[tuple[str, str]]:
    """What happens next, and why; places that are alike share a line."""
    alike: dict[tuple[str, str], list[str]] = {}
    for step in parts(found, "next"):
        about = str(step.get("verb")), str(step.get("text"))
        alike.setdefault(about, []).append(str(step.get("place")))
    lines = [
        ("next", f"{hostlist.folded(places)}: {verb}, {text}")
        for (verb, text), places in alike.items()
    ]
    if len(lines) > _MOST_ROWS:
        more = f"and {len(lines) - _MOST_ROWS} more: --output json has all"
        lines = [*lines[:_MOST_ROWS], ("", more)]
    return lines


def _print_rollout(found: dict[str, Json]) -> None:
    """Where it is, what it waits for, and the commands that change that."""
    rollout = part(found, "rollout")
    alike: dict[str, list[str]] = {}
    for wait in parts(found, "waiting"):
        until = f", until {output.at(wait['until'])}" if wait.get("until") else ""
        alike.setdefault(f"{wait.get('text')}{until}", []).append(str(wait.get("host") or ""))
    hosts = parts(found, "hosts")
    fields = _counts(hosts) if len(hosts) > _MOST_ROWS else []
    fields += [("rollout", _where(rollout, hosts))] if rollout else []
    fields += _steps(found)
    fields += [
        ("waits", f"{hostlist.folded(names)}: {text}" if any(names) else text)
        for text, names in alike.items()
    ]
    commands = parts(rollout, "commands")
    fields += [("to " + str(one.get("does")), str(one.get("command"))) for one in commands]
    if fields:
        output.print_fields(fields)
        typer.echo()


def _where(rollout: dict[str, Json], hosts: list[dict[str, Json]]) -> str:
    """canary step 3/7 (pause), 20 % of the traffic, paused since 12:03:10 UTC."""
    state, count = rollout.get("state"), sum(host.get("stage") in _DONE for host in hosts)
    if state == "done" and count < len(hosts):
        state = f"done on {count} of {len(hosts)} hosts"
    named = rollout.get("headers")
    headers = ", ".join(map(str, named)) if isinstance(named, list) else ""
    step = f"{rollout.get('step')}/{rollout.get('steps')} ({rollout.get('name')})"
    parts = [
        f"{rollout.get('strategy')} step {step}",
        f"{rollout.get('weight')} % of the traffic",
        f"copies of {rollout['mirror']} %" if rollout.get("mirror") else "",
        f"requests by {headers}" if headers else "",
        f"{state} since {output.at(rollout.get('since'))}",
    ]
    return ", ".join(part for part in parts if part)


def version_of(value: Json) -> str:
    return f"{value.get('model')}@{value.get('version')}" if isinstance(value, dict) else ""


def part(document: dict[str, Json], name: str) -> dict[str, Json]:
    found = document.get(name)
    return found if isinstance(found, dict) else {}


def parts(document: dict[str, Json], name: str) -> list[dict[str, Json]]:
    found = document.get(name)
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
