"""A throw-away PostgreSQL cluster on a unix socket, started as `postgres` if we are root."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

_PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


def is_installed() -> bool:
    return bool(_PROGRAMS)


@contextmanager
def cluster(*, is_durable: bool = False) -> Iterator[str]:
    """The folder of the socket of a running cluster with the superuser `postgres`.

    Only where `is_durable` does it survive `stop`, which is as sudden as a power cut.
    """
    folder = Path(tempfile.mkdtemp(prefix="plimsoll-pg-"))
    data = folder / "data"
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
        _run("initdb", "-D", str(data), "-U", "postgres", "--auth=trust", "--no-sync")
        sync = "on" if is_durable else "off"
        with (data / "postgresql.auto.conf").open("a") as settings:
            settings.write(f"listen_addresses = ''\nfsync = {sync}\nmax_connections = 200\n")
            settings.write(f"unix_socket_directories = '{folder}'\n")
        start(str(folder))
        try:
            yield str(folder)
        finally:
            stop(str(folder))
    finally:
        shutil.rmtree(folder)


def start(folder: str) -> None:
    """Start the cluster again that `stop` stopped."""
    _run("pg_ctl", "-D", f"{folder}/data", "-l", f"{folder}/log", "-w", "-t", "300", "start")


def stop(folder: str) -> None:
    """As a power cut would."""
    _run("pg_ctl", "-D", f"{folder}/data", "-m", "immediate", "-w", "-t", "300", "stop")


def create_database(socket_folder: str, name: str) -> str:
    """The address of a new, empty database."""
    with psycopg.connect(
        f"host={socket_folder} user=postgres dbname=postgres", autocommit=True
    ) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    return f"postgresql://postgres@/{name}?host={socket_folder}"


def _run(program: str, *arguments: str) -> None:
    command = [str(_PROGRAMS[0] / program), *arguments]
    # Not by runuser, which stops, and stays so, once the program that it runs was stopped.
    who = "postgres" if os.geteuid() == 0 else None
    # pg_ctl leaves the server running with our output: a pipe would never close.
    with tempfile.TemporaryFile() as output:
        done = subprocess.run(
            command, stdout=output, stderr=output, cwd="/", check=False,
            user=who, group=who, extra_groups=None if who is None else [],
        )  # fmt: skip
        output.seek(0)
        assert done.returncode == 0, output.read().decode()
