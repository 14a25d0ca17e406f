"""A real Git repository to reconcile from: a bare origin and a working clone."""

import subprocess
from pathlib import Path


class Origin:
    """`commit` writes files, commits and pushes; `git` runs any command in the working clone."""

    def __init__(self, folder: Path) -> None:
        self.url = str(folder / "origin.git")
        self.work = folder / "work"
        run("git", "init", "--quiet", "--bare", "--initial-branch=main", self.url)
        run("git", "clone", "--quiet", self.url, str(self.work))
        self.git("checkout", "--quiet", "-B", "main")

    def git(self, *arguments: str) -> str:
        identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
        return run("git", *identity, *arguments, folder=self.work)

    def commit(self, files: dict[str, str | None], message: str = "change") -> str:
        """Push one commit; a content of None deletes the file. Returns the commit."""
        for name, content in files.items():
            path = self.work / name
            if content is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", message)
        self.git("push", "--quiet", "origin", "main")
        return self.git("rev-parse", "HEAD")

    def branch(self, name: str, path: str) -> str:
        """The content of `path` at the tip of the origin's branch `name`."""
        return run("git", "--git-dir", self.url, "show", f"{name}:{path}")

    def message(self, name: str) -> str:
        """The message of the commit at the tip of the origin's branch `name`."""
        return run("git", "--git-dir", self.url, "log", "-1", "--format=%B", name)


def run(*command: str, folder: Path | None = None) -> str:
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()
