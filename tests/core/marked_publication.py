"""A marked version made by hand, and the copies of it that hosts get."""

from dataclasses import dataclass, field, replace

from registry.core import digest, entries, envelope, marked, oms
from registry.core.canonical import Json
from registry.core.watermark import records
from registry.core.watermark.records import Derivation
from registry.core.watermark.scheme import OWNER, SCHEME
from registry.trust import sign
from tests.core.publication import Publication

COMMITMENT = digest.of(b"the key of this version")


@dataclass
class Marked(Publication):
    """`contents` are the version's own files; the publisher signed `original`."""

    original: dict[str, bytes] = field(default_factory=dict)

    @property
    def source(self) -> tuple[oms.File, ...]:
        return tuple(files_of(self.original))

    @property
    def said_of_mark(self) -> Derivation:
        return Derivation(
            model=self.model,
            version=self.version,
            recipient=OWNER,
            scheme=SCHEME,
            alpha=0.02,
            weights=524_288,
            predicted_z=20.0,
            commitment=COMMITMENT,
            source=self.source,
            files=tuple(self.files),
            detail={},
        )

    @property
    def entry(self) -> entries.Entry:
        statement = digest.of(records.encode(self.said_of_mark))
        return replace(super().entry, detail={marked.DETAIL: statement})

    def parts(self) -> envelope.Parts:
        return replace(
            super().parts(),
            publisher_bundle=sign.sign_model(self.model, self.source, self.publisher),
            derivation=self.signed(self.said_of_mark),
        )

    def copy(self, contents: dict[str, bytes], **lies: object) -> dict[str, Json]:
        """The statement on a copy for edge-1, with `lies` put in."""
        honest = replace(self.said_of_mark, recipient="edge-1", files=tuple(files_of(contents)))
        return self.signed(replace(honest, **lies))  # type: ignore[arg-type]

    def signed(self, said: Derivation) -> dict[str, Json]:
        return sign.sign_statement(records.encode(said), self.registry)


def files_of(contents: dict[str, bytes]) -> list[oms.File]:
    return [oms.File(path, digest.of(data), len(data)) for path, data in contents.items()]
