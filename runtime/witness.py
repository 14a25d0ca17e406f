"""This host as a witness: it refuses a log that forked or shrank, and cosigns what grew.

    log/<key id>      the last checkpoint seen of the log with this key, on disk before it counts
    log/witness.pem   this host's key, made at the first start; where the trust root lists it,
                      the host cosigns every few seconds what it has looked at

The folder is the cache's, so that all runtimes of a host share one memory, under one lock.
"""

import fcntl
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from registry import errors
from registry.core import cosignature, note, watching
from registry.core.trustroot import TrustRoot
from registry.trust import keys
from runtime import durable
from runtime.pull import Registry

_EVERY_S = 5.0
_log = logging.getLogger("plimsoll.runtime")


class Witness:
    """Safe from several threads, and several processes of one host."""

    def __init__(self, registry: Registry, cache: Path) -> None:
        self.registry = registry
        self._folder = cache / "log"
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def key(self) -> keys.LogKey:
        """This host's own; its public half is what a trust root lists."""
        return keys.load_or_create_log_key(self._folder / "witness.pem")

    def observe(self, seen: note.Checkpoint, key: note.LogKey) -> bool:
        """Check that `seen` and the last checkpoint are views of one log; whether it is newest.

        Raises `LogForked` where they are not, `Unavailable` where the registry does not answer.
        """
        with self._memory(key) as path:
            last = _read(path, key)
            later = watching.later(last, seen, self.registry.consistency)
            if last is None or later.size > last.size:
                durable.replace(path, later.text.encode())
            return seen.size == later.size

    def cosign(self, trust: TrustRoot) -> bool:
        """Look at the log, and tell the registry so; False where there is nothing to cosign."""
        key = self.key()
        me = trust.witness(key.public_raw)
        if me is None:
            return False
        found = note.verify_checkpoint(self.registry.checkpoint(), trust.log)
        if not self.observe(found, trust.log):
            return False
        made = cosignature.write(found, me, time=int(time.time()), sign=key.sign)
        self.registry.cosign(note.alone(found, trust.log) + made.line)
        return True

    @contextmanager
    def _memory(self, key: note.LogKey) -> Iterator[Path]:
        path = self._folder / key.key_id.hex()
        with path.with_suffix(".lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield path


class Rounds:
    """Cosigns every few seconds, on a thread of its own, as long as the process lives."""

    def __init__(
        self, witness: Witness, trust: Callable[[], TrustRoot], *, every_s: float = _EVERY_S
    ) -> None:
        self._witness = witness
        self._trust = trust
        self._every_s = every_s
        self._said = ""
        threading.Thread(target=self._run, name="witness", daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                self._round()
            except (errors.PlimsollError, OSError) as error:
                self._say(error)
            else:
                self._said = ""
            time.sleep(self._every_s)

    def _round(self) -> None:
        trust = self._trust()
        if trust.witnesses:
            self._witness.cosign(trust)

    def _say(self, error: errors.PlimsollError | OSError) -> None:
        """Once for each trouble: the next round is a few seconds away."""
        if self._said != str(error):
            self._said = str(error)
            _log.warning("not cosigned", extra={"reason": self._said})


def _read(path: Path, key: note.LogKey) -> note.Checkpoint | None:
    try:
        return note.verify_checkpoint(path.read_text(encoding="utf-8"), key)
    except FileNotFoundError:
        return None
    except (errors.InvalidInput, errors.SignatureInvalid, UnicodeDecodeError) as error:
        raise errors.Unavailable(
            f"{path}: what this host remembers of the log is damaged: {error}",
            fix="find out why; without the file, the host trusts the next log it sees",
        ) from error
