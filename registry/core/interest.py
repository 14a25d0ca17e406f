"""Which log entries somebody wants to hear of."""

from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True, slots=True)
class Interest:
    """Entries of these `kinds` (all, if none is named) about models that the glob `model` names.

    Without a glob, entries that are about no model are wanted too.
    """

    kinds: tuple[str, ...] = ()
    model: str = ""

    def covers(self, kind: str, model: str | None) -> bool:
        if self.kinds and kind not in self.kinds:
            return False
        return not self.model or (model is not None and fnmatchcase(model, self.model))
