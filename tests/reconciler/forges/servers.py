"""Three small forges that speak, of their documented APIs, what a revert needs.

Each checks what the real one would: the token in its form, required fields, a second request from
the same branch. None of this was seen against the real ones.
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

TOKEN = "very-secret-token"


@dataclass
class Pull:
    """A pull request; `state` is open, closed or merged."""

    number: int
    head: str
    base: str
    title: str
    body: str
    state: str = "open"
    comments: list[str] = field(default_factory=list)


@dataclass
class State:
    """What a forge has. `answers` are statuses to give next, before anything is looked at;
    `loses` how many of the next answers to POST never arrive, though they were acted on."""

    project: str = "acme/models"
    pulls: list[Pull] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    loses: int = 0
    requests: list[str] = field(default_factory=list)
    url: str = ""

    def opened(self) -> list[Pull]:
        return [pull for pull in self.pulls if pull.state == "open"]


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
        try:
            self.admit()
            status, answer = self.answer(url.path, query, body)
        except Refused as error:
            status, answer = error.status, {"message": str(error)}
        if self.command == "POST" and forge.loses:
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


class GitHub(Handler):
    """https://docs.github.com/en/rest/pulls/pulls and .../issues/comments."""

    def answer(self, path: str, query: dict[str, str], body: dict[str, Any]) -> tuple[int, Any]:
        if self.headers["x-github-api-version"] != "2022-11-28" or not self.headers["user-agent"]:
            raise Refused(403, "Request forbidden by administrative rules")
        root = f"/repos/{self.forge.project}"
        match self.command, path.removeprefix(root):
            case "GET", "/pulls":
                owner, _, head = query["head"].partition(":")
                assert owner == self.forge.project.partition("/")[0]
                assert query["state"] == "open"
                found = [one for one in self.forge.opened() if one.head == head]
                return 200, [_shown(one) for one in found if one.base == query["base"]]
            case "POST", "/pulls":
                made = self.opening(body, ("title", "head", "base", "body"), 422)
                return 201, _shown(made)
            case verb, rest:
                return _on_one(self, verb, rest, body)


class Gitea(Handler):
    """https://docs.gitea.com/api; gives at most two a page, however many are asked for."""

    scheme = "token"

    def answer(self, path: str, query: dict[str, str], body: dict[str, Any]) -> tuple[int, Any]:
        root = f"/repos/{self.forge.project}"
        match self.command, path.removeprefix(root):
            case "GET", "/pulls":
                assert query["state"] == "open"
                first = (int(query["page"]) - 1) * 2
                return 200, [_shown(one) for one in self.forge.opened()[first : first + 2]]
            case "POST", "/pulls":
                made = self.opening(body, ("title", "head", "base", "body"), 409)
                return 201, _shown(made)
            case verb, rest:
                return _on_one(self, verb, rest, body)


class GitLab(Handler):
    """https://docs.gitlab.com/api/merge_requests/ and .../notes/."""

    def answer(self, path: str, query: dict[str, str], body: dict[str, Any]) -> tuple[int, Any]:
        root = f"/projects/{self.forge.project.replace('/', '%2F')}/merge_requests"
        if not path.startswith(root):
            raise Refused(404, "404 Project Not Found")
        match self.command, path.removeprefix(root).strip("/").split("/"):
            case "GET", [""]:
                assert query["state"] == "opened"
                found = [one for one in self.forge.opened() if one.head == query["source_branch"]]
                return 200, [_merge(one) for one in found if one.base == query["target_branch"]]
            case "POST", [""]:
                names = ("title", "source_branch", "target_branch", "description")
                return 201, _merge(self.opening(body, names, 409))
            case "GET", [number]:
                return 200, _merge(self.pull(number))
            case "POST", [number, "notes"]:
                self.pull(number).comments.append(body["body"])
                return 201, {}
            case "PUT", [number]:
                assert body == {"state_event": "close"}
                self.pull(number).state = "closed"
                return 200, _merge(self.pull(number))
        raise Refused(404, "404 Not Found")


def _on_one(
    handler: Handler, verb: str, rest: str, body: dict[str, Any]
) -> tuple[int, dict[str, Any]]:
    """One request, which GitHub and Gitea treat alike."""
    if found := re.fullmatch(r"/pulls/(\d+)", rest):
        pull = handler.pull(found[1])
        if verb == "PATCH":
            assert body == {"state": "closed"}
            pull.state = "closed"
        return 200, _shown(pull)
    found = re.fullmatch(r"/issues/(\d+)/comments", rest)
    if verb != "POST" or not found:
        raise Refused(404, "Not Found")
    handler.pull(found[1]).comments.append(body["body"])
    return 201, {}


def _shown(pull: Pull) -> dict[str, Any]:
    state = "open" if pull.state == "open" else "closed"
    return {
        "id": 1000 + pull.number,
        "number": pull.number,
        "state": state,
        "html_url": f"https://forge.example/pull/{pull.number}",
        "head": {"ref": pull.head},
        "base": {"ref": pull.base},
    }


def _merge(pull: Pull) -> dict[str, Any]:
    state = {"open": "opened"}.get(pull.state, pull.state)
    url = f"https://forge.example/merge/{pull.number}"
    return {"id": 1000 + pull.number, "iid": pull.number, "state": state, "web_url": url}


KINDS: dict[str, type[Handler]] = {"github": GitHub, "gitea": Gitea, "gitlab": GitLab}


@contextmanager
def serving(kind: str) -> Iterator[State]:
    """A forge on a port of its own."""
    forge = State()
    handler = type("Bound", (KINDS[kind],), {"forge": forge})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    forge.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield forge
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
