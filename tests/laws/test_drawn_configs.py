"""Extreme and damaged configs through every command: an exit code that is meant, and plain words.

`scripts/fuzz_configs.py` is the long one; numbers of configs that once found a fault are kept here.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

import pytest
from places import ROOT

SCRIPTS = ROOT / "scripts"
sys.path.insert(0, str(SCRIPTS))

from drawn_configs import config  # noqa: E402
from fuzz_configs import Answer, answer, answers  # noqa: E402

# What they found: casts to float32 with a warning of NumPy; a refractory time and the start of an input of
# more steps than a number holds; two trains of spikes compared at a step of 1e-300 ms.
FOUND = [0, 45, 1770, 300267]


@pytest.mark.parametrize("first", range(0, 300, 30))
def test_drawn_configs_are_refused_or_understood(tmp_path, monkeypatch, first) -> None:
    monkeypatch.chdir(tmp_path)
    for number in range(first, first + 30):
        for told in answers(number, run=False, plot=False):
            assert told.fault() is None, (number, told.err)


@pytest.mark.parametrize("number", FOUND)
def test_configs_that_found_a_fault_find_none(tmp_path, monkeypatch, number) -> None:
    monkeypatch.chdir(tmp_path)
    for told in answers(number, run=True, plot=False):
        assert told.fault() is None, (told.arguments, told.err)


def test_what_the_study_calls_a_fault() -> None:
    told = Answer(["validate"], 0, "", "", 0.1)
    assert told.fault() is None
    assert told._replace(code=1).fault() == "exit code 1"
    assert told._replace(code=5).fault() == "exit code 5"
    assert told._replace(code="SystemExit: 3").fault() is not None
    assert told._replace(err="x.py:3: RuntimeWarning: overflow").fault() == "Warning"
    assert told._replace(out="rate nan Hz").fault() == "nan in the output"
    assert told._replace(seconds=1000.0).fault() == "1000 seconds"
    assert len({config(number) for number in range(99)}) == 99


# Overrides and paths

ENDLESS = ["9" * 5000, "0x" + "f" * 6000, "[" * 2000, "{a=" * 300, '{ a = ["' + "0." * 2000 + '"] }']


@pytest.mark.parametrize("value", ENDLESS, ids=range(len(ENDLESS)))
@pytest.mark.parametrize(
    "key", ["run.seed", "run.dt", "run.method", "cell.hh.spike", "projection.0.rule.pairwise_bernoulli"]
)
def test_values_without_end_are_refused(small, key, value) -> None:
    told = answer("validate", str(small), "--set", f"{key}={value}")
    assert (told.code, told.out) == (3, "")
    assert told.fault() is None
    assert len(told.err) < 3000


@pytest.mark.parametrize(
    "text", ["\udcff=1", "title=\udcff", "title='a\udc80'", "run.dt=\udcff", "cell.\udcff=1"]
)
def test_overrides_that_are_no_text_are_refused(small, text) -> None:
    told = answer("validate", str(small), "--set", text)
    assert (told.code, told.fault()) == (3, None)
    assert "UTF-8" in told.err or "expected KEY.PATH=VALUE" in told.err
    told = answer("validate", str(small), "--duration", "\udcff ms")
    assert (told.code, told.fault()) == (3, None)


def test_an_element_of_five_thousand_digits_is_not_there(small) -> None:
    told = answer("validate", str(small), "--set", f"projection.{'9' * 5000}.weight=1")
    assert (told.code, told.fault()) == (3, None)
    assert "has no element 999" in told.err


def test_paths_that_are_no_utf8_are_taken(small, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("caf\udce9").mkdir()
    path = Path("caf\udce9/net\udcff.toml")
    path.write_bytes(small.read_bytes())
    run = ("run", str(path), "-q", "--threads", "1", "-o", "out\udcfe.h5")
    assert answer(*run, "--duration", "1 ms", "--checkpoint-every", "1h", "--json").code == 0
    assert answer(*run, "--duration", "2 ms", "--resume").code == 0
    told = answer("info", "out\udcfe.h5", "--json")
    assert told.code == 0
    assert json.loads(told.out)
    for command in (
        ("stats", "out\udcfe.h5"),
        ("diff", "out\udcfe.h5", "out\udcfe.h5"),
        ("rerun", "out\udcfe.h5", "--verify", "-q"),
        ("export-spikes", "out\udcfe.h5", "--format", "csv"),
        ("plot", "out\udcfe.h5"),
        ("recover", "out\udcfe.h5"),
    ):
        told = answer(*command)
        assert told.fault() is None, told.err
        assert told.code == 0
    assert Path("out\udcfe.png").exists()
    network = '{ file = "edges.h5", edges = "exc__inh" }'
    Path("caf\udce9/edges.h5").touch()
    told = answer("validate", str(path), "--set", f"projection.0.rule={network}")
    assert told.code == 3
    assert "holds bytes that are not UTF-8, which no recording can hold" in told.err


def test_a_title_in_any_script_is_drawn_without_a_word(small, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    title = 'title="\u65e5\u672c \U0001f9e0"'
    assert answer("run", str(small), "-q", "--duration", "1 ms", "--set", title).code == 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        told = answer("plot", "out.h5")
    assert (told.code, told.err) == (0, "")


# Numbers that float32 cannot hold


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("cell.hh.capacitance", "1e39 pF", "cell.hh.capacitance: 1e+39 pF is more than float32 can hold"),
        ("cell.hh.capacitance", "1e-50 pF", "cell.hh.capacitance: 1e-50 pF is zero in float32"),
        ("cell.hh.channel.na.g_max", "1e40 nS", "cell.hh.channel.na.g_max: 1e+40 nS is more than float32"),
        ("cell.hh.spike.threshold", "1e300 mV", "cell.hh.spike.threshold: 1e+300 mV is more than float32"),
        ("population.exc.initial.v", "-1e39 mV", "population.exc.initial.v: -1e+39 mV is more than float32"),
        ("projection.0.weight", "1e39 nS", "projection[0].weight: 1e+39 nS is more than float32"),
    ],
)
def test_a_number_beyond_float32_is_refused_where_it_matters(small, key, value, words) -> None:
    told = answer("validate", str(small), "--set", f"{key}={value}", "--precision", "float32")
    assert told.code == 3
    assert words in told.err
    assert answer("validate", str(small), "--set", f"{key}={value}").code == 0


def test_a_drawn_value_that_cannot_be_held_is_refused_before_the_first_step(
    small, tmp_path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    spread = 'cell.hh.channel.na.g_max={ normal = ["1 nS", "1e39 nS"] }'
    told = answer("run", str(small), "-q", "--set", spread, "--precision", "float32")
    assert told.code == 3, told.err
    assert "na.g_max: a value of " in told.err
    assert "was drawn, which is more than float32 can hold" in told.err
    assert not Path("out.h5").exists()
