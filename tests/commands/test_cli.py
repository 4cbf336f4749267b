"""The commands: what they print and where, their exit codes, and what wins over what."""

from __future__ import annotations

import ast
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

import hhsim


def python(code: str, *arguments: object, **options) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, timeout=120, **options)


MAIN = "import sys; from hhsim.cli import main; sys.exit(main())"


def test_stdout_carries_the_summary_alone(command, small, small_run) -> None:
    result = command("run", small)
    assert result.code == 0
    lines = result.out.splitlines()
    assert lines[0] == f"out.h5: 200 cells, {small_run.synapses:,} synapses"
    assert any(line.startswith("  exc ") and f"{small_run.spikes['exc']:,} spikes" in line for line in lines)
    assert "seed 2007" in result.out
    assert result.err.startswith("note: ")
    assert "\x1b" not in result.out + result.err
    assert max(map(len, lines)) <= 80


def test_json_is_the_summary(command, small, small_run) -> None:
    result = command("run", small, "--json", "-q", "-o", "other.h5")
    told = json.loads(result.out)
    assert result.err == ""
    assert told.keys() - {"warnings"} == json.loads(small_run.to_json()).keys()
    assert "fire on their own" in told["warnings"][0]
    assert told["output"] == "other.h5"
    assert told["spikes_sha256"] == small_run.spikes_sha256


def test_an_existing_output_is_kept_without_force(command, small) -> None:
    Path("out.h5").write_text("precious")
    result = command("run", small)
    assert result.code == 5
    assert "out.h5: the file exists already" in result.err
    assert "--force" in result.err
    assert Path("out.h5").read_text() == "precious"
    assert command("run", small, "--force", "--duration", "1 ms").code == 0
    assert hhsim.open("out.h5").complete


def test_the_command_line_wins_over_the_environment_and_that_over_the_config(
    command, small, monkeypatch
) -> None:
    def told(*options: str) -> tuple[int, int]:
        result = command("run", small, "--duration", "1 ms", "--force", "--json", "-q", *options)
        summary = json.loads(result.out)
        return summary["seed"], summary["threads"]

    processors = len(os.sched_getaffinity(0))
    assert told() == (2007, processors)
    assert told("--set", "run.seed=3") == (3, processors)
    monkeypatch.setenv("HHSIM_SEED", "4")
    monkeypatch.setenv("HHSIM_THREADS", "3")
    assert told() == (4, 3)
    assert told("--set", "run.seed=3") == (3, 3), "--set is the command line"
    assert told("--set", "run.seed=3", "--seed", "5") == (5, 3)
    assert told("--seed", "5", "--threads", "1") == (5, 1)


def test_threads_may_be_more_than_there_are_processors(small, small_run, tmp_path) -> None:
    environment = os.environ | {"NUMBA_NUM_THREADS": "1"}
    run = python(MAIN, "run", small, "--threads", 16, "--json", cwd=tmp_path, env=environment)
    assert run.returncode == 0, run.stderr
    told = json.loads(run.stdout)
    assert (told["threads"], told["spikes_sha256"]) == (16, small_run.spikes_sha256)


def test_the_startup_counts_from_the_start_of_the_process(small, tmp_path) -> None:
    run = python(f"import time; time.sleep(1); {MAIN}", "run", small, "--json", cwd=tmp_path)
    assert json.loads(run.stdout)["wall_s"]["startup"] > 1.0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run",), "name a CONFIG"),
        (("run", "x.toml", "--threads", "0"), "--threads"),
        (("run", "x.toml", "--precision", "float16"), "float16"),
        (("walk",), "No such command 'walk'"),
        (("export", "x.toml"), "--output"),
    ],
)
def test_wrong_usage_is_told(command, arguments, words) -> None:
    result = command(*arguments)
    assert result.code == 2
    assert words in result.err
    assert result.out == ""


def test_a_mistake_of_our_own_is_told_as_such(command, small, monkeypatch) -> None:
    monkeypatch.setattr("hhsim.simulation.execute.execute", lambda *arguments, **settings: 1 / 0)
    result = command("run", small)
    assert result.code == 1
    assert "ZeroDivisionError" in result.err
    assert "report" in result.err


def test_too_little_memory_while_building_is_told(command, small, monkeypatch) -> None:
    def build(*arguments: object, **settings: object) -> None:
        raise MemoryError

    monkeypatch.setattr("hhsim.simulation.simulation.Simulation.__init__", build)
    assert command("run", small).code == 6


def test_validate_shows_what_a_config_describes(command, small) -> None:
    result = command("validate", small)
    assert (result.code, result.err) == (0, "")
    for words in (
        "200 cells, about 8,000 synapses",
        "g.exc (nS)",
        "v of 10 cells of exc (100 frames)",
        "note:",
    ):
        assert words in result.out
    told = json.loads(command("validate", small, "--json").out)
    assert (told["neurons"], told["synapses"]) == (200, 8000)
    assert not list(Path().iterdir())


def test_kernel_prints_python(command, small) -> None:
    result = command("kernel", small)
    assert result.code == 0
    names = {node.name for node in ast.walk(ast.parse(result.out)) if isinstance(node, ast.FunctionDef)}
    assert "advance" in names


def test_an_exported_network_gives_the_same_spikes(command, small, small_run) -> None:
    result = command("export", small, "-o", "new/circuit")
    assert result.code == 0
    assert result.out.split() == [f"new/circuit/{name}" for name in ("config.toml", "nodes.h5", "edges.h5")]
    result = command("run", "new/circuit/config.toml", "--json")
    assert result.code == 0, result.err
    told = json.loads(result.out)
    assert told["spikes_sha256"] == small_run.spikes_sha256
    assert told["synapses"] == small_run.synapses


def test_an_export_replaces_nothing_without_force(command, small) -> None:
    Path("circuit").mkdir()
    Path("circuit/edges.h5").write_text("precious")
    result = command("export", small, "-o", "circuit")
    assert result.code == 5
    assert "--force" in result.err
    assert Path("circuit/edges.h5").read_text() == "precious"
    assert len(list(Path("circuit").iterdir())) == 1
    Path("file").write_text("")
    assert command("export", small, "-o", "file/circuit").code == 5


def on_terminal(*arguments: object, **environment: str) -> tuple[str, str]:
    """What a command prints on stderr, a terminal, and on stdout, which is none."""
    ours, theirs = pty.openpty()
    variables = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "COLUMNS")}
    line = [sys.executable, "-c", MAIN, *map(str, arguments)]
    with subprocess.Popen(
        line, stdout=subprocess.PIPE, stderr=theirs, env=variables | {"TERM": "xterm"} | environment
    ) as process:
        os.close(theirs)
        screen = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            if not piece:
                break
            screen += piece
        os.close(ours)
        assert process.stdout is not None
        out = process.stdout.read().decode()
    assert process.returncode == 0, screen.decode()
    return screen.decode(), out


def test_progress_is_shown_on_a_terminal_and_colour_only_where_it_is_wanted(small, tmp_path) -> None:
    line = ("run", small, "--json", "--duration", "4 s")
    screen, out = on_terminal(*line, "-o", tmp_path / "1.h5")
    assert json.loads(out)["complete"]
    assert "\x1b[33m" in screen
    assert "of 4000 ms" in screen
    assert re.search("x (faster|slower) than real time|  real time", screen)
    screen, _ = on_terminal(*line, "-o", tmp_path / "2.h5", NO_COLOR="1")
    assert "\x1b[33m" not in screen
    assert "of 4000 ms" in screen
