"""Makes a cluster at the first start and runs PostgreSQL: what the official image's entry point
does, as far as deploy/compose asks for it."""

import os
import subprocess
import sys
from pathlib import Path


def main() -> None:
    folder = Path(os.environ["PGDATA"])
    if not (folder / "PG_VERSION").exists():
        _make(folder)
    os.execvp(sys.argv[1], [*sys.argv[1:], "-c", "listen_addresses=*"])  # noqa: S606  the image's own


def _make(folder: Path) -> None:
    user = os.environ.get("POSTGRES_USER", "postgres")
    name = os.environ.get("POSTGRES_DB", user)
    if not name.isidentifier():
        sys.exit(f"POSTGRES_DB is {name!r}: letters, digits and _ alone")
    command = ["initdb", "-D", str(folder), "-U", user, "--encoding=UTF8", "--locale=C"]
    command += ["--auth-local=trust", "--auth-host=scram-sha-256"]
    command += [f"--pwfile={os.environ['POSTGRES_PASSWORD_FILE']}"]
    subprocess.run(command, check=True)
    if name != "postgres":
        single = ["postgres", "--single", "-D", str(folder), "postgres"]
        subprocess.run(single, input=f'CREATE DATABASE "{name}"\n', text=True, check=True)
    with (folder / "pg_hba.conf").open("a") as rules:
        rules.write("host all all all scram-sha-256\n")


main()
