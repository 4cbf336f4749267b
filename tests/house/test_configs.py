"""Every config that is shipped loads without a remark that it does not deserve, and runs."""

from __future__ import annotations

import tomllib

import pytest
from conftest import CONFIGS

import hhsim
from hhsim.config import load

SMALLER = {  # networks that would take too long here
    "coba_100k": ("population.exc.size=800", "population.inh.size=200"),
    "coba_1m": ("population.exc.size=800", "population.inh.size=200"),
    "cortical": ("population.exc.size=800", "population.inh.size=200"),
}

NAMES = sorted(path.stem for path in CONFIGS.glob("*.toml"))


def test_the_benchmarks_are_there() -> None:
    assert {"coba", "coba_100k", "coba_1m", "cortical", "single"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_config_runs(name, tmp_path) -> None:
    path = CONFIGS / f"{name}.toml"
    summary = hhsim.run(
        path, output=tmp_path / "out.h5", duration="5 ms", overrides=SMALLER.get(name, ()), threads=2
    )
    assert summary.complete
    assert summary.steps == round(5.0 / load(path).model.run.dt)
    with hhsim.open(summary.output) as recording:
        assert recording.complete
        assert tomllib.loads(recording.config)["title"] == load(path).model.title


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_config_has_a_title_and_a_seed_and_says_what_it_is(name) -> None:
    text = (CONFIGS / f"{name}.toml").read_text()
    content = tomllib.loads(text)
    assert content["title"]
    assert "seed" in content["run"]
    assert text.startswith("# ")
