"""What marking a version's files came to, before the version has a number."""

from dataclasses import dataclass, field
from enum import StrEnum

from registry.core.canonical import Json
from registry.core.oms import File


class Marking(StrEnum):
    """What a publisher may say of the mark, whatever the settings are."""

    ON = "on"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Mark:
    """The owner's mark in a model, made from `source` by the master key of `epoch`.

    `content` is the digest of `source`; `trial` says how the marked model was tried against the
    original; `weights_map` is where its weights lie, as a JSON document.
    """

    source: tuple[File, ...]
    content: str
    epoch: int
    scheme: str
    alpha: float
    weights: int
    predicted_z: float
    commitment: str
    weights_map: bytes
    trial: dict[str, Json] = field(default_factory=dict)

    def policy_document(self) -> dict[str, Json]:
        """As policies see it, before and after publication."""
        return {"scheme": self.scheme, "weights": self.weights, "z": self.predicted_z}
