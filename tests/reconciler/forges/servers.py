"""Three small forges that keep what they are told, and speak of their documented APIs what is used.

Each request and each answer is held against the forge's OpenAPI document (`contract`). Beyond it
they check what the real one would: the token in its form, a second request from the same branch,
comments of others. None of this was seen against the real ones.
"""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.reconciler.forges import contract

TOKEN = "very-secret-token"
ME = "plimsoll-bot"
STRANGER = "mallory"


@dataclass
class Note:
    """A comment."""

    id: int
    author: str
    body: str


@dataclass
class Pull:
    """A pull request; `state` is open, closed or merged, `sha` the commit to be merged."""

    number: int
    head: str
    base: str
    title: str
    body: str
    state: str = "open"
    sha: str = "0" * 40
    notes: list[Note] = field(default_factory=list)

    @property
    def comments(self) -> list[str]:
        return [note.body for note in self.notes]


@dataclass
class State:
    """What a forge has. `answers` are statuses to give next, before anything is looked at;
    `loses` how many of the next answers to what changes something never arrive, though that was
    done;
    `statuses` what commits are marked with, oldest first; `wrong` what was against the contract."""

    kind: str = "github"
    project: str = "acme/models"
    pulls: list[Pull] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    loses: int = 0
    requests: list[str] = field(default_factory=list)
    statuses: list[tuple[str, str, str, str]] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    is_app: bool = False
    url: str = ""

    def opened(self) -> list[Pull]:
        return [pull for pull in self.pulls if pull.state == "open"]

    def note(self, pull: Pull, author: str, body: str) -> Note:
        made = Note(sum(len(one.notes) for one in self.pulls) + 501, author, body)
        pull.notes.append(made)
        return made

    def marks(self, commit: str) -> dict[str, tuple[str, str]]:
        """The newest state and text of each status of `commit`, by its context."""
        return {
            context: (state, text) for sha, context, state, text in self.statuses if sha == commit
        }


class Refused(Exception):
    """The forge says no, with a status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Handler(BaseHTTPRequestHandler):
    """What all three have in common; `forge` is set by `serving`."""

    forge: State
    scheme = "Bearer"
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def handle_any(self) -> None:
        forge = self.forge
        size = int(self.headers.get("content-length") or 0)
        body = json.loads(self.rfile.read(size)) if size else {}
        url = urlsplit(self.path)
        forge.requests.append(f"{self.command} {unquote(url.path)}")
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        agreed = contract.of(forge.kind)
        try:
            self.admit()
            agreed.require_request(self.command, url.path, query, body)
            status, answer = self.answer(url.path, query, body)
            answer = agreed.answer(self.command, url.path, status, answer)
        except Refused as error:
            status, answer = error.status, {"message": str(error)}
        except AssertionError as error:
            forge.wrong.append(str(error))
            status, answer = 422, {"message": str(error)}
        if self.command != "GET" and forge.loses:
            forge.loses -= 1
            self.close_connection = True
            return
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PATCH = do_PUT = handle_any  # noqa: N815  the names of the library

    def admit(self) -> None:
        if self.forge.answers:
            raise Refused(self.forge.answers.pop(0), f"echo {self.headers['authorization']}")
        if self.headers["authorization"] != f"{self.scheme} {TOKEN}":
            raise Refused(401, "Bad credentials")

    def answer(self, path: str, query: dict[str, str], body: dict[str, Any]) -> tuple[int, Any]:
        raise NotImplementedError

    def pull(self, number: str) -> Pull:
        for one in self.forge.pulls:
            if one.number == int(number):
                return one
        raise Refused(404, "Not Found")

    def noted(self, number: str) -> Note:
        """The comment with this id, which must be our own."""
        for pull in self.forge.pulls:
            for note in pull.notes:
                if note.id == int(number):
                    if note.author != ME:
                        raise Refused(403, "not yours")
                    return note
        raise Refused(404, "Not Found")

    def opening(self, body: dict[str, Any], names: tuple[str, ...], status: int) -> Pull:
        """A new one from the fields `names`: title, head, base, body."""
        if not all(isinstance(body.get(name), str) for name in names):
            raise Refused(422, f"wants {names}, got {sorted(body)}")
        title, head, base, text = (body[name] for name in names)
        if any(pull.head == head and pull.base == base for pull in self.forge.opened()):
            raise Refused(status, f"a pull request already exists for {head}")
        made = Pull(len(self.forge.pulls) + 1, head, base, title, text)
        self.forge.pulls.append(made)
        return made

    def mark(self, commit: str, body: dict[str, Any], name: str) -> None:
        text = body["description"]
        self.forge.links.append(body.get("target_url", ""))
        self.forge.statuses.append((commit, body[name], body["state"], text))


def paged(found: list[Any], query: dict[str, str], size: int) -> list[Any]:
    """One page of `found`; all of them where no page is asked for."""
    first = (int(query.get("page", "1")) - 1) * size
    return found[first : first + size]


class Pulls(Handler):
    """What GitHub and Gitea treat alike; a page has at most two, however many are asked for."""

    taken = 422

    def answer(  # noqa: PLR0911  one arm a route
        self, path: str, query: dict[str, str], body: dict[str, Any]
    ) -> tuple[int, Any]:
        rest = path.removeprefix(f"/repos/{self.forge.project}")
        match self.command, rest:
            case "GET", "/user":
                return self.user()
            case "GET", "/pulls":
                assert query["state"] == "open"
                return 200, [_shown(one) for one in paged(self.listed(query), query, 2)]
            case "POST", "/pulls":
                return 201, _shown(
                    self.opening(body, ("title", "head", "base", "body"), self.taken)
                )
        if found := re.fullmatch(r"/pulls/(\d+)", rest):
            return self.one(found[1], body)
        if found := re.fullmatch(r"/issues/(\d+)/comments", rest):
            return self.comments(found[1], query, body)
        if found := re.fullmatch(r"/issues/comments/(\d+)", rest):
            note = self.noted(found[1])
            note.body = body["body"]
            return 200, self.comment(note)
        if found := re.fullmatch(r"/statuses/([0-9a-f]{40})", rest):
            self.mark(found[1], body, "context")
            return 201, {"context": body["context"], "state": body["state"]}
        raise Refused(404, "Not Found")

    def user(self) -> tuple[int, Any]:
        if self.forge.is_app:
            raise Refused(403, "Resource not accessible by integration")
        return 200, {"login": ME}

    def listed(self, query: dict[str, str]) -> list[Pull]:
        return self.forge.opened()

    def one(self, number: str, body: dict[str, Any]) -> tuple[int, Any]:
        pull = self.pull(number)
        if self.command == "PATCH":
            assert body == {"state": "closed"}
            pull.state = "closed"
        return self.edited if self.command == "PATCH" else 200, _shown(pull)

    edited = 200

    def comments(self, number: str, query: dict[str, str], body: dict[str, Any]) -> tuple[int, Any]:
        pull = self.pull(number)
        if self.command == "POST":
            return 201, self.comment(self.forge.note(pull, ME, body["body"]))
        return 200, [self.comment(note) for note in self.page_of_comments(pull.notes, query)]

    def page_of_comments(self, notes: list[Note], query: dict[str, str]) -> list[Note]:
        return paged(notes, query, 2)

    def comment(self, note: Note) -> dict[str, Any]:
        kind = "Bot" if self.forge.is_app and note.author == ME else "User"
        user = {"login": note.author, "type": kind}
        return {"id": note.id, "body": note.body, "user": user}


class GitHub(Pulls):
    """https://docs.github.com/en/rest/pulls/pulls and .../issues/comments."""

    def admit(self) -> None:
        super().admit()
        if self.headers["x-github-api-version"] != "2022-11-28" or not self.headers["user-agent"]:
            raise Refused(403, "Request forbidden by administrative rules")

    def listed(self, query: dict[str, str]) -> list[Pull]:
        found = [one for one in self.forge.opened() if one.base == query["base"]]
        if "head" not in query:
            return found
        owner, _, head = query["head"].partition(":")
        assert owner == self.forge.project.partition("/")[0]
        return [one for one in found if one.head == head]


class Gitea(Pulls):
    """https://docs.gitea.com/api; comments come all at once."""

    scheme = "token"
    taken = 409
    edited = 201

    def page_of_comments(self, notes: list[Note], query: dict[str, str]) -> list[Note]:
        return notes


class GitLab(Handler):
    """https://docs.gitlab.com/api/merge_requests/ and .../notes/."""

    def answer(  # noqa: C901, PLR0911  one arm a route
        self, path: str, query: dict[str, str], body: dict[str, Any]
    ) -> tuple[int, Any]:
        if (self.command, path) == ("GET", "/user"):
            return 200, {"username": ME}
        root = f"/projects/{self.forge.project.replace('/', '%2F')}/"
        if not path.startswith(root):
            raise Refused(404, "404 Project Not Found")
        match self.command, path.removeprefix(root).split("/"):
            case "POST", ["statuses", commit]:
                return self.marked(commit, body)
            case "GET", ["merge_requests"]:
                assert query["state"] == "opened"
                return 200, [_merge(one) for one in paged(self.listed(query), query, 2)]
            case "POST", ["merge_requests"]:
                names = ("title", "source_branch", "target_branch", "description")
                return 201, _merge(self.opening(body, names, 409))
            case _, ["merge_requests", number]:
                if self.command == "PUT":
                    assert body == {"state_event": "close"}
                    self.pull(number).state = "closed"
                return 200, _merge(self.pull(number))
            case "GET", ["merge_requests", number, "notes"]:
                assert (query["order_by"], query["sort"]) == ("created_at", "asc")
                notes = paged(self.pull(number).notes, query, 2)
                return 200, [_note(note) for note in notes]
            case "POST", ["merge_requests", number, "notes"]:
                return 201, _note(self.forge.note(self.pull(number), ME, body["body"]))
            case "PUT", ["merge_requests", number, "notes", note]:
                self.pull(number)
                found = self.noted(note)
                found.body = body["body"]
                return 200, _note(found)
        raise Refused(404, "404 Not Found")

    def listed(self, query: dict[str, str]) -> list[Pull]:
        found = [one for one in self.forge.opened() if one.base == query["target_branch"]]
        branch = query.get("source_branch")
        return [one for one in found if branch in (None, one.head)]

    def marked(self, commit: str, body: dict[str, Any]) -> tuple[int, Any]:
        """One that is pending cannot be made pending."""
        before = self.forge.marks(commit).get(body["name"], ("", ""))[0]
        if before == body["state"] == "pending":
            raise Refused(400, "Cannot transition status via :enqueue from :pending (Reason(s): …)")
        self.mark(commit, body, "name")
        return 201, {"sha": commit, "status": body["state"], "name": body["name"]}


def _shown(pull: Pull) -> dict[str, Any]:
    return {
        "id": 1000 + pull.number,
        "number": pull.number,
        "state": "open" if pull.state == "open" else "closed",
        "html_url": f"https://forge.example/pull/{pull.number}",
        "head": {"ref": pull.head, "sha": pull.sha},
        "base": {"ref": pull.base, "sha": "1" * 40},
    }


def _merge(pull: Pull) -> dict[str, Any]:
    return {
        "id": 1000 + pull.number,
        "iid": pull.number,
        "state": {"open": "opened"}.get(pull.state, pull.state),
        "web_url": f"https://forge.example/merge/{pull.number}",
        "sha": pull.sha,
        "source_branch": pull.head,
        "target_branch": pull.base,
    }


def _note(note: Note) -> dict[str, Any]:
    return {"id": note.id, "body": note.body, "author": {"username": note.author}}


KINDS: dict[str, type[Handler]] = {"github": GitHub, "gitea": Gitea, "gitlab": GitLab}


@contextmanager
def serving(kind: str) -> Iterator[State]:
    """A forge on a port of its own; nothing that it heard or said was against its contract."""
    forge = State(kind)
    handler = type("Bound", (KINDS[kind],), {"forge": forge})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    forge.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield forge
        assert not forge.wrong, forge.wrong
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
