"""The README's commands do what it says: each `hhsim` line of its shell blocks is run."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from conftest import CONFIGS

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
SHORT = ("--duration", "2 ms")  # in place of whatever a run takes


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
        if "run" in arguments:
            arguments += [*SHORT, "--force"]
        result = command(*arguments)
        assert result.code == 0, f"{line}\n{result.err}"


def python_blocks() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", README.read_text(), re.DOTALL | re.MULTILINE)


def test_the_readme_s_python_works(command, small) -> None:
    """The use from Python, with a shorter run, and the channel of one's own."""
    shutil.copytree(CONFIGS, "configs")
    api, channel = python_blocks()
    assert "500 ms" in api
    names: dict[str, object] = {}
    exec(api.replace("500 ms", "2 ms"), names)
    assert names["summary"].steps == 20
    assert names["v"].units == "mV"
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
