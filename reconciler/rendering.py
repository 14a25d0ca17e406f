"""`plimsoll render`: a deployment of a checkout as manifests, for who has another way to apply."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler import checkout
from registry import errors

if TYPE_CHECKING:
    from reconciler.core.kubernetes import permitted, rendering, workload


# What `render` and `apply` are asked with.
Deployment = Annotated[str, typer.Argument(help="As environment/name.")]
Checkout = Annotated[Path, typer.Argument(help="A checkout of the desired-state repository.")]
Form = Annotated[str, typer.Option("--format", help="kubernetes or kserve.")]
Registry = Annotated[str, typer.Option(help="The registry's URL as pods see it.")]
Gateway = Annotated[str, typer.Option(help="The Gateway for clients, as namespace/name.")]
Namespace = Annotated[str, typer.Option(help="Where it shall run.")]
Secret = Annotated[str, typer.Option(help="The Secret that has token and trust.json.")]
HostName = Annotated[str, typer.Option(help="A name for the cluster, in the log.")]
Serving = Annotated[Path | None, typer.Option(help="A checkout of what serves now, for a canary.")]
Weight = Annotated[
    int | None, typer.Option(min=0, max=100, help="Percent of requests for the new version.")
]
Permits = Annotated[
    list[Path] | None,
    typer.Option("--permit", help="A permit from: plimsoll permit issue. Once for each version."),
]
Trust = Annotated[
    Path | None, typer.Option(help="The trust.json of the pods, to hold permits against.")
]
SECRET = "plimsoll-registry"  # noqa: S105  the name of a Secret


def render(  # noqa: PLR0913  each is an option
    deployment: Deployment,
    path: Checkout = Path(),
    *,
    form: Form = "kubernetes",
    registry: Registry,
    gateway: Gateway,
    namespace: Namespace = "default",
    secret: Secret = SECRET,
    host: HostName = "",
    serving: Serving = None,
    weight: Weight = None,
    permit: Permits = None,
    trust: Trust = None,
) -> None:
    """Print a deployment as Kubernetes or KServe manifests; no network, and nothing secret."""
    from reconciler.core.kubernetes import text, workload  # noqa: PLC0415  heavy

    place = workload.Place(namespace, gateway_of(gateway), registry)
    asked = wish(
        form, place, secret=secret, host=host, weight=weight, shown=shown(permit or [], trust)
    )
    typer.echo(text.documents(manifests(path, deployment, asked, serving)), nl=False)


def manifests(
    path: Path, deployment: str, asked: "rendering.Wish", serving: Path | None
) -> "list[workload.Manifest]":
    """Of the deployment as the checkout at `path` has it."""
    from reconciler.core.kubernetes import rendering  # noqa: PLC0415  heavy

    former = None if serving is None else checkout.state(serving)
    return rendering.manifests(checkout.state(path), deployment, asked, serving=former)


def wish(
    form: str,
    place: "workload.Place",
    *,
    secret: str,
    host: str,
    weight: int | None,
    shown: "permitted.Shown",
) -> "rendering.Wish":
    """What the options ask for; raises `InvalidInput`."""
    from reconciler.core.kubernetes import rendering  # noqa: PLC0415  heavy

    return rendering.Wish(_format(form), place, secret, host, weight, shown)


def shown(permits: Sequence[Path], trust: Path | None) -> "permitted.Shown":
    """What these files have; raises `InvalidInput` and `TrustRootRefused`."""
    from reconciler.core.kubernetes import permitted  # noqa: PLC0415  heavy
    from registry.core import trustchain  # noqa: PLC0415  heavy

    texts = tuple(_read(file, "--permit").decode("utf-8", "replace") for file in permits)
    root = None if trust is None else trustchain.read(_read(trust, "--trust"))
    return permitted.Shown(texts, root, datetime.now(UTC))


def _read(file: Path, option: str) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise errors.InvalidInput(f"{option}: {file} cannot be read: {error.strerror}") from error


def _format(given: str) -> "rendering.Format":
    from reconciler.core.kubernetes import rendering  # noqa: PLC0415  heavy

    known = [one.value for one in rendering.Format]
    if given not in known:
        raise errors.InvalidInput(
            f"--format: there is no format {given!r}", fix=f"one of {', '.join(known)}"
        )
    return rendering.Format(given)


def gateway_of(given: str) -> "workload.Gateway":
    """As --gateway names it; raises `InvalidInput`."""
    from reconciler.core.kubernetes import workload  # noqa: PLC0415  heavy

    namespace, slash, name = given.partition("/")
    if not (namespace and slash and name):
        raise errors.InvalidInput(
            f"--gateway: {given!r} is not namespace/name", fix="write infra/public, say"
        )
    return workload.Gateway(namespace, name)
