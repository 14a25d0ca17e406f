"""Which log entries somebody wants to hear of."""

from dataclasses import dataclass
from fnmatch import fnmatchcase

from registry.core import canonical


@dataclass(frozen=True, slots=True)
class Interest:
    """Entries of these `kinds` (all, if none is named) about models that the glob `model` names,
    and about `deployment`, if it is named.

    Without a glob, entries that are about no model are wanted too.
    """

    kinds: tuple[str, ...] = ()
    model: str = ""
    deployment: str = ""

    def covers(self, kind: str, model: str | None) -> bool:
        if self.kinds and kind not in self.kinds:
            return False
        return not self.model or (model is not None and fnmatchcase(model, self.model))

    def covers_leaf(self, leaf: bytes) -> bool:
        """Whether the entry in `leaf` is about the deployment, where one is named."""
        if not self.deployment:
            return True
        # Leaves are canonical: what has not these bytes need not be read.
        if canonical.encode(self.deployment) not in leaf:
            return False
        return canonical.decode_object(leaf, what="log entry").get("deployment") == self.deployment
