"""Prints the demo as it happens, and remembers whether each step held."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table


class Broken(Exception):
    """What was promised did not happen; the message says what did."""


def require(holds: object, otherwise: str) -> None:
    """Go on only if `holds`."""
    if not holds:
        raise Broken(otherwise)


@dataclass
class Story:
    """The steps in order: name, outcome, seconds."""

    console: Console = field(default_factory=Console)
    steps: list[tuple[str, str, float]] = field(default_factory=list)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """One step; an error in it ends the story."""
        number, start = len(self.steps) + 1, time.monotonic()
        self.console.print(f"\n[bold]{number}  {title}[/bold]")
        try:
            yield
        except BaseException as error:
            self.steps.append((title, "failed", time.monotonic() - start))
            self.console.print(f"   [red]✖ {type(error).__name__}: {error}[/red]", highlight=False)
            raise
        self.steps.append((title, "held", time.monotonic() - start))

    def say(self, text: str) -> None:
        """One line of what happens."""
        self.console.print(f"   [green]✔[/green] {text}", highlight=False, soft_wrap=True)

    def note(self, text: str) -> None:
        """One line of context."""
        self.console.print(f"   [dim]{text}[/dim]", highlight=False, soft_wrap=True)

    def summary(self, *, planned: int) -> bool:
        """The table at the end; True if every one of `planned` steps held."""
        table = Table(title="First light", title_justify="left", show_edge=False, pad_edge=False)
        table.add_column("step")
        table.add_column("outcome")
        table.add_column("seconds", justify="right")
        for number, (title, outcome, seconds) in enumerate(self.steps, 1):
            colour = "green" if outcome == "held" else "red"
            table.add_row(f"{number} {title}", f"[{colour}]{outcome}[/]", f"{seconds:.1f}")
        self.console.print()
        self.console.print(table)
        return len(self.steps) == planned and all(one[1] == "held" for one in self.steps)
