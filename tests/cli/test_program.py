"""The program as a whole: quick to start, honest exit codes, data apart from messages."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from registry.cli import panels, program
from tests.cli.command_table import everything
from tests.cli.conftest import Run, run

HEAVY = ("fastapi", "sqlalchemy", "tensorflow", "onnxruntime", "onnx", "httpx2", "numpy", "docker")
PROGRAM = "import sys; from registry.cli import main; sys.exit(main())"


def in_a_process(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


# Typer reads arguments by pydantic, so that one is there whatever we do.
HEAVY += ("docker", "git", "kubernetes", "keras", "torch", "yaml", "structlog")
HEAVY += ("ssl", "asyncio", "registry.settings", "registry.db")


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["push", "--help"], ["version"], ["plan", "--help"], ["validate", "--help"]],
)
def test_help_imports_nothing_heavy(arguments: list[str]):
    script = (
        "import sys\nfrom registry.cli import main\n"
        f"code = main({arguments!r})\n"
        f"print(*sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)\nsys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert done.stderr.strip() == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ["nothing"],
        ["push"],
        ["push", "digits", ".", "--version", "first"],
        ["push", "digits", ".", "--key", "k", "--nonsense"],
        ["alias", "set", "digits", "champion", "1"],
        ["model", "list", "-o", "xml"],
    ],
)
def test_wrong_usage_ends_with_64_and_prints_no_data(arguments: list[str]):
    done = in_a_process(*arguments)
    assert done.returncode == 64
    assert done.stdout == ""
    assert done.stderr


@pytest.mark.parametrize("words", sorted(everything()))
def test_every_command_ends_with_64_when_it_is_called_wrongly(words: str):
    done = run(*words.split()[1:], "--no-such-option")
    assert (done.code, done.out) == (64, "")
    assert "--no-such-option" in done.err


def test_an_error_names_the_fix_on_stderr():
    done = in_a_process("model", "list", "--server", "http://127.0.0.1:1")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: the registry at http://127.0.0.1:1 does not answer")
    assert "fix: start it, or name the right one with --server" in done.stderr


def test_the_version_is_told_as_other_programs_tell_theirs():
    told = in_a_process("--version")
    assert (told.returncode, told.stdout) == (0, in_a_process("version").stdout)
    assert told.stdout.startswith("plimsoll ")


def test_where_nobody_may_write_it_is_said_with_who_to_be(tmp_path: Path):
    """In /sys not even root may make a folder."""
    config = tmp_path / "plimsoll.toml"
    config.write_text('[registry]\ndata = "/sys/plimsoll"\n[reconciler]\nrepository = "x"\n')
    done = in_a_process("admin", "introduce", "--config", str(config))
    assert done.returncode == 1
    assert "permission denied" in done.stderr
    assert "runuser -u plimsoll" in done.stderr
    assert "Traceback" not in done.stderr


def test_no_colour_where_nobody_watches():
    done = in_a_process("push", "--help", NO_COLOR="1")
    assert "\x1b[" not in done.stdout


def test_the_tools_of_other_packages_are_there():
    done = in_a_process("--help")
    assert "reconcile" in done.stdout
    assert "validate" in done.stdout


def test_the_module_is_the_program_too():
    command = [sys.executable, "-m", "registry.cli", "version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("plimsoll ")


def test_interrupted_ends_with_130(monkeypatch: pytest.MonkeyPatch):
    from registry.cli import program

    def interrupted(*_: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(program, "build", interrupted)
    assert run("version").code == 130


def test_a_wrong_token_ends_with_4(plimsoll: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PLIMSOLL_TOKEN", "plm_0000000000000000_" + "A" * 43)
    done = plimsoll("model", "list")
    assert (done.code, done.out) == (4, "")


def test_a_flag_wins_over_the_environment(
    plimsoll: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    good = Path(os.environ["PLIMSOLL_TOKEN_FILE"])
    monkeypatch.setenv("PLIMSOLL_TOKEN", "plm_0000000000000000_" + "A" * 43)
    assert plimsoll("model", "list", "--token-file", good).code == 0
    assert plimsoll("model", "list", "--server", "http://127.0.0.1:1").code == 1


def test_a_missing_token_file_is_named(plimsoll: Run):
    done = plimsoll("model", "list", "--token-file", "/nonexistent/token")
    assert done.code == 1
    assert "/nonexistent/token: the token cannot be read" in done.err


def test_text_from_elsewhere_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]):
    from registry.cli import output

    output.print_table(("a",), [("\x1b]0;owned\x07red\x1b[31m",)])
    assert "\x1b" not in capsys.readouterr().out


def test_each_command_is_the_same_whether_it_is_loaded_alone_or_with_all():
    whole = get_command(program.build())
    ours = {name for name, one in whole.commands.items() if homes(one) & {"registry.cli"}}
    assert ours - {"up"} == set(program.HOMES)
    for name in program.HOMES:
        alone = get_command(program.build(name))
        assert described(alone.commands[name]) == described(whole.commands[name])


def test_the_overview_says_of_each_command_what_it_says_itself():
    whole, short = get_command(program.build()), get_command(program.overview())
    assert said(short) == said(whole)


def test_the_overview_loads_no_command_of_ours_and_spoils_none():
    script = (
        "import sys\nfrom registry.cli import main\nmain(['--help'])\n"
        "print(*sorted(m for m in sys.modules if m.startswith('registry.cli.')), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    loaded = {name.removeprefix("registry.cli.") for name in done.stderr.split()}
    assert not loaded & {"push", "audit", "trust", "client"}
    before = set(everything())
    program.overview()
    assert set(everything()) == before


def said(command: Any) -> dict[str, str]:
    return {name: one.get_short_help_str(500) for name, one in command.commands.items()}


def homes(command: Any) -> set[str]:
    """The packages that a command's functions are from."""
    below = [home for one in getattr(command, "commands", {}).values() for home in homes(one)]
    function = command.callback
    own = {function.__module__.rpartition(".")[0]} if function is not None else set()
    return own | set(below)


def described(command: Any) -> object:
    below = getattr(command, "commands", {})
    if below:
        return {name: described(one) for name, one in below.items()}
    return [(one.name, one.opts, one.required) for one in command.params]


def test_one_command_loads_no_other():
    script = (
        "import sys\nfrom registry.cli import main\nmain(['version'])\n"
        "print(*sorted(m for m in sys.modules if m.startswith('registry.cli.')), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert set(done.stderr.split()) <= {
        "registry.cli.program", "registry.cli.version", "registry.cli.output",
        "registry.cli.registered",
    }  # fmt: skip


def test_where_nobody_watches_no_bar_is_loaded():
    script = (
        "import sys\nfrom registry.cli import progress\n"
        "with progress.of_bytes('hashing', 1) as advance: advance(1)\n"
        "with progress.of_phases() as tell: tell('moving', 1, 2)\n"
        "print('rich' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("False\n", "")


def test_a_command_of_another_package_loads_no_model_and_none_of_ours():
    script = (
        "import sys\nfrom registry.cli import main\nmain(['plan', '--help'])\n"
        "ours = {'registry.cli.push', 'registry.cli.audit', 'registry.core.strict'}\n"
        "print(*sorted(ours & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert "--detailed-exitcode" in done.stdout
    assert done.stderr.strip() == ""


def test_help_has_a_place_for_every_command_and_none_for_another():
    placed = [name for names in panels.PANELS.values() for name in names]
    assert sorted(placed) == sorted(get_command(program.build()).commands)  # type: ignore[attr-defined]
    shown = run("--help").out
    headings = [line for line in shown.splitlines() if line.startswith("╭─")]
    assert [line.strip("╭─╮ ") for line in headings[1:3]] == list(panels.PANELS)[:2]
    assert len(headings) == 1 + len(panels.PANELS)
