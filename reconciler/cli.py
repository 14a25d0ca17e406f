"""The reconciler's commands: `plimsoll reconcile`, `plan`, `validate`, `policy test`, `schema`."""

import json
import signal
import threading
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from registry import errors

app = typer.Typer(no_args_is_help=True)
policy_app = typer.Typer(no_args_is_help=True, help="Policies on what may be deployed.")
app.add_typer(policy_app, name="policy")
permit_app = typer.Typer(no_args_is_help=True, help="Permits: what hosts are allowed to serve.")
app.add_typer(permit_app, name="permit")

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


@app.command()
def plan(
    config: Config = Path("plimsoll.toml"),
    *,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="End with 2 when there are changes.")
    ] = False,
) -> int:
    """Print what the reconciler would do next, and change nothing."""
    from reconciler import service  # noqa: PLC0415  heavy

    coming = service.preview(config)
    typer.echo(f"at commit {coming.commit[:12]}")
    typer.echo(coming.render())
    return 2 if detailed_exitcode and coming.actions else 0


@app.command()
def validate(path: Folder = Path()) -> None:
    """Check models.d/ and policies/ without any network; errors name file, line and column."""
    from reconciler.core import desired  # noqa: PLC0415  heavy

    state = desired.load(_files(path), commit="0" * 40)
    for problem in state.problems:
        typer.echo(problem.detail)
        if problem.fix:
            typer.echo(f"  fix: {problem.fix}")
    if state.problems:
        count = len(state.problems)
        raise errors.InvalidDesiredState(f"{count} problem{'s' if count > 1 else ''} found")
    typer.echo(
        f"ok: {len(state.deployments)} deployments, {len(state.hosts)} hosts, "
        f"{len(state.policies.rules)} policies"
    )


@app.command()
def schema(kind: Annotated[str, typer.Argument(help="ModelDeployment, Host, ...")]) -> None:
    """Print the JSON Schema of a kind, for editors."""
    from reconciler.core import kinds  # noqa: PLC0415  heavy

    if kind not in kinds.KINDS:
        raise errors.NotFound(f"there is no kind {kind!r}", fix=f"one of {', '.join(kinds.KINDS)}")
    typer.echo(json.dumps(kinds.schema(kinds.KINDS[kind]), indent=2))


@policy_app.command("test")
def run_tests(path: Folder = Path()) -> None:
    """Run the tests beside the policies; every expression must be seen true and false."""
    from reconciler.core import desired  # noqa: PLC0415  heavy
    from registry.core.policy import testing  # noqa: PLC0415  heavy

    state = desired.load(_files(path), commit="0" * 40)
    report = testing.run(state.policies, state.policy_tests)
    for result in report.results:
        verdict = "PASS" if result.passed else "FAIL"
        typer.echo(f"{verdict} {result.path}: {result.case} {result.trouble}".rstrip())
    for gap in report.gaps:
        typer.echo(f"GAP  {gap.path}: never seen {' or '.join(gap.missing)}: {gap.expression}")
    if not report.passed:
        raise errors.PolicyDenied("policy tests failed", fix="mend the policy or add the cases")
    typer.echo(f"ok: {len(report.results)} cases, every expression seen true and false")


@permit_app.callback()
def permit() -> None:
    """What the reconciler signs for hosts."""


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


def _files(root: Path) -> dict[str, bytes]:
    from reconciler.core import desired  # noqa: PLC0415  heavy

    found = [path for folder in desired.FOLDERS for path in sorted((root / folder).rglob("*"))]
    if not found:
        raise errors.NotFound(
            f"{root} has neither models.d/ nor policies/",
            fix="run this in a checkout of the desired-state repository, or name one",
        )
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in found
        if path.is_file() and not path.is_symlink()
    }
