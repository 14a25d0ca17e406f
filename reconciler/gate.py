"""Between what was fetched and what is in force: no commit passes that the rules refuse.

A commit that is refused changes nothing: the one in force stays, and the status says why the
newer one is not. What was decided is in the log; people stand there under pseudonyms.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from reconciler import authors, journal, repo, signatures, state, tracing
from reconciler.core import gittrust
from reconciler.core.authorship import Kept
from reconciler.core.gittrust import Accepted, Judgement, Mode, Provenance, Refused, Rules
from registry import errors
from registry.core import canonical, fields
from registry.core.canonical import Json
from registry.core.entries import Kind

_WHAT = "git.json"
_MOST_TOLD = 100


@dataclass(frozen=True, slots=True)
class Standing:
    """The commit in force, and the newer one that is not, if there is one."""

    commit: str
    provenance: Provenance
    refused: Refused | None = None
    kept: Mapping[str, Kept] = field(default_factory=dict)
    """Files that stay as they were, since who changed them may not."""


@dataclass(frozen=True, slots=True)
class Examiner:
    """Judges one commit of one repository; changes nothing."""

    repository: repo.Repository
    signatures: signatures.Signatures
    rules: Rules

    @property
    def origin(self) -> str:
        """Another repository or branch is another history."""
        return f"{self.repository.url} {self.repository.branch}"

    def judge(self, head: str, last: str | None) -> Judgement:
        """Whether `head` may be in force after `last`; at the first start only it is asked."""
        if last is not None and not self.repository.descends(head, last):
            return gittrust.rewritten(head, last)
        return self.signed(head, last)

    def signed(self, head: str, last: str | None) -> Judgement:
        """Whether it is signed as the rules want, wherever it comes from."""
        try:
            commit = self.repository.commit(head)
            news = [commit]
            if last is not None and self.rules.mode is Mode.STRICT:
                news = self.repository.news(head, last)
            verdicts = {}
            if self.rules.mode is not Mode.NONE:
                verdicts = {one.id: self.signatures.verdict(one) for one in {commit, *news}}
        except errors.CommitRefused as error:
            return Refused(head, "tampered", error.detail, error.fix)
        return gittrust.judge(self.rules, commit, news, verdicts)

    def kept(self, head: str, before: Standing | None) -> Mapping[str, Kept]:
        """What stays as it was at `head`; nothing at the first start, which has nothing to keep."""
        if before is None or before.commit == head:
            return {} if before is None else before.kept
        return authors.kept(
            self.repository,
            self.signatures,
            self.rules,
            head=head,
            last=before.commit,
            before=before.kept,
        )

    def require(self, head: str, before: Standing | None) -> Provenance:
        """Who signed `head`; raises `CommitRefused` unless it may be in force after `before`."""
        if before is not None and before.commit == head:
            return before.provenance
        found = self.judge(head, before.commit if before is not None else None)
        if isinstance(found, Refused):
            raise errors.CommitRefused(found.reason, fix=found.fix)
        return found.provenance


class Gate:
    """One per reconciler; used by the thread that fetches."""

    def __init__(
        self,
        examiner: Examiner,
        folder: state.StateFolder,
        journal: journal.Journal,
        clock: Callable[[], float],
        traces: tracing.Traces | None = None,
    ) -> None:
        self._examiner = examiner
        self._folder = folder
        self._journal = journal
        self._clock = clock
        self._traces = traces or tracing.Untraced()
        self._standing = _standing(folder.in_force(), examiner.origin)
        self._has_looked_again = False

    def admit(self, head: str) -> Standing:
        """What is in force now that `head` is the branch's newest commit.

        Raises `CommitRefused` where nothing is in force yet and `head` may not be.
        """
        begun, before = self._clock(), self._standing
        last = before.commit if before is not None else None
        standing = self._admitted(head, before, last)
        if standing.commit != last:
            self._traces.taken_up(standing.commit, begun, self._clock())
        return standing

    def _admitted(self, head: str, before: Standing | None, last: str | None) -> Standing:
        reason = self._folder.wish(head) if last != head or (before and before.kept) else None
        if reason is not None:
            return self._accept(head, last, reason)
        if before is not None and before.commit == head:
            # Granted by one who died before it dropped it. It counts once: were the branch to come
            # back to this commit one day, nobody would have wished for that.
            self._folder.drop_wish(head)
            return self._stand(Standing(head, self._known(before), None, before.kept))
        found = self._examiner.judge(head, last)
        match found:
            case Accepted(commit, provenance):
                self._tell_verified(found)
                kept = self._examiner.kept(commit, before)
                self._tell_kept(commit, kept)
                return self._stand(Standing(commit, provenance, None, kept))
            case Refused():
                if before is None or before.refused != found:
                    self._tell_refused(found)
        if before is None:
            raise errors.CommitRefused(found.reason, fix=found.fix)
        return self._stand(replace(before, refused=found))

    def _known(self, before: Standing) -> Provenance:
        """Signatures may count today that were not asked for when the commit came into force."""
        if before.provenance.verified or self._has_looked_again:
            return before.provenance
        self._has_looked_again = True
        found = self._examiner.signed(before.commit, None)
        return found.provenance if isinstance(found, Accepted) else before.provenance

    def _accept(self, head: str, last: str | None, reason: str) -> Standing:
        """An operator takes responsibility; the signature is still looked at, for the record."""
        found = self._examiner.signed(head, last)
        if isinstance(found, Refused) and found.code == "tampered":
            raise errors.CommitRefused(found.reason, fix=found.fix)
        provenance = found.provenance if isinstance(found, Accepted) else Provenance()
        detail: dict[str, Json] = {
            "inPlaceOf": last or "",
            "refusal": found.reason if isinstance(found, Refused) else "",
            "verified": provenance.verified,
        }
        told: dict[str, Json] = {"commit": head, "reason": reason[:4000], "detail": detail}
        self._journal.record_once(("commit", "accepted", head), Kind.COMMIT_ACCEPTED, told)
        standing = self._stand(Standing(head, provenance))
        self._folder.drop_wish(head)
        return standing

    def _stand(self, standing: Standing) -> Standing:
        if standing != self._standing:
            self._examiner.repository.keep(standing.commit)
            at = datetime.fromtimestamp(self._clock(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            self._folder.save_in_force(_document(standing, self._examiner.origin, at))
            self._standing = standing
        return standing

    def _tell_verified(self, found: Accepted) -> None:
        if self._examiner.rules.mode is Mode.NONE:
            return
        who = found.provenance
        detail: dict[str, Json] = {
            "mode": self._examiner.rules.mode.value,
            "signer": self._pseudonym(who.signer),
            "author": self._pseudonym(who.author),
            "authorIsSigner": who.signer == who.author,
        }
        told: dict[str, Json] = {"commit": found.commit, "detail": detail}
        self._journal.record_once(("commit", "verified", found.commit), Kind.COMMIT_VERIFIED, told)

    def _tell_refused(self, found: Refused) -> None:
        """The sentence may name people; the log has its code."""
        detail: dict[str, Json] = {"mode": self._examiner.rules.mode.value, "code": found.code}
        told: dict[str, Json] = {"commit": found.commit, "detail": detail}
        key = ("commit", "refused", found.commit, found.code)
        self._journal.record_once(key, Kind.COMMIT_REFUSED, told)

    def _tell_kept(self, commit: str, kept: Mapping[str, Kept]) -> None:
        """Which files stay as they were; who changed them is known here alone."""
        if not kept:
            return
        detail: dict[str, Json] = {
            "mode": self._examiner.rules.mode.value,
            "code": "not_an_author",
            "files": list[Json](kept)[:_MOST_TOLD],
        }
        told: dict[str, Json] = {"commit": commit, "detail": detail}
        key = ("commit", "refused", commit, "not_an_author")
        self._journal.record_once(key, Kind.COMMIT_REFUSED, told)

    def _pseudonym(self, name: str) -> str:
        return self._folder.pseudonym(name) if name else ""


def peek(folder: Path, origin: str) -> Standing | None:
    """What the reconciler that owns `folder` remembers, without getting in its way."""
    path = folder / state.GIT_FILE
    return _standing(path.read_bytes() if path.exists() else None, origin)


def _document(standing: Standing, origin: str, at: str) -> bytes:
    who, refused = standing.provenance, standing.refused
    return canonical.encode(
        {
            "origin": origin,
            "commit": standing.commit,
            "signer": who.signer,
            "author": who.author,
            "verified": who.verified,
            "at": at,
            "kept": [
                {"path": path, "blob": one.blob, "commit": one.commit, "why": one.why}
                for path, one in sorted(standing.kept.items())
            ],
            "refused": None
            if refused is None
            else {
                "commit": refused.commit,
                "code": refused.code,
                "reason": refused.reason,
                "fix": refused.fix,
            },
        }
    )


def _standing(data: bytes | None, origin: str) -> Standing | None:
    """Nothing where another repository or branch was followed before."""
    if data is None:
        return None
    document = canonical.decode_object(data, what=_WHAT)
    if document.get("origin") != origin:
        return None
    provenance = Provenance(
        fields.text(document, "signer", what=_WHAT),
        fields.text(document, "author", what=_WHAT),
        document.get("verified") is True,
    )
    refused = None
    if document.get("refused") is not None:
        said = fields.mapping(document, "refused", what=_WHAT)
        refused = Refused(
            *(fields.text(said, name, what=_WHAT) for name in ("commit", "code", "reason", "fix"))
        )
    commit = fields.text(document, "commit", what=_WHAT)
    return Standing(commit, provenance, refused, _kept(document))


def _kept(document: dict[str, Json]) -> dict[str, Kept]:
    """Nothing, in what an earlier release wrote."""
    listed = fields.objects(document, "kept", what=_WHAT) if "kept" in document else []
    return {
        fields.text(one, "path", what=_WHAT): Kept(
            *(fields.text(one, name, what=_WHAT) for name in ("blob", "commit", "why"))
        )
        for one in listed
    }
