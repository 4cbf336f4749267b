"""Laws of the advice: warn of what is suspicious, and never cry wolf."""

from __future__ import annotations

import math

import pytest
from places import ROOT

from hhsim.config import load
from hhsim.config.advice import fastest_gate, spontaneous_rate, warnings
from hhsim.model import Model

CONFIGS = ROOT / "configs"
REST = "cell.hh.channel.leak.e_rev=-65 mV"


def coba(*overrides: str) -> Model:
    return load(CONFIGS / "coba.toml", overrides).model


def test_a_sound_config_gets_no_advice() -> None:
    assert warnings(coba(REST)) == ()
    assert warnings(load(CONFIGS / "single.toml").model) == ()


def test_the_only_advice_on_coba_is_that_its_cells_have_no_rest() -> None:
    (text,) = warnings(coba())
    assert 'cells of type "hh" fire on their own' in text
    assert "14 Hz" in text
    assert "e_rev = -60 mV" in text


def test_the_rate_of_an_isolated_cell_is_known() -> None:
    assert spontaneous_rate(coba().cells["hh"]) == pytest.approx(13.9, rel=0.01)
    assert spontaneous_rate(coba(REST).cells["hh"]) == 0.0


def test_the_fastest_gate_is_m_at_the_sodium_reversal_potential() -> None:
    found = fastest_gate(coba().cells["hh"])
    assert found is not None
    state, tau, v = found
    u = v + 63.0
    alpha = 0.32 * (13 - u) / math.expm1((13 - u) / 4)
    beta = 0.28 * (u - 40) / math.expm1((u - 40) / 5)
    assert (state, v) == ("na.m", 50.0)
    assert tau == pytest.approx(1 / (alpha + beta), rel=1e-9)


@pytest.mark.parametrize(
    ("dt", "method", "coarse"),
    [
        ("0.05 ms", "exponential_euler", False),
        ("0.1 ms", "exponential_euler", False),
        ("0.2 ms", "exponential_euler", True),
        ("0.5 ms", "exponential_euler", True),
        ("0.2 ms", "staggered", False),
        ("0.5 ms", "staggered", True),
    ],
)
def test_a_coarse_step_is_told_for_the_method_that_it_is_coarse_for(
    dt: str, method: str, coarse: bool
) -> None:
    found = warnings(coba(REST, f"run.dt={dt}", f"run.method={method}"))
    assert any(f"dt = {dt} is coarse" in text and "na.m" in text for text in found) == coarse


def test_a_receptor_faster_than_the_step_is_told() -> None:
    (text,) = warnings(coba(REST, "cell.hh.receptor.exc.tau=0.3 ms"))
    assert 'receptor "exc"' in text


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("projection.0.delay=0.25 ms", ["projection[0].delay", "0.25 ms", "rounded to 0.2 ms"]),
        ("projection.0.delay={normal=['1 ms', '1 ms']}", ["16%", "below 0 ms"]),
        ("projection.0.delay={normal=['1 ms', '1 ms'], min='-0 ms', max='2 ms'}", ["above 2 ms"]),
        ("projection.0.weight=0 nS", ["projection[0]", "no effect", "weight"]),
        ("projection.1.rule.pairwise_bernoulli=0", ["projection[1]", "no synapses"]),
        ("projection.1.rule={fixed_indegree=0}", ["projection[1]", "no synapses"]),
    ],
)
def test_what_is_suspicious_is_told(override: str, words: list[str]) -> None:
    found = " / ".join(warnings(coba(REST, override)))
    for word in words:
        assert word in found


@pytest.mark.parametrize(
    "override",
    [
        "projection.0.delay=0.3 ms",
        "projection.0.delay=1.5 ms",
        "projection.0.delay={normal=['3 ms', '1 ms']}",
        "projection.0.delay={uniform=['0 ms', '1 ms']}",
    ],
)
def test_a_delay_on_the_grid_of_steps_is_not_told(override: str) -> None:
    assert warnings(coba(REST, override)) == ()


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("input.0.amplitude=0 pA", "amplitude is 0 pA"),
        ("run.duration=50 ms", "the run ends at 50 ms"),
        ("input.0.stop=50 ms", "when it starts"),
    ],
)
def test_an_input_without_effect_is_told(override: str, words: str) -> None:
    (text,) = warnings(load(CONFIGS / "single.toml", [override]).model)
    assert 'step_current input of "cell"' in text
    assert words in text
