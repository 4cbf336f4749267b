"""The README's commands do what it says: each `hhsim` line of its shell blocks is run."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest
from conftest import CONFIGS

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
# In place of what a command takes; and what it would otherwise refuse or take too long for.
SHORT = ("--duration", "2 ms")
EXTRA = {"run": (*SHORT, "--force"), "bench": (*SHORT, "--repeats", "1")}


def commands() -> list[str]:
    """The lines of the ```sh blocks, one command each: joined where they go on, split where they chain."""
    blocks = re.findall(r"^```sh\n(.*?)^```", README.read_text(), re.DOTALL | re.MULTILINE)
    lines = [line.strip() for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [part.strip() for line in lines if line and not line.startswith("#") for part in line.split("&&")]


def of_hhsim() -> list[str]:
    return [line for line in commands() if line.startswith("hhsim ")] if README.exists() else []


@pytest.mark.skipif(not README.exists(), reason="there is no README yet")
def test_there_are_the_two_commands_that_everybody_needs() -> None:
    text = README.read_text()
    assert "python -m pip install . && hhsim run configs/coba.toml" in text
    assert "python -m pip install -e '.[test]' && python -m pytest" in text


@pytest.mark.skipif(not README.exists(), reason="there is no README yet")
def test_every_command_of_the_readme_works(command) -> None:
    """In the order of the README, in one folder: later ones may need what earlier ones left."""
    shutil.copytree(CONFIGS, "configs")
    for line in of_hhsim():
        arguments = shlex.split(line, comments=True)[1:]
        arguments += EXTRA.get(arguments[0], ())
        if "--dry-run" in arguments or "--resume" in arguments:
            arguments.remove("--force")
        result = command(*arguments)
        assert result.code == 0, f"{line}\n{result.err}"


def python_blocks() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", README.read_text(), re.DOTALL | re.MULTILINE)


def test_the_readme_s_python_works(command) -> None:
    """The use from Python, with a shorter run, by other people's programs, and the channel of one's own."""
    shutil.copytree(CONFIGS, "configs")
    api, others, channel = python_blocks()
    assert "500 ms" in api
    names: dict[str, object] = {}
    exec(api.replace("500 ms", "20 ms"), names)
    assert names["summary"].steps == 200
    assert names["v"].units == "mV"
    assert "stop_ms=200" in others
    exec(others.replace("stop_ms=200", "stop_ms=10"), names)
    assert len(names["spikes"]["node_ids"]) == names["summary"].spikes["exc"]
    Path("my_channels.py").write_text(channel)
    result = command(
        "validate",
        "configs/single.toml",
        "--channels",
        "my_channels.py",
        "--set",
        'cell.hh.channel.k.model="Kdr_HH1952"',
    )
    assert result.code == 0, result.err


def test_the_readme_s_tables_are_those_that_were_measured() -> None:
    """Nobody edits them by hand: they are made from scripts/figures/peers.json."""
    sys.path.insert(0, str(ROOT / "scripts" / "peers"))
    from draw import BEGIN, END, tables

    kept = json.loads((ROOT / "scripts" / "figures" / "peers.json").read_text())
    text = README.read_text()
    made = tables(kept)
    assert made.keys() == {"exact", "speed", "similarity"}
    for name, table in made.items():
        assert f"{BEGIN.format(name)}\n{table}\n{END.format(name)}" in text
    for path in re.findall(r"\]\((scripts/[^)]+)\)", text):
        assert (ROOT / path).is_file(), path
