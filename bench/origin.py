"""A Git repository to reconcile from: a bare origin, and a working clone that pushes to it."""

import subprocess
from collections.abc import Mapping
from pathlib import Path


class Origin:
    """`url` is what a reconciler watches."""

    def __init__(self, folder: Path) -> None:
        self.url = str(folder / "origin.git")
        self._work = folder / "work"
        _run("git", "init", "--quiet", "--bare", "--initial-branch=main", self.url)
        _run("git", "clone", "--quiet", self.url, str(self._work))

    def push(self, files: Mapping[str, bytes]) -> str:
        """Write `files`, commit and push; returns the commit once the origin has it."""
        for name, content in files.items():
            path = self._work / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        self._git("add", "--all")
        self._git("commit", "--quiet", "-m", "Change what is wanted")
        self._git("push", "--quiet", "origin", "HEAD:main")
        return self._git("rev-parse", "HEAD")

    def propose(self, files: Mapping[str, bytes], ref: str) -> str:
        """A commit with `files` on top of what was pushed, under `ref` alone; returns it."""
        for name, content in files.items():
            (self._work / name).write_bytes(content)
        self._git("add", "--all")
        self._git("commit", "--quiet", "-m", "Propose something")
        commit = self._git("rev-parse", "HEAD")
        self._git("push", "--quiet", "origin", f"HEAD:{ref}")
        self._git("reset", "--quiet", "--hard", "HEAD~1")
        return commit

    def _git(self, *arguments: str) -> str:
        identity = ("-c", "user.name=Bench", "-c", "user.email=bench@plimsoll.invalid")
        return _run("git", "-C", str(self._work), *identity, *arguments)


def _run(*command: str) -> str:
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout.strip()
