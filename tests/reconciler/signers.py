"""People with real keys: SSH by ssh-keygen, GPG in a folder of their own, and who may sign."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.reconciler.origin import Origin, run


@dataclass
class Ssh:
    """One SSH key pair; `principal` is the name in allowed_signers."""

    path: Path
    principal: str

    @property
    def public(self) -> str:
        return self.path.with_suffix(".pub").read_text().strip()

    @property
    def fingerprint(self) -> str:
        return run("ssh-keygen", "-lf", str(self.path)).split()[1]

    def line(self, options: str = "") -> str:
        return f"{self.principal} {options} {self.public}\n".replace("  ", " ")

    @property
    def signing(self) -> tuple[str, ...]:
        """What makes Git sign with this key."""
        return ("-c", "gpg.format=ssh", "-c", f"user.signingKey={self.path}")


def ssh(folder: Path, name: str, *, kind: str = "ed25519") -> Ssh:
    folder.mkdir(exist_ok=True)
    path = folder / name
    run("ssh-keygen", "-q", "-t", kind, "-N", "", "-C", name, "-f", str(path))
    return Ssh(path, f"{name}@example.com")


def certified(folder: Path, authority: Ssh, name: str, *options: str) -> Ssh:
    """A key that nobody knows, with a certificate by `authority` for `name`."""
    made = ssh(folder, name)
    run(
        "ssh-keygen", "-q", "-s", str(authority.path), "-I", name, "-n", made.principal,
        *options, str(made.path.with_suffix(".pub")),
    )  # fmt: skip
    certificate = folder / f"{name}-cert.pub"
    certificate.replace(made.path.with_suffix(".pub"))
    return made


@dataclass
class Gpg:
    """One GPG key in the folder `home`."""

    home: Path
    fingerprint: str

    @property
    def signing(self) -> tuple[str, ...]:
        return ("-c", "gpg.format=openpgp", "-c", f"user.signingKey={self.fingerprint}")

    def gpg(self, *arguments: str, stdin: str = "") -> str:
        command = ["gpg", "--homedir", str(self.home), "--batch", "--pinentry-mode", "loopback"]
        done = subprocess.run(
            [*command, "--passphrase", "", *arguments],
            input=stdin, check=True, capture_output=True, text=True,
        )  # fmt: skip
        return done.stdout

    def stop(self) -> None:
        """End the agent that making the key has started."""
        run("gpgconf", "--homedir", str(self.home), "--kill", "all")


def gpg(home: Path, *, expires: str = "never") -> Gpg:
    home.mkdir(mode=0o700)
    made = Gpg(home, "")
    made.gpg("--quick-generate-key", "Ada <ada@example.com>", "ed25519", "sign", expires)
    listed = made.gpg("--list-keys", "--with-colons")
    made.fingerprint = next(
        line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr:")
    )
    return made


def keyring(folder: Path, *keys: Gpg) -> Path:
    """A folder with the public halves only, as an operator would make one."""
    folder.mkdir(mode=0o700, exist_ok=True)
    for key in keys:
        subprocess.run(
            ["gpg", "--homedir", str(folder), "--batch", "--import"],
            input=key.gpg("--armor", "--export"), check=True, capture_output=True, text=True,
        )  # fmt: skip
    return folder


def commit(origin: Origin, key: Ssh | Gpg | None, message: str, **files: str | None) -> str:
    """One pushed commit by Ada, signed with `key`; files are named by their stems."""
    for stem, content in files.items():
        path = origin.work / "models.d" / f"{stem}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(content or "")
    origin.git("add", "--all")
    sign(origin, key, "commit", "--quiet", "--allow-empty", "-m", message)
    origin.git("push", "--quiet", "--force", "origin", "HEAD:main")
    return origin.git("rev-parse", "HEAD")


def sign(origin: Origin, key: Ssh | Gpg | None, command: str, *arguments: str) -> None:
    """Run a Git command that makes a commit, and have it signed."""
    home = ("env", f"GNUPGHOME={key.home}") if isinstance(key, Gpg) else ()
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
    signing = key.signing if key is not None else ()
    flag = ("-S",) if key is not None else ("--no-gpg-sign",)
    run(*home, "git", *who, *signing, command, *flag, *arguments, folder=origin.work)


def people(path: Path, **known: dict[str, list[str]]) -> Path:
    """A git_people file."""
    listed = [{"name": name, **fields} for name, fields in known.items()]
    path.write_text(json.dumps({"people": listed}))
    return path
