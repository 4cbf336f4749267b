"""Notes on values that are well-formed but hardly meant: given where they are due, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
from places import ROOT

from hhsim.config import load, parse
from hhsim.config.advice import warnings
from hhsim.config.advice.clipping import clipped_mean
from hhsim.config.advice.dynamics import resting_conductance
from hhsim.model import Normal
from hhsim.network.random import Purpose, draw_values

CONFIGS = ROOT / "configs"
REST = "cell.hh.channel.leak.e_rev=-65 mV"
DRIVE = "input=[{target='exc', model='poisson', rate='10 Hz', receptor='exc', weight=%s}]"
STEP = "input=[{target='exc', model='step_current', amplitude=%s}]"


def notes(*overrides: str) -> tuple[str, ...]:
    return warnings(load(CONFIGS / "coba.toml", [REST, *overrides]).model)


DUE = [
    ("projection.0.weight='20 uS'", ["projection[0].weight", "20000 nS", "at rest"]),
    ("projection.0.weight={uniform=['1 nS', '20 uS']}", ["projection[0].weight", "1 to 20000 nS"]),
    (DRIVE % "'20 uS'", ["weight of the poisson input", "20000 nS"]),
    ("cell.hh.channel.na.e_rev='50 V'", ["cell.hh.channel.na.e_rev", "50000 mV", "±200 mV"]),
    ("cell.hh.channel.na.e_rev={normal=['150 mV', '30 mV']}", ["60 to 240 mV"]),
    ("cell.hh.receptor.exc.e_rev='201 mV'", ["cell.hh.receptor.exc.e_rev", "201 mV"]),
    ("cell.hh.spike.threshold='-201 mV'", ["cell.hh.spike.threshold", "-201 mV"]),
    ("population.exc.initial.v='-65 V'", ["population.exc.initial.v", "-65000 mV"]),
    ("population.exc.initial.v={uniform=['-300 mV', '0 mV']}", ["-300 to 0 mV"]),
    ("cell.hh.receptor.inh.e_rev='-39 mV'", ["cell.hh.receptor.inh.e_rev", "-39 mV", "sounds inhibitory"]),
    ("cell.hh.spike.refractory='101 ms'", ["cell.hh.spike.refractory", "101 ms", "9.9 Hz"]),
    (STEP % "'101 nA'", ["amplitude", "101 nA"]),
    (STEP % "{uniform=['-200 nA', '0 nA']}", ["-200 to 0 nA"]),
    ("cell.hh.capacitance='20 nF'", ["cell.hh.capacitance", "20000 pF", "100 uF/cm^2"]),
    ("cell.hh.capacitance='1 pF'", ["0.005 uF/cm^2"]),
    ("cell.hh.spike={rule='level', threshold='-20 mV'}", ["cell.hh.spike", "level", "every step"]),
    ("cell.hh.spike={rule='peak', threshold='-20 mV'}", ["peak", "every step"]),
    ("cell.hh.spike={rule='level', threshold='-20 mV', refractory='0.1 ms'}", ["0.1 ms", "every step"]),
    ("projection.0.weight={normal=['6 nS', '6 nS']}", ["projection[0].weight", "16%", "6.5 nS"]),
    ("projection.0.delay={normal=['1 ms', '1 ms'], max='2 ms'}", ["below 0 ms", "lie above 2 ms"]),
    ("cell.hh.channel.k.g_max={normal=['6 uS', '6 uS']}", ["cell.hh.channel.k.g_max", "16%", "below 0 nS"]),
    ("population.exc.initial.\"g.exc\"={normal=['40 nS', '40 nS']}", ["initial.g.exc", "16%", "nS"]),
    ("population.exc.initial.\"na.m\"={normal=[0.5, 0.5]}", ["initial.na.m", "16%", "below 0 ", "above 1 "]),
    (DRIVE % "{normal=['6 nS', '6 nS']}", ["weight of the poisson input", "16%"]),
    (STEP % "{normal=['1 nA', '1 nA'], max='1 nA'}", ["amplitude", "50%", "above 1000 pA"]),
]  # fmt: skip


@pytest.mark.parametrize(("override", "words"), DUE)
def test_what_is_implausible_is_told_in_one_line(override, words) -> None:
    found = notes(override)
    assert len(found) >= 1
    one = next((text for text in found if all(word in text for word in words)), None)
    assert one is not None, found
    assert "\n" not in one


@pytest.mark.parametrize(
    "override",
    [
        "projection.0.weight='5 uS'",
        "cell.hh.channel.na.e_rev={normal=['50 mV', '20 mV']}",
        "cell.hh.spike.threshold='200 mV'",
        "population.exc.initial.v={uniform=['-200 mV', '0 mV']}",
        "cell.hh.receptor.inh.e_rev='-40 mV'",
        "cell.hh.spike.refractory='100 ms'",
        STEP % "'100 nA'",
        "cell.hh.spike={rule='crossing', threshold='-20 mV'}",
        "cell.hh.spike={rule='level', threshold='-20 mV', refractory='0.2 ms'}",
        "projection.0.weight={normal=['6 nS', '2 nS']}",
        "projection.0.weight={normal=['6 nS', '0 nS']}",
        "cell.hh.capacitance='2 nF'",
        "cell.hh.capacitance='20 pF'",
    ],
)
def test_what_is_plausible_is_not(override) -> None:
    assert notes(override) == ()


@pytest.mark.parametrize(
    ("key", "due"),
    [("gaba", True), ("GABA_A", True), ("gabaa", True), ("fastInh", True), ("inh_slow", True),
     ("inhibitory", True), ("inherited", False), ("winh", False), ("exc", False), ("ampa", False)],
)  # fmt: skip
def test_words_within_a_key_sound_inhibitory(key, due) -> None:
    text = (CONFIGS / "coba.toml").read_text()
    text = text.replace("receptor.exc]", f"receptor.{key}]").replace(
        'receptor = "exc"', f'receptor = "{key}"'
    )
    if key == "inh":
        return
    text = text.replace('"g.exc"', f'"g.{key}"')
    found = [note for note in warnings(parse(text, overrides=[REST]).model) if "sounds inhibitory" in note]
    assert len(found) == due, found


@pytest.mark.parametrize(
    "value",
    [Normal(6.0, 6.0, 0.0), Normal(1.0, 1.0, 0.5, 1.5), Normal(-1.0, 2.0, 0.0), Normal(3.0, 1.0, max=3.0)],
)
def test_the_mean_is_that_of_what_is_drawn(value) -> None:
    drawn = draw_values(5, Purpose.WEIGHT, 1, value, 0, 200_000)
    assert clipped_mean(value) == pytest.approx(drawn.mean(), abs=4 * drawn.std() / np.sqrt(drawn.size))


def test_shipped_configs_get_no_note_of_this_kind() -> None:
    for path in CONFIGS.glob("*.toml"):
        found = [text for text in warnings(load(path).model) if "fire on their own" not in text]
        assert found == [], path


def test_the_resting_conductance_is_the_leak_of_a_cell_whose_gates_are_closed() -> None:
    (cell,) = load(CONFIGS / "coba.toml", [REST, "cell.hh.channel.leak.e_rev=-120 mV"]).model.cells.values()
    assert resting_conductance(cell) == pytest.approx(10.0, rel=0.01)


def test_the_resolved_config_describes_the_same_model_without_the_area() -> None:
    loaded = load(CONFIGS / "coba.toml")
    assert parse(loaded.resolved).model == loaded.model
