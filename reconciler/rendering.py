"""`plimsoll render`: a deployment of a checkout as manifests, for who has another way to apply."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler import checkout
from registry import errors

if TYPE_CHECKING:
    from reconciler.core.kubernetes import rendering, workload


def render(  # noqa: PLR0913  each is an option
    deployment: Annotated[str, typer.Argument(help="As environment/name.")],
    path: Annotated[
        Path, typer.Argument(help="A checkout of the desired-state repository.")
    ] = Path(),
    *,
    format: Annotated[str, typer.Option(help="kubernetes or kserve.")] = "kubernetes",  # noqa: A002
    registry: Annotated[str, typer.Option(help="The registry's URL as pods see it.")],
    gateway: Annotated[str, typer.Option(help="The Gateway for clients, as namespace/name.")],
    namespace: Annotated[str, typer.Option(help="Where it shall run.")] = "default",
    secret: Annotated[
        str, typer.Option(help="The Secret that has token and trust.json.")
    ] = "plimsoll-registry",  # noqa: S107  the name of a Secret
    host: Annotated[str, typer.Option(help="A name for the cluster, in the log.")] = "",
    serving: Annotated[
        Path | None, typer.Option(help="A checkout of what serves now, for a canary.")
    ] = None,
    weight: Annotated[
        int | None, typer.Option(min=0, max=100, help="Percent of requests for the new version.")
    ] = None,
) -> None:
    """Print a deployment as Kubernetes or KServe manifests; no network, and nothing secret."""
    from reconciler.core.kubernetes import rendering, workload  # noqa: PLC0415  heavy

    wish = rendering.Wish(
        format=_format(format),
        place=workload.Place(namespace, _gateway(gateway), registry),
        secret=secret,
        host=host,
        weight=weight,
    )
    former = None if serving is None else checkout.state(serving)
    typer.echo(rendering.render(checkout.state(path), deployment, wish, serving=former), nl=False)


def _format(given: str) -> "rendering.Format":
    from reconciler.core.kubernetes import rendering  # noqa: PLC0415  heavy

    known = [one.value for one in rendering.Format]
    if given not in known:
        raise errors.InvalidInput(
            f"--format: there is no format {given!r}", fix=f"one of {', '.join(known)}"
        )
    return rendering.Format(given)


def _gateway(given: str) -> "workload.Gateway":
    from reconciler.core.kubernetes import workload  # noqa: PLC0415  heavy

    namespace, slash, name = given.partition("/")
    if not (namespace and slash and name):
        raise errors.InvalidInput(
            f"--gateway: {given!r} is not namespace/name", fix="write infra/public, say"
        )
    return workload.Gateway(namespace, name)
