"""The wheel: the same bytes from the same files, and a `plimsoll` that works where only it is."""

import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from registry.db import engine, migrate
from registry.settings import Settings
from tests.ports import free_port
from tests.reconciler.measuring import real

ROOT = Path(__file__).parents[2]
ALONE = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def uv(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "uv", "-q", *arguments], check=True, env=ALONE)


def built(source: Path, folder: Path) -> Path:
    environment = ALONE | {"SOURCE_DATE_EPOCH": "1700000000"}
    command = [str(ROOT / "deploy" / "wheel.sh"), str(folder)]
    subprocess.run(command, check=True, env=environment, cwd=source)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(ROOT, tmp_path_factory.mktemp("wheel"))


def test_the_same_files_elsewhere_and_later_make_the_same_wheel(
    wheel: Path, tmp_path: Path
) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            target = tmp_path / "checkout" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target)  # its time is now, its mode another
            target.chmod(0o600 if target.suffix == ".py" else 0o644)
    again = built(tmp_path / "checkout", tmp_path / "again")
    assert again.name == wheel.name
    digests = {hashlib.sha256(path.read_bytes()).hexdigest() for path in (wheel, again)}
    assert len(digests) == 1


def test_what_we_pin_can_be_had_by_the_oldest_python_that_we_promise(tmp_path: Path) -> None:
    """Debian 12 has 3.11.2, and nobody who follows the README should need another."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    oldest = project["requires-python"].removeprefix(">=")
    uv("pip", "compile", "--all-extras", "--python-version", oldest, "--constraint",
       str(ROOT / "constraints.txt"), "--output-file", str(tmp_path / "found"),
       str(ROOT / "pyproject.toml"))  # fmt: skip
    assert "pymdown-extensions==" in (tmp_path / "found").read_text()


@dataclass(frozen=True)
class Installed:
    """A Python environment that has the wheel with one extra and what that declares, no more."""

    folder: Path

    def run(self, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        program = str(self.folder / "bin" / "plimsoll")
        return subprocess.run(
            [program, *arguments], cwd=cwd, env=ALONE, capture_output=True, text=True, check=False
        )


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("environment") / "registry"
    uv("venv", "--python", sys.executable, str(folder))
    uv("pip", "install", "--python", str(folder / "bin" / "python"), f"{wheel}[registry]",
       "--constraint", str(ROOT / "constraints.txt"))  # fmt: skip
    return Installed(folder)


def test_the_installed_program_brings_an_old_database_up_and_serves_its_pages(
    installed: Installed, tmp_path: Path
) -> None:
    """Migrations, templates, translations and styles are in the wheel."""
    port = free_port()
    config = f'[registry]\ndata = "data"\nlisten = ["127.0.0.1:{port}"]\n'
    (tmp_path / "plimsoll.toml").write_text(config)
    (tmp_path / "data").mkdir(mode=0o700)
    database = engine.connect(Settings(tmp_path / "data").database)
    migrate.to_head(database)
    migrate.to(database, "0001")
    database.close()
    log = tmp_path / "log"
    with (
        log.open("w") as told,
        httpx2.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60) as client,
        subprocess.Popen(
            [installed.folder / "bin" / "plimsoll", "serve"], cwd=tmp_path, env=ALONE, stderr=told
        ) as process,
    ):
        try:
            real.until(lambda: client.get("/readyz").status_code == 200, what=log.read_text)
            page = client.get("/login", headers={"Accept": "text/html"})
            assert page.status_code == 200
            assert "<form" in page.text
            assert "登录" in client.get("/login", headers={"Accept-Language": "zh"}).text
            assert client.get("/static/plimsoll.css").status_code == 200
        finally:
            process.terminate()
    database = engine.connect(Settings(tmp_path / "data").database)
    with database.reading() as session:
        assert migrate.current(session) == migrate.newest()
    database.close()


def test_what_was_not_installed_is_named_with_the_extra_that_brings_it(
    installed: Installed, tmp_path: Path
) -> None:
    (tmp_path / "plimsoll.toml").write_text('[reconciler]\nrepository = "nowhere.git"\n')
    refused = installed.run("reconcile", cwd=tmp_path)
    assert refused.returncode == 1
    assert "pip install 'plimsoll[reconciler]'" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_uv_makes_a_tool_of_it_that_says_what_it_misses(wheel: Path, tmp_path: Path) -> None:
    """`uv tool install`, as docs/install.md has it, for somebody who has nothing yet."""
    folders = {"UV_TOOL_DIR": str(tmp_path / "tools"), "UV_TOOL_BIN_DIR": str(tmp_path / "bin")}
    install = [sys.executable, "-m", "uv", "-q", "tool", "install", f"{wheel}[registry,reconciler]"]
    constraints = ["--constraint", str(ROOT / "constraints.txt"), "--python", sys.executable]
    subprocess.run([*install, *constraints], check=True, env=ALONE | folders)

    def said(*words: str) -> subprocess.CompletedProcess[str]:
        program = [tmp_path / "bin" / "plimsoll", *words]
        return subprocess.run(
            program, cwd=tmp_path, env=ALONE, capture_output=True, text=True, check=False
        )

    assert said("--version").stdout == f"plimsoll {wheel.name.split('-')[1]}\n"
    (tmp_path / "plimsoll.toml").write_text('[reconciler]\nrepository = "nowhere.git"\n')
    looked = said("doctor")
    assert looked.returncode == 1
    assert "nowhere.git" in looked.stdout
    assert "fix:" in looked.stdout
