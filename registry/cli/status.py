"""`plimsoll status`: sync, health and trust of every deployment, as the reconciler reports them."""

from typing import Annotated

import typer

from registry import errors
from registry.cli import options, output
from registry.core import names
from registry.core.canonical import Json

app = typer.Typer()


@app.command()
def status(
    deployment: Annotated[
        str | None, typer.Argument(help="ENVIRONMENT/NAME; without it, all of them.")
    ] = None,
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
    form: output.Output = output.Form.TABLE,
) -> None:
    """What is deployed and how it does."""
    with options.connect(server, token_file) as client:
        one = None if deployment is None else client.deployment(_key(deployment))
        found = client.deployments() if one is None else [one]
    if form is output.Form.JSON:
        output.print_json(found if one is None else one)
        return
    output.print_table(
        ("deployment", "wanted", "commit", "sync", "health", "trust", "reason"),
        [_row(document) for document in found],
    )
    if one is not None:
        _print_details(one)


def _key(text: str) -> str:
    parts = text.split("/")
    if len(parts) != 2:
        raise errors.InvalidInput(
            f"{text[:80]!r} names no deployment", fix="write ENVIRONMENT/NAME: production/digits"
        )
    environment, name = parts
    names.slug(environment, what="environment")
    return f"{environment}/{names.slug(name, what='deployment name')}"


def _row(document: dict[str, Json]) -> tuple[object, ...]:
    three = [_object(document, name) for name in ("sync", "health", "trust")]
    reasons = [str(part["reason"]) for part in three if part.get("reason")]
    return (
        f"{document.get('environment')}/{document.get('name')}",
        _version(document.get("desired")),
        str(document.get("commit") or "")[:12],
        *(part.get("status") for part in three),
        "; ".join(reasons),
    )


def _print_details(found: dict[str, Json]) -> None:
    typer.echo()
    _print_rollout(found)
    output.print_table(
        ("host", "serving", "sync", "health", "trust", "stage", "reason"),
        [
            (host.get("host"), _version(host.get("serving")), host.get("sync"),
             host.get("health"), host.get("trust"), host.get("stage"),
             host.get("reason") or host.get("trustReason"))
            for host in _objects(found, "hosts")
        ],
    )  # fmt: skip
    for entry in _objects(found, "quarantined"):
        branch = f"; reverted on branch {entry['branch']}" if entry.get("branch") else ""
        by = f" (by {entry['by']})" if entry.get("by") else ""
        request = f", {entry['request']}" if entry.get("request") else ""
        said = f"{_version(entry)}: {entry.get('reason')}{by}{branch}{request}"
        output.print_fields([("quarantined", said)])
    if answer := _object(found, "answer"):
        output.print_fields([("last asked", str(answer.get("text")))])


def _print_rollout(found: dict[str, Json]) -> None:
    """Where it is, what it waits for, and the commands that change that."""
    rollout = _object(found, "rollout")
    alike: dict[str, list[str]] = {}
    for wait in _objects(found, "waiting"):
        until = f", until {output.at(wait['until'])}" if wait.get("until") else ""
        alike.setdefault(f"{wait.get('text')}{until}", []).append(str(wait.get("host") or ""))
    fields = [("rollout", _where(rollout))] if rollout else []
    fields += [
        ("waits", f"{', '.join(hosts)}: {text}" if any(hosts) else text)
        for text, hosts in alike.items()
    ]
    commands = _objects(rollout, "commands")
    fields += [("to " + str(one.get("does")), str(one.get("command"))) for one in commands]
    if fields:
        output.print_fields(fields)
        typer.echo()


def _where(rollout: dict[str, Json]) -> str:
    """canary step 3/7 (pause), 20 % of the traffic, paused since 12:03:10 UTC."""
    named = rollout.get("headers")
    headers = ", ".join(map(str, named)) if isinstance(named, list) else ""
    step = f"{rollout.get('step')}/{rollout.get('steps')} ({rollout.get('name')})"
    parts = [
        f"{rollout.get('strategy')} step {step}",
        f"{rollout.get('weight')} % of the traffic",
        f"copies of {rollout['mirror']} %" if rollout.get("mirror") else "",
        f"requests by {headers}" if headers else "",
        f"{rollout.get('state')} since {output.at(rollout.get('since'))}",
    ]
    return ", ".join(part for part in parts if part)


def _version(value: Json) -> str:
    return f"{value.get('model')}@{value.get('version')}" if isinstance(value, dict) else ""


def _object(document: dict[str, Json], name: str) -> dict[str, Json]:
    found = document.get(name)
    return found if isinstance(found, dict) else {}


def _objects(document: dict[str, Json], name: str) -> list[dict[str, Json]]:
    found = document.get(name)
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
