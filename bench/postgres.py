"""A PostgreSQL cluster of our own on a Unix socket, with the settings it comes with."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from registry import errors

_VERSIONS = Path("/usr/lib/postgresql")
_ON_DISK = "/var/tmp"  # noqa: S108  kept on disk where /tmp may be in memory


@contextmanager
def cluster() -> Iterator[str]:
    """The folder of the socket of a running cluster.

    It syncs each commit: nothing is switched off to be faster. Its files are on a disk, where its
    own user can reach them, which a checkout may not be.
    """
    programs = sorted(_VERSIONS.glob("*/bin"))
    if not programs:
        raise errors.NotFound(
            "PostgreSQL, on which the catalogue is measured too, is not installed",
            fix="apt-get install postgresql",
        )
    with tempfile.TemporaryDirectory(prefix="bench-pg-", dir=_ON_DISK) as home:
        if os.geteuid() == 0:  # it refuses to run as root
            shutil.chown(home, "postgres")
        _run(programs[-1], "initdb", "-D", f"{home}/data", "-U", "postgres", "--auth=trust")
        control = ["pg_ctl", "-D", f"{home}/data", "-w"]
        options = f"-c listen_addresses='' -k {home}"
        _run(programs[-1], *control, "-l", f"{home}/log", "-o", options, "start")
        try:
            yield home
        finally:
            _run(programs[-1], *control, "-m", "immediate", "stop")


def create_database(socket: str, name: str) -> str:
    """The address of a new, empty database."""
    place = f"host={socket} user=postgres dbname=postgres"
    with psycopg.connect(place, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return f"postgresql://postgres@/{name}?host={socket}"


def _run(programs: Path, program: str, *arguments: str) -> None:
    command: Sequence[str] = [str(programs / program), *arguments]
    if os.geteuid() == 0:
        command = ["runuser", "-u", "postgres", "--", *command]
    # pg_ctl leaves the server running with our output: a pipe would never close.
    with tempfile.TemporaryFile() as output:
        done = subprocess.run(command, stdout=output, stderr=output, cwd="/", check=False)
        output.seek(0)
        if done.returncode:
            said = output.read().decode(errors="replace").strip()[-500:]
            raise errors.Unavailable(f"{program} failed: {said}")
