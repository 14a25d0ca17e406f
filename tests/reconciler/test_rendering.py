"""`plimsoll render`, as whoever applies manifests by other means meets it."""

import shutil
from pathlib import Path

import pytest

from registry.cli import main
from registry.core import documents
from tests.reconciler.core.kubernetes import published

ROOT = Path(__file__).parents[2]
PINNED = "registry.example/plimsoll-runtime@sha256:" + "a" * 64
TO = ["--registry", "https://plimsoll.internal", "--gateway", "infra/public"]


def checkout(folder: Path, *, version: int = 1, image: str = PINNED) -> Path:
    shutil.copytree(ROOT / "models.d", folder / "models.d")
    path = folder / "models.d" / "production" / "digits.yaml"
    text = path.read_text().replace("plimsoll-runtime:dev", image)
    path.write_text(text.replace("version: 1\n", f"version: {version}\n"))
    return folder


def rendered(text: str) -> list[documents.Value]:
    """The documents, read by our own strict reader: what it takes every YAML parser takes."""
    found = []
    for one in text.split("---\n"):
        document = documents.read("rendered.yaml", one.encode())
        assert isinstance(document, documents.Document), document
        assert isinstance(document.value, dict)
        published.check(document.value)
        found.append(document.value)
    return found


def kinds(found: list[documents.Value]) -> list[documents.Value]:
    return [one["kind"] for one in found if isinstance(one, dict)]


def test_a_deployment_becomes_manifests_that_kubernetes_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["render", "production/digits", str(checkout(tmp_path / "a")), *TO]) == 0
    first = capsys.readouterr().out
    found = rendered(first)
    wanted = ["ConfigMap", "Deployment", "Service", "NetworkPolicy", "HTTPRoute"]
    assert kinds(found) == wanted
    assert main(["render", "production/digits", str(tmp_path / "a"), *TO]) == 0
    assert capsys.readouterr().out == first


def test_a_canary_is_rendered_against_a_checkout_of_what_serves(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    former, new = checkout(tmp_path / "a"), checkout(tmp_path / "b", version=2)
    canary = ["--serving", str(former), "--weight", "10"]
    assert main(["render", "production/digits", str(new), *TO, *canary]) == 0
    found = rendered(capsys.readouterr().out)
    assert kinds(found).count("Deployment") == 2
    assert kinds(found)[-1] == "HTTPRoute"
    kserve = [*canary, "--format", "kserve"]
    assert main(["render", "production/digits", str(new), *TO, *kserve]) == 0
    assert kinds(rendered(capsys.readouterr().out)) == [
        "ConfigMap",
        "ConfigMap",
        "InferenceService",
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--format", "helm"], "there is no format 'helm'"),
        (["--gateway", "public"], "'public' is not namespace/name"),
        (["--weight", "10"], "--weight is there without --serving"),
        (["--serving", "."], "asks for the same"),
    ],
)
def test_a_wish_that_cannot_be_is_refused_with_a_fix(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    path = str(checkout(tmp_path / "a"))
    given = [path if one == "." else one for one in arguments]
    assert main(["render", "production/digits", path, *TO, *given]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert said in printed.err or "both checkouts ask for the same version" in printed.err
    assert "fix:" in printed.err


def test_an_image_without_a_digest_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = checkout(tmp_path / "a", image="plimsoll-runtime:1")
    assert main(["render", "production/digits", str(path), *TO]) == 1
    assert "is not pinned by its digest" in capsys.readouterr().err


def test_an_unknown_deployment_and_a_broken_file_are_told_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = checkout(tmp_path / "a")
    assert main(["render", "production/digit", str(path), *TO]) == 1
    assert "did you mean 'production/digits'?" in capsys.readouterr().err
    file = path / "models.d" / "production" / "digits.yaml"
    file.write_text(file.read_text().replace("version: 1", "version: latest"))
    assert main(["render", "production/digits", str(path), *TO]) == 1
    assert "models.d/production/digits.yaml:12:14: spec.model.version" in capsys.readouterr().err
