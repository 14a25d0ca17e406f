"""Bars for long work: on stderr, for people; nothing where nobody watches."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Advance = Callable[[int], None]


@contextmanager
def of_bytes(title: str, total: int, *, passes: int = 1) -> Iterator[Advance]:
    """A bar with speed and rest; call what it gives with the bytes just done, in each of so many
    passes over them."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console  # noqa: PLC0415  heavy
    from rich.progress import DownloadColumn, Progress, TransferSpeedColumn  # noqa: PLC0415

    bar = Progress(
        *Progress.get_default_columns(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    with bar:
        task = bar.add_task(title, total=total)
        yield lambda count: bar.advance(task, count / passes)


@contextmanager
def of_phases() -> Iterator[Callable[[str, int, int], None]]:
    """A bar for work in several phases; call what it gives with (phase, done, total)."""
    if not sys.stderr.isatty():
        yield lambda *_: None
        return
    from rich.console import Console  # noqa: PLC0415  heavy
    from rich.progress import Progress  # noqa: PLC0415

    bar = Progress(
        *Progress.get_default_columns(),
        console=Console(stderr=True),
        transient=True,
    )
    with bar:
        task = bar.add_task("", total=None)
        yield lambda phase, done, total: bar.update(
            task, description=phase, completed=done, total=max(total, 1)
        )
