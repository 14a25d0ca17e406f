"""What an audit command is pointed at: a bundle or a registry, and the trust root it needs."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from registry import errors
from registry.cli import audit_members, options, output, progress
from registry.core import note, trustchain
from registry.core.audit import check, documents, findings, layout
from registry.core.audit.archive import Member
from registry.core.audit.check import Recorded
from registry.core.audit.findings import Findings
from registry.core.trustroot import TrustRoot

Bundle = Annotated[
    Path | None,
    typer.Option("--bundle", help="An exported bundle; without it, the registry is asked."),
]
_WARNING = (
    "warning: the keys were taken from {origin} itself: this shows that the log is whole, not "
    "whose it is. Name a trust root with --trust."
)


@dataclass(frozen=True, slots=True)
class Asked:
    """Where to read, and whom to trust; `earlier` is a bundle that spares fetching what it has."""

    bundle: Path | None
    trust: Path | None
    server: str
    token_file: Path | None
    earlier: Path | None = None


@dataclass(slots=True)
class Source:
    """The members of a log with all about it, not read yet; `is_whole` without documents not."""

    members: Iterator[Member]
    trust: TrustRoot
    required: documents.Required
    found: Findings

    def walk(self, remembered: Sequence[note.Checkpoint] = ()) -> Iterator[Recorded]:
        """Every entry, checked as far as one can before the end; `found` has the verdict."""
        with progress.of_phases() as told:
            for recorded in check.walk(
                self.members, self.trust, self.found, remembered, required=self.required
            ):
                if recorded.index % 1000 == 0:
                    told("checking", recorded.index, self.found.signed.size)
                yield recorded

    def require_sound(self) -> None:
        """Raise IntegrityError unless all that was read held."""
        for notice in self.found.notices:
            output.message(f"note: {notice}")
        findings.require_sound(self.found)


@contextmanager
def opened(asked: Asked) -> Iterator[Source]:
    """The source; a registry's connection is closed at the end."""
    if asked.bundle is not None:
        yield _of_bundle(asked.bundle, asked.trust)
        return
    with options.connect(asked.server, asked.token_file) as client:
        trust = _root(asked.trust)
        if trust is None:
            output.message(_WARNING.format(origin="the registry"))
            trust = trustchain.read(client.trust())
        if client.has_token:
            members = audit_members.of_registry(
                client, trust, audit_members.proving, earlier=asked.earlier
            )
            yield Source(members, trust, documents.required, Findings())
        else:
            output.message("note: without a token only the log is checked, no documents")
            members = audit_members.of_registry(client, trust, audit_members.none)
            yield Source(members, trust, documents.nothing, Findings())


def remembered(path: Path | None, trust: TrustRoot) -> list[note.Checkpoint]:
    """The checkpoint that an earlier audit left in this file; raises InvalidConfig."""
    if path is None or not path.exists():
        return []
    try:
        return [note.verify_checkpoint(path.read_text(encoding="utf-8"), trust.log)]
    except (OSError, UnicodeDecodeError, errors.InvalidInput, errors.SignatureInvalid) as error:
        raise errors.InvalidConfig(
            f"{path}: not a checkpoint of this log: {error}",
            fix="name the file of an earlier `audit verify` of the same registry",
        ) from error


def _of_bundle(path: Path, trust: Path | None) -> Source:
    members = audit_members.of_bundle(path)
    root = _root(trust)
    if root is None:
        output.message(_WARNING.format(origin="the bundle"))
        root = _own_root(path)
    return Source(members, root, documents.required, Findings())


def _own_root(path: Path) -> TrustRoot:
    for member in audit_members.of_bundle(path):
        if member.name == layout.TRUST:
            return trustchain.read(member.content)
    raise errors.BundleInvalid(f"{path} has no {layout.TRUST}")


def _root(path: Path | None) -> TrustRoot | None:
    found = options.trust_path(path)
    return None if found is None else options.trust_root(found)
