"""What the reconciler must remember across a crash, as files that are whole or absent.

`rollouts/` is the memory of the planner, a file for each deployment, `checkpoint` the last log
checkpoint this witness saw, `trust.json` the last signed trust root. `outbox/` has the log events
that the registry has not acknowledged yet, `pledges/` those of what is being done to hosts,
`statements/` the signed test results that it does not have yet. `tokens/` are the secrets of hosts,
`permits/` what instances were handed last, `reconciler.pem` the key that signs those, `git.json`
which commit is in force, `accept/` what an operator wants to be, `people.json` who stands behind
which pseudonym, `holder` what tells this reconciler from others that share its fleet, `agents.json`
which hosts are their agents' own, `claim.json` and `report.json` what an agent knows of its claim
and told last, `sealed/` encrypted files of secrets that an instance may be brought back with. A
lock on the folder keeps a second reconciler out.
"""

import fcntl
import hashlib
import re
import secrets
import threading
from collections.abc import Collection
from pathlib import Path
from urllib.parse import quote

from reconciler import durable
from reconciler.core import rollout, rolloutjson
from registry import errors
from registry.core import canonical, fields
from registry.core.canonical import Json

KEY_FILE = "reconciler.pem"
GIT_FILE = "git.json"
CLAIM_FILE = "claim.json"
REPORT_FILE = "report.json"
WISHES = "accept"
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_ROLLOUTS = "rollouts"
_FOLDERS = ("outbox", "pledges", "statements", "tokens", "permits", _ROLLOUTS, WISHES, "sealed")
# All of the planner's memory in one file, as releases before wrote it.
_OLD_ROLLOUTS = "rollouts.json"
_LONGEST_NAME = 200


def peek(path: Path) -> rollout.Rollouts:
    """What the reconciler that owns `path` saved last, without getting in its way."""
    found: dict[str, rollout.Rollout] = {}
    for file in (path / _OLD_ROLLOUTS, *sorted((path / _ROLLOUTS).glob("*.json"))):
        try:
            found |= rolloutjson.load(file.read_bytes())
        except FileNotFoundError:
            continue
    return found


def leave_wish(folder: Path, commit: str, reason: str) -> None:
    """Ask the reconciler that owns `folder` to take `commit` as it is."""
    if not _COMMIT.fullmatch(commit):
        raise errors.InvalidInput(
            f"{commit[:80]!r} is not a whole commit id", fix="copy it from: plimsoll git status"
        )
    if not reason.strip():
        raise errors.InvalidInput("a reason is needed: it is what auditors will read")
    if not (folder / WISHES).is_dir():
        raise errors.NotFound(
            f"no reconciler has run with {folder}", fix="name its configuration file"
        )
    draft = folder / WISHES / f".{commit}"
    draft.write_text(reason.strip(), encoding="utf-8")
    draft.replace(folder / WISHES / commit)


class StateFolder:
    """The folder `path`, created with mode 0700; one process at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._naming = threading.Lock()
        for folder in (path, *(path / name for name in _FOLDERS)):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = (path / "lock").open("ab")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            raise errors.Conflict(
                f"another reconciler uses {path}", fix="stop it, or give this one its own folder"
            ) from error

    @property
    def path(self) -> Path:
        """Where it is."""
        return self._path

    def close(self) -> None:
        """Let another process in, even while a child that was just forked has the file open too."""
        if not self._lock.closed:
            fcntl.flock(self._lock, fcntl.LOCK_UN)
            self._lock.close()

    def rollouts(self) -> rollout.Rollouts:
        """What was saved last; nothing at the first start."""
        found = peek(self._path)
        if (self._path / _OLD_ROLLOUTS).exists():
            self.save_rollouts(found)
            (self._path / _OLD_ROLLOUTS).unlink()
        return found

    def save_rollouts(self, rollouts: rollout.Rollouts) -> None:
        """Replace what is remembered of these; on disk when this returns."""
        for key, known in rollouts.items():
            self._write(_rollout_file(key), rolloutjson.dump({key: known}))

    def drop_rollout(self, key: str) -> None:
        """Nothing is remembered of `key` any more."""
        (self._path / _rollout_file(key)).unlink(missing_ok=True)

    def checkpoint(self) -> str | None:
        """The last checkpoint seen, as a signed note."""
        data = self._read("checkpoint")
        return data.decode() if data is not None else None

    def save_checkpoint(self, text: str) -> None:
        """Remember `text` as the last checkpoint seen."""
        self._write("checkpoint", text.encode())

    def trust(self) -> bytes:
        """The signed trust root that was accepted last; empty if none ever was."""
        return self._read("trust.json") or b""

    def save_trust(self, data: bytes) -> None:
        """Remember `data` as the signed trust root accepted last."""
        self._write("trust.json", data)

    def token(self, host: str) -> str | None:
        """The token minted for `host` before."""
        data = self._read(f"tokens/{host}")
        return data.decode() if data is not None else None

    def save_token(self, host: str, token: str) -> None:
        """Keep the token of `host`, readable by this user only."""
        self._write(f"tokens/{host}", token.encode())

    def key(self) -> bytes | None:
        """The private key that signs permits, PEM; None before the first start."""
        return self._read(KEY_FILE)

    def save_key(self, pem: bytes) -> None:
        """Keep the key, readable by this user only."""
        self._write(KEY_FILE, pem)

    def permit(self, instance: str) -> bytes | None:
        """The permit that `instance` was handed last, as JSON text."""
        return self._read(f"permits/{instance}.json")

    def save_permit(self, instance: str, text: bytes) -> None:
        """Remember what `instance` is handed."""
        self._write(f"permits/{instance}.json", text)

    def drop_permit(self, instance: str) -> None:
        """The instance is gone."""
        (self._path / "permits" / f"{instance}.json").unlink(missing_ok=True)

    def in_force(self) -> bytes | None:
        """What is remembered of the commit in force, as JSON."""
        return self._read(GIT_FILE)

    def save_in_force(self, document: bytes) -> None:
        """Remember the commit in force; on disk when this returns."""
        self._write(GIT_FILE, document)

    def wish(self, commit: str) -> str | None:
        """Why an operator wants `commit` to be taken as it is; None where nobody does."""
        data = self._read(f"{WISHES}/{commit}")
        return data.decode("utf-8", "replace") if data is not None else None

    def drop_wish(self, commit: str) -> None:
        """The wish is granted."""
        (self._path / WISHES / commit).unlink(missing_ok=True)

    def pseudonym(self, name: str) -> str:
        """`p-` and 16 hex digits that stand for a person in the log; the same for each name.

        They are random: erasing the line in people.json is what makes them nobody's.
        """
        with self._naming:
            data = self._read("people.json")
            known = canonical.decode_object(data, what="people.json") if data is not None else {}
            if name not in known:
                known[name] = f"p-{secrets.token_hex(8)}"
                self._write("people.json", canonical.encode(known))
            return str(known[name])

    def holder(self, name: str) -> str:
        """What leases are taken as: `name` and 8 hex digits, the same after a restart."""
        data = self._read("holder")
        if data is None:
            data = secrets.token_hex(4).encode()
            self._write("holder", data)
        return f"{name}-{data.decode()}"

    def claims(self) -> frozenset[str] | None:
        """The hosts that were their agents' own when the registry said so last."""
        data = self._read("agents.json")
        if data is None:
            return None
        told = canonical.decode_object(data, what="agents.json")
        return frozenset(map(str, fields.sequence(told, "hosts", what="agents.json")))

    def save_claims(self, hosts: Collection[str]) -> None:
        """Remember these hosts as their agents' own."""
        self._write("agents.json", canonical.encode({"hosts": sorted(hosts)}))

    def claim(self) -> bytes | None:
        """What an agent remembers of its claim on its own host, as JSON."""
        return self._read(CLAIM_FILE)

    def save_claim(self, document: bytes) -> None:
        """Remember the claim; on disk when this returns."""
        self._write(CLAIM_FILE, document)

    def save_report(self, document: bytes) -> None:
        """Keep what an agent tells last."""
        self._write(REPORT_FILE, document)

    def post(self, event: dict[str, Json]) -> None:
        """Put `event` last in the outbox, under its `id`."""
        last = max((int(path.stem) for path in self._posted()), default=0)
        self._write(f"outbox/{last + 1:012d}.json", canonical.encode(event))

    def pending(self) -> list[tuple[str, dict[str, Json]]]:
        """The outbox in the order of posting, each with the name to `unpost` it by."""
        found = []
        for path in self._posted():
            event = canonical.decode_object(path.read_bytes(), what=str(path))
            found.append((path.name, event))
        return found

    def unpost(self, name: str) -> None:
        """Drop an acknowledged event; a crash before this only sends it again."""
        (self._path / "outbox" / name).unlink(missing_ok=True)

    def pledge(self, name: str, document: dict[str, Json]) -> None:
        """Keep what is about to be done, before it is; on disk when this returns."""
        self._write(f"pledges/{name}.json", canonical.encode(document))

    def pledges(self) -> list[tuple[str, dict[str, Json]]]:
        """What was about to be done, and nobody told the end of, each with its name."""
        return self._documents("pledges")

    def drop_pledge(self, name: str) -> None:
        """Its end is told, or it was not done."""
        (self._path / "pledges" / f"{name}.json").unlink(missing_ok=True)

    def keep_statement(self, name: str, statement: dict[str, Json]) -> None:
        """Keep a signed statement until the registry has it."""
        self._write(f"statements/{name}.json", canonical.encode(statement))

    def statements(self) -> list[tuple[str, dict[str, Json]]]:
        """Those that the registry does not have yet, each with its name."""
        return self._documents("statements")

    def drop_statement(self, name: str) -> None:
        """The registry has it, or will never take it."""
        (self._path / "statements" / f"{name}.json").unlink(missing_ok=True)

    def sealed(self, name: str) -> bytes | None:
        """An encrypted file of secrets as it was when `keep_sealed` got it."""
        return self._read(f"sealed/{name}.yaml")

    def keep_sealed(self, name: str, data: bytes) -> None:
        """Keep an encrypted file of secrets, under what it was asked for by."""
        self._write(f"sealed/{name}.yaml", data)

    def _documents(self, folder: str) -> list[tuple[str, dict[str, Json]]]:
        return [
            (path.stem, canonical.decode_object(path.read_bytes(), what=str(path)))
            for path in sorted((self._path / folder).glob("*.json"))
        ]

    def _posted(self) -> list[Path]:
        return sorted((self._path / "outbox").glob("*.json"))

    def _read(self, name: str) -> bytes | None:
        try:
            return (self._path / name).read_bytes()
        except FileNotFoundError:
            return None

    def _write(self, name: str, data: bytes) -> None:
        durable.write(self._path / name, data)


def _rollout_file(key: str) -> str:
    """Whatever a host says is the name of a deployment is no path."""
    name = quote(key, safe="")
    if len(name) > _LONGEST_NAME:
        name = hashlib.sha256(key.encode()).hexdigest()
    return f"{_ROLLOUTS}/{name}.json"
