"""What the runtime itself costs, without peers: starts, and the perceptron against the floor.

A part of the area `runtime` that takes two minutes and installs nothing.
"""

from collections.abc import Generator, Iterator
from pathlib import Path

from bench import inferring, networks, questions, registries, runtime, runtimes, turns
from bench.figures import Row
from bench.inferring import FLOOR, SINGLE


def rows(folder: Path) -> Generator[Row, None, None]:
    """Starts to AVAILABLE, then each form of request for one client and for several."""
    made = networks.perceptron(folder / "perceptron")
    with registries.running(folder) as registry:
        net = runtime.published(registry, made, model=SINGLE)
        yield from runtime.started(registry, net, folder=folder)
        with (
            inferring.floor(made / "model.onnx", folder / "floor.log") as port,
            runtimes.running(registry, net, folder=folder / "small") as running,
        ):
            yield from _answers(running.port, port)


def _answers(ours: int, floor: int) -> Iterator[Row]:
    picture = questions.picture()
    forms = {
        ":predict": questions.as_rows,
        "JSON": questions.as_json,
        "binary": questions.as_binary,
    }
    for kind, asks in forms.items():
        asked = {turns.OURS: asks(ours, SINGLE, picture), FLOOR: asks(floor, SINGLE, picture)}
        yield from inferring.small(kind, asked, {})
