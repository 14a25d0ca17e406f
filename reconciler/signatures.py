"""Judges the signature of a Git commit with ssh-keygen or gpg, and with our own configuration only.

Git itself is not asked: it would read its configuration and take an SSH key's validity at the
date that the commit claims, which whoever holds an expired key can choose. Here the time is now.
Keys, authorities and revocations come from files that the service's configuration names.
"""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reconciler.core.gitobject import Commit
from reconciler.core.gittrust import Bad, Good, Verdict
from registry import errors

_TIME_LIMIT_S = 20
_SSH = b"-----BEGIN SSH SIGNATURE-----\n"
_PGP = b"-----BEGIN PGP SIGNATURE-----\n"
_NAMESPACE = "git"
_GOOD_SSH = re.compile(r'Good "git" signature for .+ with \S+ key (SHA256:\S+)\n?')
_WORTHLESS = {
    "EXPSIG": "has a signature that has expired",
    "EXPKEYSIG": "is signed with a key that has expired",
    "REVKEYSIG": "is signed with a key that was revoked",
    "BADSIG": "has a signature that does not match it",
    "NO_PUBKEY": "is signed with a key that is not in git_keyring",
}


@dataclass(frozen=True, slots=True)
class Signatures:
    """`allowed` is an allowed_signers file, `revoked` a KRL or keys, `keyring` a folder of GPG."""

    allowed: Path | None
    revoked: Path | None
    keyring: Path | None

    def require_ready(self) -> None:
        """Raises `InvalidConfig` where a file or a program is missing."""
        for path, program in (
            (self.allowed, "ssh-keygen"),
            (self.revoked, "ssh-keygen"),
            (self.keyring, "gpg"),
        ):
            if path is None:
                continue
            if not path.exists():
                raise errors.InvalidConfig(
                    f"{path}, which says whose commits count, is not there",
                    fix="see docs/trust/git.md for what must be in it",
                )
            if shutil.which(program) is None:
                raise errors.InvalidConfig(
                    f"the program {program} is missing", fix="install openssh-client and gnupg"
                )

    def verdict(self, commit: Commit) -> Verdict:
        """Whether the signature of `commit` is good, and by which key."""
        signature = commit.signature
        if not signature:
            return Bad("is not signed")
        if signature.startswith(_SSH):
            if self.allowed is None:
                return Bad("is signed with an SSH key, and no git_allowed_signers are configured")
            return self._ssh(self.allowed, signature, commit.payload)
        if signature.startswith(_PGP):
            if self.keyring is None:
                return Bad("is signed with GPG, and no git_keyring is configured")
            return _gpg(self.keyring, signature, commit.payload)
        return Bad("is signed in a form that is neither SSH's nor GPG's")

    def _ssh(self, allowed: Path, signature: bytes, payload: bytes) -> Verdict:
        with tempfile.TemporaryDirectory() as scratch:
            file = Path(scratch) / "signature"
            file.write_bytes(signature)
            found = _run("ssh-keygen", "-Y", "find-principals", "-s", str(file), "-f", str(allowed))
            verdict: Verdict = _bad_ssh(found.stderr or "nobody was given this key")
            for principal in _principals(found.stdout if found.returncode == 0 else ""):
                checked = ("-s", str(file), "-f", str(allowed), "-I", principal)
                verdict = _verified_ssh(checked, principal, payload)
                if isinstance(verdict, Good) and self.revoked is not None:
                    # Asked apart, for the program does not say that this is what it minds.
                    revoked = (*checked, "-r", str(self.revoked))
                    if isinstance(_verified_ssh(revoked, principal, payload), Bad):
                        said = "is signed with an SSH key that git_revoked_signers has revoked"
                        verdict = Bad(said)
                if isinstance(verdict, Good):
                    break
        return verdict


def _verified_ssh(checked: tuple[str, ...], principal: str, payload: bytes) -> Verdict:
    done = _run("ssh-keygen", "-Y", "verify", "-n", _NAMESPACE, *checked, stdin=payload)
    good = _GOOD_SSH.fullmatch(done.stdout)
    if done.returncode == 0 and good is not None:
        return Good(good[1], principal)
    return _bad_ssh(done.stderr or done.stdout)


def _bad_ssh(said: str) -> Bad:
    return Bad(f"has an SSH signature that does not count: {_last_line(said)}")


def _principals(listed: str) -> list[str]:
    """The names that a line of allowed_signers gives; a pattern names nobody in particular."""
    names = [name for line in listed.splitlines() for name in line.strip().split(",")]
    return [name for name in names if name and not set(name) & set("*?!")]


def _gpg(keyring: Path, signature: bytes, payload: bytes) -> Verdict:
    """Every key in the folder is trusted, as long as it is neither expired nor revoked today."""
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "signature"
        file.write_bytes(signature)
        done = _run(
            "gpg", "--homedir", str(keyring), "--no-options", "--batch", "--no-tty",
            "--no-auto-key-locate", "--no-auto-check-trustdb", "--trust-model", "always",
            "--no-autostart", "--lock-never", "--weak-digest", "SHA1",
            "--disable-dirmngr", "--status-fd", "1", "--verify", str(file), "-",
            stdin=payload,
        )  # fmt: skip
    lines = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("[GNUPG:] ")]
    for words in lines:
        if words and words[0] in _WORTHLESS:
            return Bad(_WORTHLESS[words[0]])
    good = [words for words in lines if words[:1] == ["GOODSIG"]]
    valid = [words for words in lines if words[:1] == ["VALIDSIG"]]
    if done.returncode != 0 or len(good) != 1 or len(valid) != 1:
        return Bad(f"has a GPG signature that does not count: {_last_line(done.stderr)}")
    return Good(valid[0][-1], "")


def _run(program: str, *arguments: str, stdin: bytes = b"") -> "subprocess.CompletedProcess[str]":
    """With an environment of our own: no agent, no home, no configuration of whoever runs us."""
    try:
        done = subprocess.run(  # noqa: S603  the arguments are ours
            [shutil.which(program) or program, *arguments],
            input=stdin,
            env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "LC_ALL": "C.UTF-8"},
            capture_output=True,
            timeout=_TIME_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise errors.Unavailable(f"{program} could not be run: {error}") from error
    out, err = (part.decode("utf-8", "replace") for part in (done.stdout, done.stderr))
    return subprocess.CompletedProcess(_command(done), done.returncode, out, err)


def _command(done: "subprocess.CompletedProcess[bytes]") -> Sequence[str]:
    return [str(word) for word in done.args]


def _last_line(text: str) -> str:
    """The last line that says why; ssh-keygen ends with one that does not."""
    lines = [line.strip().removesuffix(".") for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if line != "Could not verify signature"]
    return (telling or lines or ["the program said nothing"])[-1]
