"""This reconciler as a witness: it refuses a log that forked or shrank, and cosigns what grew.

The last checkpoint that it saw is on disk before anybody is told of it, and in Git where that is
set up: a reconciler that lost its state takes up from there. It cosigns nothing that
is older than what it has seen, and only where the trust root lists its key.
"""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from reconciler import checkpoints, client, state
from registry import errors
from registry.core import cosignature, note, watching
from registry.core.trustroot import TrustRoot
from registry.trust import keys

KEY_FILE = "witness.pem"
_EVERY_S = 5.0
_EXCHANGE_S = 600.0

log = structlog.get_logger()


class Witness:
    """One per reconciler; safe from several threads."""

    def __init__(
        self,
        registry: client.Registry,
        folder: state.StateFolder,
        trust: Callable[[], TrustRoot],
        archive: checkpoints.Checkpoints | None = None,
    ) -> None:
        self._registry = registry
        self._folder = folder
        self._trust = trust
        self._archive = archive
        self._lock = threading.Lock()
        self._fork: errors.LogForked | None = None
        text = folder.checkpoint()
        self._last = note.verify_checkpoint(text, trust().log) if text is not None else None

    def refresh(self) -> note.Checkpoint:
        """The registry's newest checkpoint, after a look at it; raises as `observe` does."""
        found = note.verify_checkpoint(self._registry.checkpoint(), self._trust().log)
        self.observe(found)
        return found

    def observe(self, new: note.Checkpoint) -> None:
        """Check that `new` and the last checkpoint seen are views of one log.

        Raises `LogForked` when they are not, `Unavailable` when the registry does not answer.
        """
        if self._fork is not None:
            raise self._fork
        with self._lock:
            self._look(new)

    def exchange(self) -> None:
        """Compare with what is kept in Git, and keep there what is newer.

        A fork that shows there stands in everybody's way until an exchange goes well.
        """
        if self._archive is None:
            return
        try:
            with self._lock:
                self._archive.exchange(self._look, lambda: self._last)
        except errors.LogForked as error:
            self._fork = error
            raise
        self._fork = None

    def _look(self, new: note.Checkpoint) -> None:
        if self._last is None and self._archive is not None:
            self._remember(self._archive.read())
        self._remember(watching.later(self._last, new, self._registry.consistency))

    def _remember(self, later: note.Checkpoint | None) -> None:
        if later is not None and (self._last is None or later.size > self._last.size):
            self._folder.save_checkpoint(later.text)
            self._last = later

    def cosign(self, key: keys.LogKey) -> bool:
        """Look, and tell the registry so; False where there is nothing to cosign."""
        trust = self._trust()
        me = trust.witness(key.public_raw)
        if me is None:
            return False
        found = self.refresh()
        if not self._is_newest(found):
            return False
        made = cosignature.write(found, me, time=int(time.time()), sign=key.sign)
        self._registry.cosign(note.alone(found, trust.log) + made.line)
        return True

    def _is_newest(self, found: note.Checkpoint) -> bool:
        with self._lock:
            return self._last is not None and found.size >= self._last.size


class Rounds:
    """Cosigns every few seconds, on a thread of its own, until it is closed."""

    def __init__(self, witness: Witness, key_file: Path, *, every_s: float = _EVERY_S) -> None:
        self._witness = witness
        self._exchange_at = 0.0
        self._key = keys.load_or_create_log_key(key_file)
        self._every_s = every_s
        self._over = threading.Event()
        self._said = ""
        self._thread = threading.Thread(target=self._run, name="witness", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop; a round under way is not waited for."""
        self._over.set()

    def _run(self) -> None:
        while not self._over.wait(self._every_s):
            try:
                self._round()
            except errors.PlimsollError as error:
                self._say(error)
            else:
                self._said = ""

    def _round(self) -> None:
        self._witness.cosign(self._key)
        if time.monotonic() >= self._exchange_at:
            self._witness.exchange()
            self._exchange_at = time.monotonic() + _EXCHANGE_S

    def _say(self, error: errors.PlimsollError) -> None:
        """Once for each trouble: the next round is a few seconds away."""
        if self._said != error.code:
            self._said = error.code
            log.warning("not cosigned", error=error.detail, fix=error.fix)
