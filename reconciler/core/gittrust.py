"""Which fetched commit may become the desired state: the rule, without the programs. Pure.

A signature is judged elsewhere, into `Good` or `Bad`; here is who it makes the signer, what the
modes ask for, and what refuses. People are named by the configuration, never by a commit: a
commit only claims an author, and that claim is compared with what its signer may write.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from reconciler.core.gitobject import Commit
from registry.core import canonical, fields
from registry.core.canonical import Json
from registry.errors import InvalidInput


class Mode(StrEnum):
    """`NONE` asks for no signature, `HEAD` for the newest's, `STRICT` for each new commit's."""

    NONE = "none"
    HEAD = "head"
    STRICT = "strict"


@dataclass(frozen=True, slots=True)
class Good:
    """The signature is sound and by a key that is trusted today.

    `fingerprint` is the key's; `principal` is the name that our own file (or a certificate by an
    authority in it) gives an SSH key, and empty for GPG.
    """

    fingerprint: str
    principal: str


@dataclass(frozen=True, slots=True)
class Bad:
    """No signature, or one that does not count, and why."""

    reason: str


Verdict: TypeAlias = Good | Bad


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody, by keys and by the addresses they may write as an author."""

    name: str
    fingerprints: frozenset[str]
    principals: frozenset[str]
    addresses: frozenset[str]


@dataclass(frozen=True, slots=True)
class Provenance:
    """What policies are told of the commit in force. Names are ours; unknown ones are empty."""

    signer: str = ""
    author: str = ""
    verified: bool = False


UNSIGNED = Provenance()


@dataclass(frozen=True, slots=True)
class Accepted:
    """The commit may be in force."""

    commit: str
    provenance: Provenance


@dataclass(frozen=True, slots=True)
class Refused:
    """The commit changes nothing; `code` is stable, `fix` says what would help."""

    commit: str
    code: str
    reason: str
    fix: str


Judgement: TypeAlias = Accepted | Refused


@dataclass(frozen=True, slots=True)
class Rules:
    """`people` may be empty: then SSH principals and GPG fingerprints are the names."""

    mode: Mode
    people: tuple[Person, ...] = ()
    require_author: bool = False

    def signer(self, verdict: Good) -> str | None:
        """Who signed; None for a key that is trusted but belongs to nobody."""
        if not self.people:
            return verdict.principal or verdict.fingerprint
        for person in self.people:
            if verdict.fingerprint in person.fingerprints:
                return person.name
        for person in self.people:
            if verdict.principal and verdict.principal in person.principals:
                return person.name
        return None

    def author(self, address: str) -> str:
        """Whose address it is; without people, the address itself says nothing."""
        return next((person.name for person in self.people if address in person.addresses), "")


def judge(
    rules: Rules, head: Commit, commits: Sequence[Commit], verdicts: Mapping[str, Verdict]
) -> Judgement:
    """Whether `head` may be in force; `commits` are all that are new with it, `head` among them.

    A merge brings its side branches: their commits are new as well, whoever signed the merge.
    """
    if rules.mode is Mode.NONE:
        return Accepted(head.id, Provenance(author=rules.author(head.author)))
    asked = [head] if rules.mode is Mode.HEAD else [head, *(c for c in commits if c.id != head.id)]
    provenance = UNSIGNED
    for commit in asked:
        found = _judge_one(rules, commit, verdicts[commit.id])
        if isinstance(found, Refused):
            return found if commit is head else _for_head(found, head)
        if commit is head:
            provenance = found
    return Accepted(head.id, provenance)


def rewritten(head: str, last: str) -> Refused:
    """`head` does not go on from `last`, which was in force."""
    return Refused(
        head,
        "history_rewritten",
        f"commit {head[:12]} does not go on from {last[:12]}, which is in force: "
        "the branch was rolled back or rewritten",
        f'push {last[:12]} back; or, if this was meant: plimsoll git accept {head} --reason "why"',
    )


def _judge_one(rules: Rules, commit: Commit, verdict: Verdict) -> Provenance | Refused:
    match verdict:
        case Bad(reason):
            return _refused(commit, "signature", f"commit {commit.id[:12]} {reason}")
        case Good():
            signer = rules.signer(verdict)
    if signer is None:
        said = f"is signed with {verdict.fingerprint}, which belongs to nobody in git_people"
        return _refused(commit, "signer_unknown", f"commit {commit.id[:12]} {said}")
    author = rules.author(commit.author)
    if rules.require_author and not _is_author(rules, commit, verdict, signer):
        said = f"is signed by {signer}, and its author is somebody else"
        return _refused(commit, "author_is_not_signer", f"commit {commit.id[:12]} {said}")
    return Provenance(signer=signer, author=author, verified=True)


def _is_author(rules: Rules, commit: Commit, verdict: Good, signer: str) -> bool:
    if rules.people:
        return rules.author(commit.author) == signer
    return commit.author == verdict.principal.lower()


def _refused(commit: Commit, code: str, reason: str) -> Refused:
    return Refused(
        commit.id,
        code,
        reason,
        f"sign it and push again; or take it as it is: "
        f'plimsoll git accept {commit.id} --reason "why"',
    )


def _for_head(found: Refused, head: Commit) -> Refused:
    """One of the commits below `head` is the trouble; only `head` can be accepted."""
    return Refused(
        head.id,
        found.code,
        f"{found.reason}; it comes with {head.id[:12]}",
        "sign each commit (git rebase --exec 'git commit --amend --no-edit -S') and push again; "
        f'or take all of them as they are: plimsoll git accept {head.id} --reason "why"',
    )


def people(text: str) -> tuple[Person, ...]:
    """Read `{"people": [{"name", "keys", "principals", "emails"}]}`; raises `InvalidInput`."""
    what = "git_people"
    document = canonical.decode_object(text, what=what)
    found = tuple(_person(item, what) for item in fields.objects(document, "people", what=what))
    for name in ("name", "fingerprints", "principals", "addresses"):
        seen: set[str] = set()
        for person in found:
            value = getattr(person, name)
            claimed = {value} if isinstance(value, str) else value
            if twice := seen & claimed:
                raise InvalidInput(f"{what}: {min(twice)!r} is given to two people")
            seen |= claimed
    return found


def _person(item: dict[str, Json], what: str) -> Person:
    fields.refuse_unknown(item, {"name", "keys", "principals", "emails"}, what=what)
    return Person(
        fields.text(item, "name", what=what),
        _texts(item, "keys", what),
        _texts(item, "principals", what),
        frozenset(address.lower() for address in _texts(item, "emails", what)),
    )


def _texts(item: dict[str, Json], name: str, what: str) -> frozenset[str]:
    values = fields.sequence(item, name, what=what) if name in item else []
    texts = [value for value in values if isinstance(value, str) and value]
    if len(texts) != len(values):
        raise InvalidInput(f"{what}: every item of {name!r} must be a text")
    return frozenset(texts)
