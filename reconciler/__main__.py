"""`python -m reconciler`: the reconciler's own commands, where the registry's are not installed."""

import sys

import typer

from reconciler.cli import app
from registry import errors


def main() -> int:
    """Run one command; returns the exit code."""
    try:
        app(prog_name="python -m reconciler")
    except errors.PlimsollError as error:
        typer.echo(f"error: {error.detail}", err=True)
        if error.fix:
            typer.echo(f"  fix: {error.fix}", err=True)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
