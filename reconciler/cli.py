"""The reconciler's commands: `plimsoll reconcile`, `plan`, `validate`, `policy`, `schema`."""

import json
import signal
import threading
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler import (
    applying,
    checkout,
    doctor,
    importing,
    permitting,
    planning,
    referring,
    rendering,
    sealing,
    steering,
    tailing,
)
from registry import errors

if TYPE_CHECKING:
    from registry.core.documents import Problem

app = typer.Typer(no_args_is_help=True)
policy_app = typer.Typer(no_args_is_help=True, help="Policies on what may be deployed.")
app.add_typer(policy_app, name="policy")
git_app = typer.Typer(no_args_is_help=True, help="Which commit is in force, and which is not.")
app.add_typer(git_app, name="git")
permit_app = typer.Typer(no_args_is_help=True, help="Permits: what hosts are allowed to serve.")
app.add_typer(permit_app, name="permit")
app.add_typer(importing.app, name="import")
app.add_typer(steering.app)
app.add_typer(sealing.app, name="secrets")
app.add_typer(steering.model_app, name="model")
app.command()(rendering.render)
app.command()(applying.apply)
app.command()(planning.plan)
app.command()(tailing.logs)
app.command()(doctor.doctor)
app.command()(referring.reference)

Config = Annotated[Path, typer.Option(help="The configuration file.", show_default=True)]
Folder = Annotated[Path, typer.Argument(help="A checkout of the desired-state repository.")]


@app.command()
def reconcile(config: Config = Path("plimsoll.toml")) -> None:
    """Watch Git and converge the hosts to it, until stopped."""
    from reconciler import service  # noqa: PLC0415  heavy
    from registry import logs  # noqa: PLC0415  heavy

    logs.configure()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    service.run(config, stop)


agent_app = typer.Typer(invoke_without_command=True, help="A host that looks after itself.")
app.add_typer(agent_app, name="agent")


@agent_app.callback()
def agent(context: typer.Context, config: Config = Path("agent.toml")) -> None:
    """Converge this one host to Git, until stopped: from behind any firewall, also offline."""
    if context.invoked_subcommand is not None:
        return
    from reconciler import config as configuration  # noqa: PLC0415  heavy
    from reconciler import service  # noqa: PLC0415  heavy
    from registry import logs  # noqa: PLC0415  heavy

    logs.configure()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    service.run_as(configuration.load_agent(config), stop)


@agent_app.command("status")
def agent_status(config: Config = Path("agent.toml")) -> None:
    """Say how this host does, from what its agent left on disk; asks nobody."""
    from reconciler import config as configuration  # noqa: PLC0415  heavy
    from reconciler import owning  # noqa: PLC0415  heavy

    for line in owning.told(configuration.load_agent(config).state):
        typer.echo(line)


@app.command()
def validate(path: Folder = Path()) -> None:
    """Check models.d/ and policies/ without any network; errors name file, line and column."""
    from reconciler.core import desired  # noqa: PLC0415  heavy

    state = desired.load(checkout.files(path), commit="0" * 40)
    for made, keys in state.made.items():
        typer.echo(f"{made} makes {len(keys)}: {', '.join(keys)}")
    _require_sound(state.problems)
    typer.echo(
        f"ok: {len(state.deployments)} deployments, {len(state.hosts)} hosts, "
        f"{len(state.policies.rules)} policies"
    )


@app.command()
def schema(kind: Annotated[str, typer.Argument(help="ModelDeployment, Host, ...")]) -> None:
    """Print the JSON Schema of a kind, for editors."""
    from reconciler.core import kinds  # noqa: PLC0415  heavy

    if kind not in kinds.SCHEMAS:
        known = ", ".join(kinds.SCHEMAS)
        raise errors.NotFound(f"there is no kind {kind!r}", fix=f"one of {known}")
    typer.echo(json.dumps(kinds.schema(kinds.SCHEMAS[kind]), indent=2))


@policy_app.command("test")
def run_tests(path: Folder = Path()) -> None:
    """Run the tests beside the policies; every expression must be seen true and false."""
    from reconciler.core import desired  # noqa: PLC0415  heavy
    from registry.core.policy import testing  # noqa: PLC0415  heavy

    state = desired.load(checkout.files(path), commit="0" * 40)
    _require_sound([one for one in state.problems if one.path.startswith("policies/")])
    report = testing.run(state.policies, state.policy_tests)
    for result in report.results:
        verdict = "PASS" if result.passed else "FAIL"
        typer.echo(f"{verdict} {result.path}: {result.case} {result.trouble}".rstrip())
    for gap in report.gaps:
        typer.echo(f"GAP  {gap.path}: never seen {' or '.join(gap.missing)}: {gap.expression}")
    covered = f"{report.percent}% of {len(report.coverage)} expressions"
    if not report.passed:
        raise errors.PolicyDenied(
            f"policy tests failed; seen true and false: {covered}",
            fix="mend the policy or add the cases",
        )
    count = len(report.results)
    typer.echo(f"ok: {count} cases; {covered}: every expression seen true and false")


@policy_app.command("explain")
def explain(
    deployment: Annotated[str, typer.Argument(help="As environment/name.")],
    path: Folder = Path(),
    *,
    config: Config = Path("plimsoll.toml"),
) -> None:
    """Show how each policy of a checkout judges a deployment, by what verifies of its version."""
    from reconciler import config as configuration  # noqa: PLC0415  heavy
    from reconciler import explaining  # noqa: PLC0415  heavy
    from reconciler.core import desired  # noqa: PLC0415  heavy

    state = desired.load(checkout.files(path), commit="0" * 40)
    found = explaining.explain(configuration.load(config), state, deployment)
    for area in found:
        typer.echo(f"{area.area}:")
        for line in area.lines:
            typer.echo(f"  {line}")
    reasons = [reason for area in found for reason in area.reasons]
    if reasons:
        raise errors.PolicyDenied("; ".join(reasons), fix="see the lines above")
    typer.echo("allowed")


@git_app.command("status")
def git_status(config: Config = Path("plimsoll.toml")) -> None:
    """Say which commit is in force, who signed it, and why a newer one is not."""
    from reconciler import config as settings  # noqa: PLC0415  heavy
    from reconciler import gate  # noqa: PLC0415  heavy

    found = settings.load(config)
    standing = gate.peek(found.state, f"{found.repository} {found.branch}")
    if standing is None:
        raise errors.NotFound(
            f"no commit of {found.repository} is in force", fix="start the reconciler, see its log"
        )
    who = standing.provenance
    signed = f"signed by {who.signer}" if who.verified else "no signature was asked for"
    typer.echo(f"in force: {standing.commit} ({signed})")
    for path, one in standing.kept.items():
        typer.echo(f"kept:     {path} stays as it was: {one.why}")
    if standing.refused is not None:
        typer.echo(f"refused:  {standing.refused.commit} ({standing.refused.code})")
        typer.echo(f"          {standing.refused.reason}")
        typer.echo(f"  fix: {standing.refused.fix}")


@git_app.command("accept")
def git_accept(
    commit: Annotated[str, typer.Argument(help="The whole id of the refused commit.")],
    *,
    reason: Annotated[str, typer.Option(help="Why; it goes into the log.")],
    config: Config = Path("plimsoll.toml"),
) -> None:
    """Let a refused commit be in force as it is; run this where the reconciler runs."""
    from reconciler import config as settings  # noqa: PLC0415  heavy
    from reconciler import state  # noqa: PLC0415  heavy

    state.leave_wish(settings.load(config).state, commit, reason)
    typer.echo("it will be in force at the reconciler's next look at Git")


@permit_app.callback()
def permit() -> None:
    """What the reconciler signs for hosts."""


permit_app.command("issue")(permitting.issue)


@permit_app.command("key")
def permit_key(
    config: Config = Path("plimsoll.toml"),
    *,
    name: Annotated[str, typer.Option(help="The reconciler's name.")] = "reconciler",
) -> None:
    """Print this reconciler's public key, as the registry's reconcilers.json lists it."""
    from reconciler import config as settings  # noqa: PLC0415  heavy
    from reconciler import permits, signing, state  # noqa: PLC0415  heavy

    folder = settings.load(config).state
    key = signing.peek(folder)
    if key is None:
        with closing(state.StateFolder(folder)) as made:
            key = signing.load_or_create(made)
    typer.echo(json.dumps(permits.entry(key.signer(name)), indent=2))


def _require_sound(problems: Sequence["Problem"]) -> None:
    for problem in problems:
        typer.echo(problem.detail)
        if problem.fix:
            typer.echo(f"  fix: {problem.fix}")
    if problems:
        count = len(problems)
        raise errors.InvalidDesiredState(f"{count} problem{'s' if count > 1 else ''} found")
