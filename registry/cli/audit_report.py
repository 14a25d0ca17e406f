"""`plimsoll audit report`: a deployment's whole chain as one page for people, and for paper."""

from pathlib import Path
from typing import Annotated

import typer

from registry import errors
from registry.cli import audit, audit_source, options
from registry.core.audit.chain import Collector

app = audit.app


@audit.audit_app.command()
def report(
    deployment: Annotated[str, typer.Argument(help="ENVIRONMENT/NAME, such as production/fraud.")],
    out: Annotated[Path, typer.Option(help="The HTML file to write.")],
    bundle: audit_source.Bundle = None,
    trust: options.Trust = None,
    server: options.Server = options.DEFAULT_SERVER,
    token_file: options.TokenFile = None,
) -> None:
    """Who, what, when, where and why, with the proofs: one HTML file, which also prints well."""
    from registry.pages import audit_report  # noqa: PLC0415  heavy

    collector = Collector(deployment)
    with audit_source.opened(audit_source.Asked(bundle, trust, server, token_file)) as source:
        for recorded in source.walk():
            collector.add(recorded)
        source.require_sound()
    chain = collector.chain()
    if not chain.entries:
        raise errors.NotFound(
            f"the log says nothing of a deployment {deployment[:80]!r}",
            fix="name it as ENVIRONMENT/NAME; see those there are with `plimsoll audit query "
            "--kind deployed`",
        )
    shown = audit_report.Shown(
        source=bundle.name if bundle else server, trust=trust.name if trust else "trust.json"
    )
    page = audit_report.render(chain, source.found, shown)
    try:
        out.write_text(page, encoding="utf-8")
    except OSError as error:
        raise errors.InvalidConfig(
            f"{out}: the report cannot be written: {error.strerror}", fix="name another file"
        ) from error
    typer.echo(f"{out}: {len(chain.chapters)} versions, {len(chain.entries)} entries")
