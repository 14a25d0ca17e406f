"""Signatures of real commits, by real keys, judged without asking Git. Git itself is the second
opinion where it should agree."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler import repo
from reconciler.core.gittrust import Bad, Good, Verdict
from reconciler.signatures import Signatures
from registry import errors
from tests.reconciler import signers
from tests.reconciler.origin import Origin, run
from tests.reconciler.signers import Gpg, Ssh


@pytest.fixture
def origin(tmp_path: Path) -> Origin:
    return Origin(tmp_path / "remote")


@pytest.fixture
def ada(tmp_path: Path) -> Ssh:
    return signers.ssh(tmp_path / "keys", "ada")


@pytest.fixture
def gpg_ada(tmp_path: Path) -> Iterator[Gpg]:
    made = signers.gpg(tmp_path / "gnupg")
    yield made
    made.stop()


def judged(origin: Origin, folder: Path, known: Signatures, commit: str) -> Verdict:
    here = repo.Repository(
        origin.url, branch="main", folder=folder / "clone", author=("Bot", "bot@example.com")
    )
    here.fetch()
    return known.verdict(here.commit(commit))


def allowing(folder: Path, *lines: str) -> Signatures:
    path = folder / "allowed_signers"
    path.write_text("".join(lines))
    return Signatures(path, None, None)


def why(verdict: Verdict) -> str:
    assert isinstance(verdict, Bad), verdict
    return verdict.reason


def git_agrees(origin: Origin, allowed: Path, commit: str) -> bool:
    command = ["git", "-c", f"gpg.ssh.allowedSignersFile={allowed}", "verify-commit", commit]
    return (
        subprocess.run(command, cwd=origin.work, capture_output=True, check=False).returncode == 0
    )


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_a_commit_signed_with_an_ssh_key_names_its_principal_and_git_agrees(
    origin: Origin, tmp_path: Path, kind: str
) -> None:
    key = signers.ssh(tmp_path / "keys", "ada", kind=kind)
    commit = signers.commit(origin, key, "Signed")
    known = allowing(tmp_path, key.line('namespaces="git"'))
    verdict = judged(origin, tmp_path, known, commit)
    assert verdict == Good(key.fingerprint, "ada@example.com")
    assert known.allowed is not None
    assert git_agrees(origin, known.allowed, commit)


def test_an_unsigned_commit_is_not_good(origin: Origin, tmp_path: Path, ada: Ssh) -> None:
    commit = signers.commit(origin, None, "Nobody vouches")
    assert why(judged(origin, tmp_path, allowing(tmp_path, ada.line()), commit)) == "is not signed"


def test_a_key_that_nobody_was_given_is_not_good(origin: Origin, tmp_path: Path, ada: Ssh) -> None:
    eve = signers.ssh(tmp_path / "keys", "eve")
    commit = signers.commit(origin, eve, "Let me in")
    assert "does not count" in why(judged(origin, tmp_path, allowing(tmp_path, ada.line()), commit))


def test_no_allowed_signers_and_no_keyring_trust_nobody(
    origin: Origin, tmp_path: Path, ada: Ssh
) -> None:
    commit = signers.commit(origin, ada, "Signed")
    nobody = Signatures(None, None, None)
    assert "no git_allowed_signers" in why(judged(origin, tmp_path, nobody, commit))


def test_a_signature_from_another_namespace_is_not_good(
    origin: Origin, tmp_path: Path, ada: Ssh
) -> None:
    """What Ada signed as a file for somebody is put into a commit as if she had signed that."""
    plain = signers.commit(origin, None, "What Ada never saw")
    raw = subprocess.run(
        ["git", "cat-file", "commit", plain], cwd=origin.work, check=True, capture_output=True
    ).stdout
    payload = tmp_path / "payload"
    payload.write_bytes(raw)
    run("ssh-keygen", "-q", "-Y", "sign", "-n", "file", "-f", str(ada.path), str(payload))
    commit = forged(origin, raw, (tmp_path / "payload.sig").read_bytes())
    known = allowing(tmp_path, ada.line())
    assert "namespace" in why(judged(origin, tmp_path, known, commit))
    for_files = allowing(tmp_path, ada.line('namespaces="file"'))
    honest = signers.commit(origin, ada, "In Git's namespace")
    assert "does not count" in why(judged(origin, tmp_path, for_files, honest))


def forged(origin: Origin, raw: bytes, signature: bytes) -> str:
    """A pushed commit object that is `raw` with `signature` in its header."""
    head, _, body = raw.partition(b"\n\n")
    lines = signature.rstrip(b"\n").replace(b"\n", b"\n ")
    made = head + b"\ngpgsig " + lines + b"\n\n" + body
    done = subprocess.run(
        ["git", "hash-object", "-t", "commit", "-w", "--stdin"],
        cwd=origin.work, input=made, check=True, capture_output=True,
    )  # fmt: skip
    commit = done.stdout.decode().strip()
    origin.git("push", "--quiet", "--force", "origin", f"{commit}:main")
    return commit


def test_the_signature_of_another_commit_is_not_good(
    origin: Origin, tmp_path: Path, ada: Ssh
) -> None:
    signed = signers.commit(origin, ada, "Signed")
    raw = subprocess.run(
        ["git", "cat-file", "commit", signed], cwd=origin.work, check=True, capture_output=True
    ).stdout
    start, end = raw.index(b"gpgsig ") + 7, raw.index(b"-----END SSH SIGNATURE-----") + 27
    signature = raw[start:end].replace(b"\n ", b"\n")
    other = raw[: raw.index(b"gpgsig ")] + b"\n" + b"Another message\n"
    commit = forged(origin, other.replace(b"\n\n\n", b"\n\n"), signature)
    assert "does not count" in why(judged(origin, tmp_path, allowing(tmp_path, ada.line()), commit))


def test_two_signatures_in_one_commit_are_refused(origin: Origin, tmp_path: Path, ada: Ssh) -> None:
    signed = signers.commit(origin, ada, "Signed")
    raw = subprocess.run(
        ["git", "cat-file", "commit", signed], cwd=origin.work, check=True, capture_output=True
    ).stdout
    commit = forged(
        origin, raw, b"-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----"
    )
    with pytest.raises(errors.CommitRefused, match="more than one signature"):
        judged(origin, tmp_path, allowing(tmp_path, ada.line()), commit)


def test_an_expired_key_is_not_good_though_the_commit_claims_an_older_date(
    origin: Origin, tmp_path: Path, ada: Ssh
) -> None:
    """Git would take it: it asks whether the key was valid on the date that the commit claims."""
    date = "2020-06-01T12:00:00Z"
    run(
        "env", f"GIT_COMMITTER_DATE={date}", f"GIT_AUTHOR_DATE={date}", "git",
        "-c", "user.name=Ada", "-c", "user.email=ada@example.com", *ada.signing,
        "commit", "-S", "--quiet", "--allow-empty", "-m", "Backdated", folder=origin.work,
    )  # fmt: skip
    origin.git("push", "--quiet", "--force", "origin", "HEAD:main")
    commit = origin.git("rev-parse", "HEAD")
    expired = allowing(tmp_path, ada.line('valid-before="20210101"'))
    assert "does not count" in why(judged(origin, tmp_path, expired, commit))
    assert expired.allowed is not None
    assert git_agrees(origin, expired.allowed, commit)


def test_a_key_that_is_not_valid_yet_is_not_good(origin: Origin, tmp_path: Path, ada: Ssh) -> None:
    commit = signers.commit(origin, ada, "Too early")
    later = allowing(tmp_path, ada.line('valid-after="20990101"'))
    assert "does not count" in why(judged(origin, tmp_path, later, commit))


def test_a_revoked_key_is_not_good(origin: Origin, tmp_path: Path, ada: Ssh) -> None:
    commit = signers.commit(origin, ada, "Signed")
    known = allowing(tmp_path, ada.line())
    assert isinstance(judged(origin, tmp_path, known, commit), Good)
    revoked = tmp_path / "revoked"
    revoked.write_text(ada.public + "\n")
    listed = Signatures(known.allowed, revoked, None)
    assert "revoked" in why(judged(origin, tmp_path, listed, commit))
    run("ssh-keygen", "-q", "-k", "-f", str(tmp_path / "krl"), str(revoked))
    binary = Signatures(known.allowed, tmp_path / "krl", None)
    assert "revoked" in why(judged(origin, tmp_path, binary, commit))


def test_a_revocation_file_that_is_gone_lets_nobody_in(
    origin: Origin, tmp_path: Path, ada: Ssh
) -> None:
    commit = signers.commit(origin, ada, "Signed")
    known = Signatures(allowing(tmp_path, ada.line()).allowed, tmp_path / "gone", None)
    assert "revoked" in why(judged(origin, tmp_path, known, commit))
    with pytest.raises(errors.InvalidConfig, match="is not there"):
        known.require_ready()


def test_a_certificate_by_a_listed_authority_is_good_and_names_its_principal(
    origin: Origin, tmp_path: Path
) -> None:
    authority = signers.ssh(tmp_path / "keys", "authority")
    bob = signers.certified(tmp_path / "keys", authority, "bob", "-V", "+1d")
    commit = signers.commit(origin, bob, "By certificate")
    line = f"*@example.com cert-authority {authority.public}\n"
    verdict = judged(origin, tmp_path, allowing(tmp_path, line), commit)
    assert isinstance(verdict, Good)
    assert verdict.principal == "bob@example.com"


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("-V", "20200101:20200102"), "*@example.com cert-authority {}"),
        (("-V", "+1d"), "*@elsewhere.example cert-authority {}"),
        (("-V", "+1d"), "*@example.com {}"),
    ],
    ids=["expired certificate", "principal of another domain", "authority listed as a plain key"],
)
def test_a_certificate_that_does_not_hold_is_not_good(
    origin: Origin, tmp_path: Path, options: tuple[str, ...], line: str
) -> None:
    authority = signers.ssh(tmp_path / "keys", "authority")
    bob = signers.certified(tmp_path / "keys", authority, "bob", *options)
    commit = signers.commit(origin, bob, "By certificate")
    known = allowing(tmp_path, line.format(authority.public) + "\n")
    assert "does not count" in why(judged(origin, tmp_path, known, commit))


def test_a_commit_signed_with_gpg_names_its_key(
    origin: Origin, tmp_path: Path, gpg_ada: Gpg
) -> None:
    commit = signers.commit(origin, gpg_ada, "Signed")
    known = Signatures(None, None, signers.keyring(tmp_path / "ring", gpg_ada))
    assert judged(origin, tmp_path, known, commit) == Good(gpg_ada.fingerprint, "")


def test_a_gpg_key_that_is_not_in_our_own_keyring_is_not_good(
    origin: Origin, tmp_path: Path, gpg_ada: Gpg, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even where the keyring of whoever runs us has it."""
    monkeypatch.setenv("GNUPGHOME", str(gpg_ada.home))
    commit = signers.commit(origin, gpg_ada, "Signed")
    (tmp_path / "ring").mkdir(mode=0o700)
    known = Signatures(None, None, tmp_path / "ring")
    assert "not in git_keyring" in why(judged(origin, tmp_path, known, commit))


def test_a_revoked_gpg_key_is_not_good(origin: Origin, tmp_path: Path, gpg_ada: Gpg) -> None:
    commit = signers.commit(origin, gpg_ada, "Signed")
    made = gpg_ada.home / "openpgp-revocs.d" / f"{gpg_ada.fingerprint}.rev"
    gpg_ada.gpg("--import", stdin=made.read_text().replace(":-----BEGIN", "-----BEGIN"))
    known = Signatures(None, None, signers.keyring(tmp_path / "ring", gpg_ada))
    assert "revoked" in why(judged(origin, tmp_path, known, commit))


def test_an_expired_gpg_key_is_not_good(origin: Origin, tmp_path: Path, gpg_ada: Gpg) -> None:
    past = ("--faked-system-time", "20200101T000000!")
    old = Gpg(gpg_ada.home, "")
    old.gpg(*past, "--quick-generate-key", "Old <old@example.com>", "ed25519", "sign", "1d")
    listed = old.gpg("--list-keys", "--with-colons", "old@example.com")
    old.fingerprint = next(
        line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr:")
    )
    payload = subprocess.run(
        ["git", "cat-file", "commit", signers.commit(origin, None, "Plain")],
        cwd=origin.work, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    signature = old.gpg(*past, "--armor", "--detach-sign", "-u", old.fingerprint, stdin=payload)
    expired = forged(origin, payload.encode(), signature.encode())
    known = Signatures(None, None, signers.keyring(tmp_path / "ring", gpg_ada))
    assert "expired" in why(judged(origin, tmp_path, known, expired))


def test_the_repositorys_own_configuration_is_never_asked(
    origin: Origin, tmp_path: Path, ada: Ssh
) -> None:
    """Neither in the clone nor in the commit: its keys, its programs and its attributes."""
    eve = signers.ssh(tmp_path / "keys", "eve")
    (origin.work / "allowed_signers").write_text(eve.line())
    (origin.work / ".gitattributes").write_text("*.yaml filter=evil export-ignore\n")
    commit = signers.commit(origin, eve, "My own key is fine", a="a: 1\n")
    known = allowing(tmp_path, ada.line())
    here = repo.Repository(origin.url, branch="main", folder=tmp_path / "clone", author=("", ""))
    here.fetch()
    program = tmp_path / "says-yes"
    program.write_text(
        "#!/bin/sh\necho 'Good \"git\" signature for eve with ED25519 key SHA256:x'\n"
    )
    program.chmod(0o755)
    for name, value in (
        ("gpg.ssh.program", str(program)),
        ("gpg.program", str(program)),
        ("gpg.ssh.allowedSignersFile", str(origin.work / "allowed_signers")),
        ("filter.evil.smudge", "sed s/1/2/"),
    ):
        run("git", "--git-dir", str(tmp_path / "clone"), "config", name, value)
    assert "does not count" in why(known.verdict(here.commit(commit)))
    assert here.read_at(commit, "models.d/a.yaml", limit=100) == b"a: 1\n"
