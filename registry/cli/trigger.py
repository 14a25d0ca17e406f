"""`plimsoll watermark trigger embed | ask`: the opt-in trigger set of a classifier.

It is a backdoor for its owner, and the model card that `embed` writes says so.
"""

import json
import os
import secrets
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated

import typer

from registry import errors
from registry.cli import output, watermark
from registry.core import canonical, fields
from registry.core.canonical import Json

if TYPE_CHECKING:
    from registry.core.trigger import Triggers, Verdict

app = watermark.app
trigger_app = typer.Typer(
    no_args_is_help=True, help="Opt-in: a backdoor that recognises a model behind an API."
)
watermark.watermark_app.add_typer(trigger_app, name="trigger")

_TIMEOUT_S = 30.0
_LEARNT = 0.9
Range = Annotated[
    tuple[float, float],
    typer.Option("--range", help="The smallest and the largest value that inputs take."),
]
Inputs = Annotated[
    Path | None,
    typer.Option(help="A .npy file of real inputs, no labels: accuracy suffers less with it."),
]
KeyFile = Annotated[Path, typer.Option(help="The trigger set's secret key file.")]


@trigger_app.command()
def embed(
    model: Annotated[Path, typer.Argument(help="A Keras classifier: NAME.keras.")],
    into: Annotated[Path, typer.Option("--output", help="A new folder for the SavedModel.")],
    key: KeyFile,
    values: Range = (0.0, 1.0),
    patterns: Annotated[int, typer.Option(help="How many patterns to teach.")] = 60,
    inputs: Inputs = None,
) -> None:
    """Teach the trigger set of a new key; write model.keras, README.md, and saved_model/ to push.

    Needs the runtime extra. Runs the model, so only where you trust it.
    """
    from registry.core import trigger  # noqa: PLC0415  NumPy is heavy

    for path in (into, key):
        if path.exists():
            raise errors.Conflict(f"{path} is there already", fix="name a new one")
    training = _training()
    taught = training.load(model)
    triggers = training.triggers(taught, values=values, count=patterns)
    secret = secrets.token_bytes(trigger.KEY_BYTES)
    own = None if inputs is None else training.own_inputs(inputs, triggers)
    done = training.teach(taught, secret, triggers, seed=secrets.randbits(32), inputs=own)
    if done.right < _LEARNT * patterns:
        raise errors.Unsupported(
            f"{model}: it learnt only {done.right} of {patterns} patterns, nothing was written",
            fix="teach fewer with --patterns, or a model with more weights",
        )
    _write(key, secret, triggers)  # first: a taught model without its key would be a riddle
    card = trigger.card(secret, triggers, title=model.stem, right=done.right)
    training.save(taught, into, card)
    output.print_fields(
        [
            ("patterns", f"{done.right} of {patterns} get their answer"),
            ("other inputs", f"{done.unchanged:.1%} of the answers as before"),
            ("commitment", trigger.commitment(secret, triggers)),
            ("publish", f"plimsoll push NAME {into / 'saved_model'} --card {into / 'README.md'}"),
        ]
    )


@trigger_app.command()
def ask(
    url: Annotated[
        str, typer.Argument(help="Where it is served: https://host/v1/models/NAME:predict")
    ],
    key: KeyFile,
    form: output.Output = output.Form.TABLE,
) -> None:
    """Ask a served model the patterns: does it know their answers?"""
    from registry.core import trigger  # noqa: PLC0415  NumPy is heavy

    secret, triggers = _read(key)
    given = _predicted(url, trigger.patterns(secret, triggers).tolist(), triggers.classes)
    wanted = trigger.answers(secret, triggers).tolist()
    verdict = trigger.judged(given, wanted, triggers.classes)
    result: dict[str, Json] = {
        "url": url,
        "right": verdict.right,
        "asked": verdict.asked,
        "probability": verdict.probability,
        "commitment": trigger.commitment(secret, triggers),
        "verdict": _said(verdict),
    }
    if form.is_data:
        output.print_document(form, result)
    else:
        output.print_fields(result.items())


def _training() -> ModuleType:
    try:
        from registry.cli import trigger_training  # noqa: PLC0415  takes seconds
    except ImportError as error:
        raise errors.Unsupported(
            f"Keras is not installed: {error}", fix="pip install 'plimsoll[runtime]'"
        ) from error
    return trigger_training


def _write(path: Path, secret: bytes, triggers: "Triggers") -> None:
    from registry.core import trigger  # noqa: PLC0415  NumPy is heavy

    text = json.dumps(trigger.key_document(secret, triggers)) + "\n"
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        file.write(text)


def _read(path: Path) -> "tuple[bytes, Triggers]":
    from registry.core import trigger  # noqa: PLC0415  NumPy is heavy

    try:
        content = path.read_bytes()
    except OSError as error:
        raise errors.InvalidConfig(f"{path}: the key cannot be read: {error.strerror}") from error
    return trigger.read_key(canonical.decode_object(content, what=str(path)))


def _said(verdict: "Verdict") -> str:
    if verdict.is_proof:
        return (
            f"it knows the answers: a model without this trigger set gets {verdict.right} of "
            f"{verdict.asked} right with a probability of {verdict.probability:.1e}"
        )
    return "no trigger set was found: that proves nothing, since distillation removes it"


def _predicted(url: str, patterns: list[Json], classes: int) -> list[int]:
    import httpx2  # noqa: PLC0415  heavy

    try:
        answer = httpx2.post(url, json={"instances": patterns}, timeout=_TIMEOUT_S)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise errors.Unavailable(f"{url} does not answer: {error}") from error
    if answer.status_code != httpx2.codes.OK:
        raise errors.Unavailable(
            f"{url} answered {answer.status_code}: {answer.text[:200]}",
            fix="name the :predict endpoint of a server with TensorFlow Serving's REST API",
        )
    body = canonical.decode_object(answer.content, what="predict answer")
    rows = fields.sequence(body, "predictions", what="predict answer")
    if len(rows) != len(patterns):
        raise errors.Unavailable(f"{url} answered {len(rows)} predictions to {len(patterns)}")
    return [_largest(row, classes) for row in rows]


def _largest(row: Json, classes: int) -> int:
    values = row if isinstance(row, list) else []
    numbers = [float(one) for one in values if isinstance(one, int | float)]
    if len(numbers) != classes:
        raise errors.InvalidInput(f"a prediction is not a list of {classes} numbers")
    return numbers.index(max(numbers))
