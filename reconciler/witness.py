"""Remembers the last checkpoint of the log and refuses a log that forked or shrank."""

import threading

from reconciler import client, state
from registry import errors
from registry.core import merkle, note


class Witness:
    """One witness per reconciler; safe from several threads."""

    def __init__(
        self, registry: client.Registry, folder: state.StateFolder, key: note.LogKey
    ) -> None:
        self._registry = registry
        self._folder = folder
        self._key = key
        self._lock = threading.Lock()
        text = folder.checkpoint()
        self._last = note.verify_checkpoint(text, key) if text is not None else None

    def refresh(self) -> None:
        """Look at the registry's newest checkpoint; raises as `observe` does."""
        self.observe(note.verify_checkpoint(self._registry.checkpoint(), self._key))

    def observe(self, new: note.Checkpoint) -> None:
        """Check that `new` and the last checkpoint seen are views of one log.

        Raises `LogForked` when they are not, `Unavailable` when the registry does not prove it.
        An older view is fine as long as the newer one extends it.
        """
        with self._lock:
            last = self._last
            if last is not None and last.size > 0 and new.size > 0:
                older, newer = sorted((last, new), key=lambda checkpoint: checkpoint.size)
                self._require_growth(older, newer)
            if last is None or new.size > last.size:
                self._folder.save_checkpoint(new.text)
                self._last = new

    def _require_growth(self, older: note.Checkpoint, newer: note.Checkpoint) -> None:
        proof = []
        if 0 < older.size < newer.size:
            try:
                proof = self._registry.consistency(older.size, newer.size)
            except (errors.NotFound, errors.InvalidInput) as error:
                raise errors.LogForked(
                    f"the registry cannot show that its log of {newer.size} entries extends the "
                    f"one of {older.size} seen before: {error.detail}",
                    fix="restore the registry's database from before the loss",
                ) from error
        try:
            merkle.check_consistency((older.size, older.root), (newer.size, newer.root), proof)
        except errors.IntegrityError as error:
            raise errors.LogForked(
                f"the registry's log is not the one seen before: {error.detail}",
                fix="do not deploy; compare the checkpoints kept by reconcilers and hosts",
            ) from error
