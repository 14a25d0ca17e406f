"""`python -m bench [--area AREA]`: measure, print the table, write results.json.

The exit code is 1 where a bar does not hold, and what was measured is written even when
something breaks or is interrupted half-way.
"""

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from pathlib import Path
from types import FrameType

import structlog
from rich.console import Console

from bench import (
    appending,
    auditing,
    catalogue,
    command_line,
    control,
    converged,
    copies,
    deciding,
    encryption,
    figures,
    fleet_rollouts,
    floor,
    folders,
    fuzzing,
    mlflow,
    models,
    packaging,
    pages,
    planning,
    postgres,
    pull_requests,
    pulled,
    registries,
    rollouts,
    runtime,
    starting,
    transfers,
    trust,
)
from bench.figures import Row
from registry import errors

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "bench" / "results.json"
SCRATCH = ROOT / ".build"
_FUZZ_SECONDS = 600.0

Rows = Generator[Row, None, None]
Area = Callable[[Path], Rows]


def main() -> int:
    """Measure what was asked for."""
    command = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    command.add_argument("--area", choices=[*AREAS, "all"], default="all")
    area: str = command.parse_args().area
    signal.signal(signal.SIGTERM, _terminate)
    # What is measured starts as it does where it is installed: compiled.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    # Every action of a reconciler is a line in its log: here, only what went wrong is shown.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("warning"))
    with tempfile.TemporaryDirectory() as home:
        # Where an upload that broke off is remembered: not among the user's own.
        os.environ["XDG_STATE_HOME"] = home
        return measure(_all() if area == "all" else [AREAS[area]], RESULTS)


def measure(areas: list[Area], results: Path) -> int:
    """Run `areas` one after the other; returns the exit code."""
    console, rows = Console(width=None if sys.stdout.isatty() else 180), list[Row]()
    try:
        for area in areas:
            _collect(area, rows, console)
    except errors.PlimsollError as error:
        said = [f"error: {error.detail}", f"  fix: {error.fix}" if error.fix else ""]
        for line in filter(None, said + getattr(error, "__notes__", [])):
            console.print(line, style="red", markup=False)
        return error.exit_code
    finally:
        results.write_text(figures.document(rows), encoding="utf-8")
        console.print(figures.table(rows))
    broken = figures.broken(rows)
    if broken:
        console.print(f"{len(broken)} of these bars do not hold", style="red")
    return 1 if broken else 0


def _collect(area: Area, rows: list[Row], console: Console) -> None:
    """All rows of `area`, each told as soon as it is known; nothing of it is left behind."""
    SCRATCH.mkdir(exist_ok=True)
    # On the disk of this checkout: the usual folder for temporary files may be in memory.
    with (
        tempfile.TemporaryDirectory(prefix="bench-", dir=SCRATCH) as folder,
        closing(area(Path(folder))) as measured,
    ):
        for row in measured:
            rows.append(row)
            console.print(figures.line(row), highlight=False, markup=False)


def _registry(folder: Path) -> Rows:
    model = models.onnx(folder, seed=1)
    with mlflow.running(folder / "mlflow", scratch=SCRATCH) as peer:
        yield from starting.rows(folder, peer, model)
        with registries.running(folder) as registry:
            yield from transfers.rows(registry, folder, peer)
            yield from folders.rows(registry, peer, folder)
            yield from control.rows(registry, folder, model)
        yield from _catalogue(folder / "sqlite", peer, name="SQLite", model=model)
    with (
        postgres.cluster() as socket,
        mlflow.running(
            folder / "mlflow-postgresql",
            scratch=SCRATCH,
            database=postgres.create_database(socket, "mlflow"),
        ) as peer,
    ):
        database = postgres.create_database(socket, "plimsoll")
        place = folder / "postgresql"
        yield from _catalogue(place, peer, name="PostgreSQL", model=model, database=database)


def _catalogue(
    folder: Path, peer: mlflow.Running, *, name: str, model: Path, database: str = ""
) -> Rows:
    folder.mkdir()
    installation = registries.installed(folder, database=database)
    yield from catalogue.rows(installation, peer, name=name, model=model)


def _trust(folder: Path) -> Rows:
    yield from trust.rows()
    yield from pulled.rows(folder)
    yield from appending.rows(folder)
    yield from deciding.rows()
    yield from auditing.rows(folder, models.onnx(folder, seed=1))
    yield from encryption.rows(folder)


def _runtime(folder: Path) -> Rows:
    saved_model = models.saved_model(folder)
    with registries.running(folder) as registry:
        yield from runtime.rows(registry, folder, saved_model=saved_model, scratch=SCRATCH)


def _fuzz(folder: Path) -> Rows:
    yield from fuzzing.rows(folder, seconds=float(os.environ.get("SECONDS", _FUZZ_SECONDS)))


def _rollouts(folder: Path) -> Rows:
    parts = (
        ("commits", rollouts.rows),
        ("fleet", fleet_rollouts.rows),
        ("converged", converged.rows),
    )
    for name, part in parts:
        (folder / name).mkdir()
        yield from part(folder / name)


def _watermark(folder: Path) -> Rows:
    from bench.watermark import area  # noqa: PLC0415  scipy and onnxruntime's quantisation

    yield from copies.rows(folder / "copies")
    yield from area.rows()


def _experiments(_folder: Path) -> Rows:
    from bench.experiments import area  # noqa: PLC0415  numpy

    yield from area.rows()


def _acceptance(folder: Path) -> Rows:
    from bench import accepting, slow_test  # noqa: PLC0415  numpy

    yield from accepting.rows(folder)
    (folder / "slow").mkdir()
    yield from slow_test.rows(folder / "slow")


def _explaining(folder: Path) -> Rows:
    from bench import explaining  # noqa: PLC0415  numpy

    yield from explaining.rows(folder)


def _optimise(folder: Path) -> Rows:
    from bench import distilled, optimising  # noqa: PLC0415  onnxruntime

    yield from optimising.rows(folder)
    yield from distilled.rows(folder)


AREAS: Mapping[str, Area] = {
    "registry": _registry,
    "trust": _trust,
    "runtime": _runtime,
    "floor": floor.rows,
    "fuzz": _fuzz,
    "rollouts": _rollouts,
    "packaging": packaging.rows,
    "planning": planning.rows,
    "pull-requests": pull_requests.rows,
    "watermark": _watermark,
    "experiments": _experiments,
    "acceptance": _acceptance,
    "optimise": _optimise,
    "pages": pages.rows,
    "explaining": _explaining,
    "command-line": command_line.rows,
}


def _all() -> list[Area]:
    """Each once: `floor` is a part of `runtime`."""
    return [area for name, area in AREAS.items() if name != "floor"]


def _terminate(number: int, _frame: FrameType | None) -> None:
    """End by unwinding, so that containers and processes go too."""
    sys.exit(128 + number)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
