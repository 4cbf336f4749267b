"""The README files say what is: their commands and Python work, and what they list is complete."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import CONFIGS
from places import ROOT, SUPPORT
from test_house import ROOMS

import hhsim
from hhsim.commands import COMMANDS
from hhsim.config import load
from hhsim.errors import ConfigRefused

README = ROOT / "README.md"
FILES = [README, *(ROOT / folder / "README.md" for folder in ("configs", "scripts", "hhsim", "tests"))]
REFERENCE, MEASUREMENTS, MAP, TESTS = FILES[1:]
MOST_LINES = 140  # of the first one
WIDTH = 120  # of prose

# In place of what a command takes; and what it would otherwise refuse or take too long for.
SHORT = ("--duration", "2 ms")
EXTRA = {"run": (*SHORT, "--force"), "bench": (*SHORT, "--repeats", "1")}

each = pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(), re.DOTALL | re.MULTILINE)


def commands(path: Path) -> list[str]:
    """The lines of the ```sh blocks, one command each: joined where they go on, split where they chain."""
    lines = [line.strip() for block in blocks(path, "sh") for line in block.replace("\\\n", " ").splitlines()]
    return [part.strip() for line in lines if line and not line.startswith("#") for part in line.split("&&")]


def test_there_are_the_two_commands_that_everybody_needs() -> None:
    text = README.read_text()
    assert "python -m pip install . && hhsim run configs/coba.toml" in text
    assert "\npython -m pip install -e '.[test]' && python -m pytest\n" in text


def test_the_first_one_is_short() -> None:
    assert len(README.read_text().splitlines()) <= MOST_LINES


@each
def test_prose_is_wrapped(path: Path) -> None:
    text = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.DOTALL | re.MULTILINE)
    assert not [line for line in text.splitlines() if len(line) > WIDTH and not line.startswith("|")]


@each
def test_every_command_works(path: Path, command) -> None:
    """Those of hhsim are run, in the order of the file, in one folder: later ones may need earlier ones."""
    shutil.copytree(CONFIGS, "configs")
    for config in blocks(path, "toml"):
        Path("my.toml").write_text(config)
    for line in commands(path):
        arguments = shlex.split(line, comments=True)
        if arguments[0] != "hhsim":
            assert line.startswith(("python -m pip install ", "python -m pytest", "python scripts/"))
            continue
        arguments += EXTRA.get(arguments[1], ())
        if "--dry-run" in arguments or "--resume" in arguments:
            arguments.remove("--force")
        result = command(*arguments[1:])
        assert result.code == 0, f"{line}\n{result.err}"


@pytest.mark.parametrize(
    "line", [line for path in FILES for line in commands(path) if line.startswith("python scripts/")]
)
def test_every_script_has_the_options_that_are_shown(line: str) -> None:
    script, *arguments = shlex.split(line, comments=True)[1:]
    told = subprocess.run(
        [sys.executable, ROOT / script, "--help"], capture_output=True, text=True, check=True, timeout=120
    )
    for argument in arguments:
        assert not argument.startswith("--") or f"{argument} " in f"{told.stdout} ".replace("]", " "), (
            argument
        )


@pytest.mark.parametrize("line", [line for line in commands(TESTS) if " pytest" in line])
def test_every_call_of_pytest_names_what_there_is(line: str) -> None:
    known = (ROOT / "pyproject.toml").read_text()
    arguments = shlex.split(line)[3:]
    for argument in arguments:
        if argument.startswith("tests/"):
            assert (ROOT / argument).exists()
        elif argument != "-m":
            assert f'"{argument.removeprefix("not ")}: ' in known, "no marker"


def test_the_whole_config_runs(command) -> None:
    """The one that the first file shows: nothing has to be added, and it fires as is said there."""
    (config,) = blocks(README, "toml")
    Path("my.toml").write_text(config)
    summary = hhsim.run("my.toml", output="my.h5", threads=2)
    assert summary.neurons == 1000
    assert summary.rate_hz == pytest.approx({"E": 22, "I": 22}, abs=2)
    with hhsim.open("my.h5") as recording:
        assert recording.trace("E", "v").data.shape == (5000, 5)
    assert not command("validate", "my.toml").err


def test_what_a_run_prints_is_what_is_shown(command) -> None:
    """The same rows, and in those that no machine decides the same words; another processor may have other
    spikes."""
    (shown,) = (block.splitlines() for block in blocks(README, "") if block.startswith("out.h5"))
    shutil.copytree(CONFIGS, "configs")
    printed = command("run", "configs/coba.toml", "--threads", "2").out.splitlines()
    assert [line[:12] for line in printed[1:]] == [line[:12] for line in shown[1:]]
    same = [0, *(i for i, line in enumerate(shown) if line.startswith("  with "))]
    alike = [i for i, line in enumerate(shown) if " Hz, " in line]
    assert len(same + alike) == 4
    assert [printed[i] for i in same] == [shown[i] for i in same]
    for i in alike:
        assert re.sub(r"[\d.,]+", "0", printed[i]) == re.sub(r"[\d.,]+", "0", shown[i])
        rates = [float(line[12:].split()[0]) for line in (printed[i], shown[i])]
        assert rates[0] == pytest.approx(rates[1], rel=0.05)


def test_python_works(command) -> None:
    """The use from Python, with a shorter run, by other people's programs, and the channel of one's own."""
    shutil.copytree(CONFIGS, "configs")
    (api,) = blocks(README, "python")
    channel, others = blocks(REFERENCE, "python")
    assert not [path for path in (MEASUREMENTS, MAP, TESTS) if blocks(path, "python")]
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


@each
def test_links_lead_somewhere(path: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        if link.startswith("https://"):
            continue
        place, _, heading = link.partition("#")
        target = path.parent / place if place else path
        assert target.exists(), link
        if heading:
            titles = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
            assert heading in {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@each
def test_files_that_are_named_are_there(path: Path) -> None:
    """What stands in backquotes and looks like one of the repository, seen from the root or from here."""
    for name in re.findall(r"`([\w/.]+(?:\.py|\.toml|/))`", path.read_text()):
        here = [ROOT / name, path.parent / name, ROOT / "configs" / name, *SUPPORT.parent.glob(f"*/{name}")]
        assert any(place.exists() for place in here) or name in ("my.toml", "my_channels.py"), name


def test_every_command_has_a_row() -> None:
    for one in COMMANDS:
        assert f"\n| `{one.name}` |" in README.read_text()


def test_every_room_is_on_the_map_in_its_order() -> None:
    rooms = re.findall(r"^\| `(\w+)(?:/|\.py)` \|", MAP.read_text(), re.MULTILINE)
    assert rooms == ROOMS


def test_every_script_is_named() -> None:
    text = MEASUREMENTS.read_text()
    for path in (ROOT / "scripts").glob("*.py"):
        assert f"[{path.name}]({path.name})" in text


def test_every_shipped_config_is_named() -> None:
    for path in CONFIGS.glob("*.toml"):
        assert f"[{path.name}]({path.name})" in REFERENCE.read_text()


def test_the_tables_of_the_config_follow_from_the_schema() -> None:
    """Every key is in them: `python scripts/config_reference.py` writes them anew."""
    sys.path.insert(0, str(ROOT / "scripts"))
    from config_reference import TABLES, filled

    text = REFERENCE.read_text()
    assert filled(text) == text
    for section in TABLES.values():
        for key in section.model_fields:
            assert f"\n| `{key}` | " in text


def test_every_rule_is_named() -> None:
    """All that hhsim itself says it knows, where a config names none."""
    with pytest.raises(ConfigRefused) as refused:
        load(CONFIGS / "coba.toml", ["projection.0.rule={}"])
    (problem,) = refused.value.problems
    known = re.findall(r"\w+", problem.message.partition("known: ")[2].partition(" (")[0])
    assert len(known) >= 6
    for rule in known:
        assert f"| `{{ {rule} = " in REFERENCE.read_text() or f'| `"{rule}"` |' in REFERENCE.read_text()


@pytest.mark.parametrize(
    ("path", "names"), [(README, {"speed"}), (MEASUREMENTS, {"exact", "speed", "similarity", "accuracy"})]
)
def test_tables_are_those_that_were_measured(path: Path, names: set[str]) -> None:
    """Nobody edits them by hand: they are made from scripts/figures/peers.json."""
    sys.path.insert(0, str(ROOT / "scripts" / "peers"))
    from draw import BEGIN, END, tables

    made = tables(json.loads((ROOT / "scripts" / "figures" / "peers.json").read_text()))
    assert made.keys() >= names
    for name in names:
        assert f"{BEGIN.format(name)}\n{made[name]}\n{END.format(name)}" in path.read_text()
