"""The nine steps of the demo. Each does one thing and checks what was promised of it."""

import functools
import json
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.demo import models
from deploy.demo.clients import Crowd, predict
from deploy.demo.story import Story, require
from deploy.demo.world import ROOT, World, wait_for
from reconciler.core import edit

DEPLOYMENT = "models.d/production/digits.yaml"
FORMATS = {1: "saved_model", 2: "onnx", 3: "onnx"}
PORT = 8501


@dataclass
class Demo:
    """What the steps hand on to each other."""

    world: World
    story: Story
    digests: dict[int, str]
    images: list[list[float]]
    labels: list[int]

    def train(self) -> None:
        """Three models, on this machine, from scikit-learn's own digits."""
        target = self.world.folder / "models"
        command = [sys.executable, "-W", "ignore", "-m", "deploy.demo.models", str(target)]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        accuracy = json.loads((target / "metrics.json").read_text())
        kinds = {1: "TensorFlow SavedModel", 2: "ONNX", 3: "ONNX, labels shuffled"}
        for version, kind in kinds.items():
            self.story.say(f"{kind}: accuracy {accuracy[str(version)]:.3f} on 360 unseen digits")
        _, images, _, labels = models.splits()
        self.images, self.labels = images.tolist(), labels.tolist()

    def publish(self) -> None:
        """Keys, registry, and `plimsoll push` three times."""
        world = self.world
        made = world.plimsoll("keys", "generate", "--out", "publisher.pem", "--name", "ada")
        publishers = {"publishers": [json.loads(made.stdout)]}
        (world.folder / "publishers.json").write_text(json.dumps(publishers))
        listed = {"reconcilers": [json.loads(world.plimsoll("permit", "key").stdout)]}
        (world.folder / "reconcilers.json").write_text(json.dumps(listed))
        world.start("registry", "serve", "--config", "plimsoll.toml")
        wait_for(lambda: world.get("/v1/models"), "the registry to answer")
        self.story.say(f"registry answers on {world.registry_url}")
        for version, kind in FORMATS.items():
            done = world.plimsoll(
                "push", "digits", f"models/{version}", "--version", str(version),
                "--format", kind, "--key", "publisher.pem", "-o", "json",
            )  # fmt: skip
            document = json.loads(done.stdout)
            self.digests[version] = document["digest"]
            self.story.say(f"digits version {version} ({kind}) is {document['digest'][:19]}…")
            inputs = document["signature"]["inputs"][0]
            self.story.note(
                f"input {inputs['name']} {inputs['dtype']} {inputs['shape']}, signed by ada"
            )

    def declare(self) -> None:
        """A Git repository with the desired state, and a reconciler that watches it."""
        world = self.world
        origin = world.folder / "origin.git"
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(origin)], check=True)
        subprocess.run(["git", "clone", "-q", str(origin), str(world.work)], check=True,
                       capture_output=True)  # fmt: skip
        for folder in ("models.d", "policies"):
            shutil.copytree(ROOT / folder, world.work / folder)
        if not world.docker:
            self._edit("models.d/hosts/edge-1.yaml", r"address: \S+", "address: process://")
        self._pin(1)
        token = world.plimsoll("token", "create", "reconciler", "reconciler").stdout
        (world.folder / "reconciler.token").write_text(token)
        world.git("add", "--all")
        world.git("commit", "--quiet", "-m", "Serve digits version 1")
        world.git("push", "--quiet", "origin", "HEAD:main")
        checked = world.plimsoll("validate", str(world.work))
        self.story.say(f"plimsoll validate: {checked.stdout.strip()}")
        world.start("reconciler", "reconcile", "--config", "plimsoll.toml")
        self.story.say("reconciler watches the repository")

    def first(self) -> None:
        """Version 1 serves, and is right."""
        self._await_version(1, seconds=120)
        answers = [predict(PORT, image) for image in self.images[:100]]
        right = sum(a.digit == label for a, label in zip(answers, self.labels, strict=False))
        require(right >= 93, f"only {right} of 100 digits were right")
        require({a.digest for a in answers} == {self.digests[1]}, "another digest answered")
        image, label = self.images[0], self.labels[0]
        self.story.say(f"a picture of a {label} is read as {predict(PORT, image).digit}; "
                       f"{right} of 100 right")  # fmt: skip
        self._say_log("verified", "tested", "deployed")

    def upgrade(self) -> None:
        """Blue-green to the other format, while people keep asking."""
        with Crowd(PORT, self.images) as crowd:
            wait_for(lambda: crowd.answered > 50, "clients to be answered")
            start = time.monotonic()
            self._pin(2)
            commit = self.world.push("Serve digits version 2")
            self._await_version(2, seconds=90)
            took = time.monotonic() - start
            self._await_status(lambda status: status["health"]["status"] == "Healthy", "Healthy")
            seen = crowd.versions["2"]
            wait_for(lambda: crowd.versions["2"] > seen + 50, "version 2 to answer")
        require(not crowd.failures, f"{len(crowd.failures)} failed, first: {crowd.failures[:1]}")
        require(set(crowd.versions) == {"1", "2"}, f"versions that answered: {crowd.versions}")
        self.story.say(f"{took:.1f} s from commit {commit[:8]} to version 2 answering")
        by = crowd.versions
        self.story.say(f"{crowd.answered} requests during the change, 0 failed")
        self.story.note(f"{by['1']} answered by version 1, {by['2']} by version 2")

    def refuse(self) -> None:
        """The bad version is refused before any traffic, and Git is told."""
        with Crowd(PORT, self.images, size=2) as crowd:
            self._pin(3)
            bad = self.world.push("Serve digits version 3")
            status = self._await_status(lambda found: found.get("quarantined"), "a quarantine")
            branch = wait_for(self._revert_branch, "the revert branch")
        require(not crowd.failures, f"{len(crowd.failures)} failed: {crowd.failures[:1]}")
        require(set(crowd.versions) == {"2"}, f"versions that answered: {crowd.versions}")
        self.story.say(f"version 2 kept serving: {crowd.answered} requests, 0 failed, "
                       "0 by version 3")  # fmt: skip
        reason = status["quarantined"][-1]
        require(reason["digest"] == self.digests[3], f"quarantined is {reason['digest']}")
        self.story.say(
            f"status: sync {status['sync']['status']}, health {status['health']['status']}"
        )
        self.story.note(reason["reason"])
        self.world.git("fetch", "--quiet", "origin")
        message = self.world.git("log", "-1", "--format=%B", f"origin/{branch}")
        require(bad[:12] in message and reason["reason"] in message, f"revert says: {message}")
        self.story.say(f"revert pushed to branch {branch}")
        self.world.git("merge", "--quiet", "--ff-only", f"origin/{branch}")
        self.world.git("push", "--quiet", "origin", "HEAD:main")
        self.world.ring()
        self._await_status(lambda found: found["sync"]["status"] == "Synced", "Synced after merge")
        self.story.say("merged: Git and the host agree again on version 2")

    def tamper(self) -> None:
        """One byte of a stored model is flipped; the next host that pulls it says no."""
        blob = self._stored_model(2)
        honest = blob.read_bytes()
        place = len(honest) // 2
        blob.chmod(0o644)
        blob.write_bytes(honest[:place] + bytes([honest[place] ^ 1]) + honest[place + 1 :])
        self.story.say(f"flipped one bit of {blob.name[:16]}… on the registry's disk")
        try:
            self._add_host("edge-2")
            status = self._await_status(_refused_on("edge-2"), "edge-2 to refuse", seconds=90)
            self.story.say("edge-2 refuses to load it, edge-1 serves its verified copy")
            self.story.note(_host(status, "edge-2")["reason"])
            require(predict(PORT, self.images[0]).version == "2", "edge-1 does not serve version 2")
        finally:
            blob.write_bytes(honest)
        self._edit(DEPLOYMENT, r"hosts: \[edge-1, edge-2\]", "hosts: [edge-1]")
        self.world.push("Take digits off edge-2 again")
        self._await_status(
            lambda found: [one["host"] for one in found["hosts"]] == ["edge-1"]
            and not found["waiting"] and not found["next"],
            "edge-2 to be cleaned",
        )  # fmt: skip
        self.world.git("rm", "--quiet", "models.d/hosts/edge-2.yaml")
        self.world.push("Take edge-2 away")

    def heal(self) -> None:
        """Somebody kills the runtime by hand."""
        since = len(self._log())
        self._kill()
        wait_for(lambda: self._log("restarted", "started", since=since), "the runtime to be back",
                 seconds=60)  # fmt: skip
        wait_for(lambda: predict(PORT, self.images[0]).version == "2", "version 2 to answer again")
        entry = self._log("restarted", "started", since=since)[-1]
        self.story.say("killed by hand, and back: version 2 answers again")
        self.story.note(f"the log says: {entry['kind']}, {entry['reason']}")

    def audit(self) -> None:
        """The whole log, checked from the first entry to the last."""
        done = self.world.plimsoll("audit", "verify", "--trust", "registry/trust.json")
        self.story.console.print(done.stdout, highlight=False, soft_wrap=True)

    def _pin(self, version: int) -> None:
        path = self.world.work / DEPLOYMENT
        edited = edit.repin(path.read_bytes(), version=version, digest=self.digests[version])
        path.write_bytes(edited)
        self._edit(DEPLOYMENT, r"format: \w+", f"format: {FORMATS[version]}")

    def _edit(self, name: str, pattern: str, replacement: str) -> None:
        path = self.world.work / name
        text, count = re.subn(pattern, replacement, path.read_text(), count=1)
        require(count == 1, f"{name} has no {pattern!r}")
        path.write_text(text)

    def _add_host(self, name: str) -> None:
        hosts = self.world.work / "models.d" / "hosts"
        text = (hosts / "edge-1.yaml").read_text().replace("edge-1", name)
        text = re.sub(r"port: \d+", f"port: {PORT + 10}", text)
        (hosts / f"{name}.yaml").write_text(text)
        self._edit(DEPLOYMENT, r"hosts: \[edge-1\]", f"hosts: [edge-1, {name}]")
        self.world.push(f"Serve digits on {name} too")

    def _await_version(self, version: int, *, seconds: float) -> None:
        wait_for(
            lambda: predict(PORT, self.images[0]).digest == self.digests[version],
            f"version {version} to answer",
            seconds=seconds,
        )

    def _await_status(self, is_so: Any, what: str, *, seconds: float = 60) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            status = self.world.get("/v1/deployments/production/digits")
            return status if is_so(status) else None

        found: dict[str, Any] = wait_for(look, what, seconds=seconds)
        return found

    def _revert_branch(self) -> str | None:
        listed = self.world.git("ls-remote", "--heads", "origin", "plimsoll/revert/*")
        return listed.split("refs/heads/")[-1] if listed else None

    def _stored_model(self, version: int) -> Path:
        document = self.world.get(f"/v1/models/digits/versions/{version}")
        name = document["files"][0]["digest"].removeprefix("sha256:")
        found = [path for path in (self.world.folder / "registry").rglob("*") if name in path.name]
        require(len(found) == 1, f"the blob {name} is stored {len(found)} times")
        return found[0]

    def _kill(self) -> None:
        if self.world.docker:
            listed = subprocess.run(
                ["docker", "ps", "-q", "-f", "label=dev.plimsoll.host=edge-1",
                 "-f", "label=dev.plimsoll.kind=runtime"],
                capture_output=True, text=True, check=True,
            )  # fmt: skip
            subprocess.run(["docker", "kill", *listed.stdout.split()], check=True,
                           capture_output=True)  # fmt: skip
            return
        # By its whole path: other runtimes on this machine are none of ours.
        pattern = f"runtime --config {re.escape(str(self.world.folder))}/.*edge-1"
        subprocess.run(["pkill", "-KILL", "-f", pattern], check=True)

    def _log(self, *kinds: str, since: int = 0) -> list[dict[str, Any]]:
        listed = json.loads(
            self.world.plimsoll("audit", "log", "--last", "9999", "-o", "json").stdout
        )
        return [one for one in listed[since:] if not kinds or one["kind"] in kinds]

    def _say_log(self, *kinds: str) -> None:
        for kind in kinds:
            found = wait_for(functools.partial(self._log, kind), f"{kind} in the log")
            said = found[-1].get("reason") or "signatures, log proof and every byte"
            self.story.note(f"log: {kind} on {found[-1].get('host')}: {said}")


def _host(status: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in status["hosts"] if one["host"] == name)
    return found


def _refused_on(name: str) -> Any:
    def is_so(status: dict[str, Any]) -> bool:
        return any(one["host"] == name and one["trust"] == "Refused" for one in status["hosts"])

    return is_so
