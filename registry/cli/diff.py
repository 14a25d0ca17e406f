"""`plimsoll diff`: what Git asks for against what hosts serve, host by host."""

from typing import Annotated

import typer

from registry.cli import options, output, status
from registry.core import hostlist
from registry.core.canonical import Json
from registry.exits import Exit

app = typer.Typer()

_TITLES = ("host", "difference", "desired", "observed", "why")


@app.command()
def diff(
    deployment: status.Deployment,
    *,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="End with 2 where something differs.")
    ] = False,
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
    form: output.Output = output.Form.TABLE,
) -> int:
    """What Git asks for against what each host serves; ends with 0 either way unless told else."""
    key = status.key(deployment)
    with options.connect(server, token_file) as client:
        document = client.deployment(key)
    found = differences(document)
    if form.is_data:
        output.print_document(
            form, {"deployment": key, "differs": bool(found), "differences": found}
        )
    else:
        _print(key, document, found)
    return Exit.CHANGES if found and detailed_exitcode else Exit.OK


def differences(document: dict[str, Json]) -> list[dict[str, Json]]:
    """One for each host that does not serve what is asked for, or of which nobody can say so."""
    desired = status.part(document, "desired")
    refused = status.part(status.part(document, "git"), "refused")
    found: list[dict[str, Json]] = []
    if refused:
        found.append(
            {
                "host": "",
                "difference": "commit refused",
                "desired": str(refused.get("commit") or "")[:12],
                "observed": str(document.get("commit") or "")[:12],
                "why": str(refused.get("reason") or ""),
            }
        )
    for host in status.parts(document, "hosts"):
        if host.get("sync") == "Synced":
            continue
        serving = status.part(host, "serving")
        found.append(
            {
                "host": str(host.get("host") or ""),
                "difference": _kind(host, desired, serving),
                "desired": _words(desired) or "nothing",
                "observed": _words(serving) or _unseen(host),
                "why": _why(document, host),
            }
        )
    return found


def _kind(host: dict[str, Json], desired: dict[str, Json], serving: dict[str, Json]) -> str:
    if host.get("sync") == "Unknown":
        return "unknown"
    if not desired:
        return "to be removed"
    if not serving:
        return "missing"
    if serving.get("model") != desired.get("model"):
        return "model"
    if serving.get("version") != desired.get("version"):
        return "version"
    return "digest" if serving.get("digest") != desired.get("digest") else "settings"


def _unseen(host: dict[str, Json]) -> str:
    return "unknown" if host.get("health") in ("Unreachable", "Unknown") else "nothing"


def _words(version: dict[str, Json]) -> str:
    """digits@7 sha256:0123456789ab of commit 0123456789ab."""
    if not version:
        return ""
    digest = str(version.get("digest") or "")[: len("sha256:") + 12]
    commit = str(version.get("commit") or "")[:12]
    return f"{version.get('model')}@{version.get('version')} {digest} of {commit}"


def _why(document: dict[str, Json], host: dict[str, Json]) -> str:
    """The host's own reason; else what happens there next, or is waited for."""
    if host.get("reason"):
        return str(host["reason"]).removeprefix(f"{host.get('host')}: ")
    steps = [*status.parts(document, "next"), *status.parts(document, "waiting")]
    for step in steps:
        if host.get("host") in (step.get("place"), step.get("host")):
            return str(step.get("text") or "")
    return ""


def _print(key: str, document: dict[str, Json], found: list[dict[str, Json]]) -> None:
    if not found:
        hosts = len(status.parts(document, "hosts"))
        asked = _words(status.part(document, "desired"))
        typer.echo(f"{key}: no difference: {hosts} hosts serve {asked}")
        return
    alike: dict[tuple[str, ...], list[str]] = {}
    for one in found:
        about = tuple(str(one[name]) for name in _TITLES[1:])
        alike.setdefault(about, []).append(str(one["host"]))
    rows = [
        (hostlist.folded(hosts) if any(hosts) else "git", *about) for about, hosts in alike.items()
    ]
    output.print_table(_TITLES, rows)
