"""Messages name what was typed, the real reason, and the nearest of what there is."""

from __future__ import annotations

import pytest
from places import ROOT

import hhsim
from hhsim.config import load
from hhsim.errors import ConfigRefused
from hhsim.model.units import NotAQuantity, read
from hhsim.simulation.simulation import Simulation

CONFIGS = ROOT / "configs"


def message(*overrides: str, config: str = "coba_nest.toml") -> str:
    with pytest.raises(ConfigRefused) as refused:
        load(CONFIGS / config, overrides)
    (problem,) = refused.value.problems
    return problem.message.removesuffix(f" (given by --set {overrides[-1]})")


TYPED = [
    (["input.0.rate=-5 Hz"], "must not be negative, found -5 Hz"),
    (["run.dt=0 us"], "must be positive, found 0 us"),
    (["cell.hh.channel.k.g_max=-5 mS/cm^2"], "must not be negative, found -5 mS/cm^2"),
    (["projection.0.weight={normal=['1 uS', '-1 nS']}"],
     "a standard deviation must not be negative, found -1 nS"),
    (["projection.0.weight={uniform=['1 uS', '1 nS']}"], "low is above high (1 uS > 1 nS)"),
    (["projection.0.weight={normal=['1 uS', '1 nS'], min='2 uS', max='1 uS'}"], "is above max (2 uS > 1 uS)"),
    (["run.duration=1e12 s"], "1e12 s is too long: 1e+16 steps of 0.1 ms, and at most 2**53 can be counted"),
    (["run.duration=20.05 ms"], "20.05 ms is not a multiple of dt = 0.1 ms"),
    (["record.trace=[]", "run.dt=70 us"], "1 s is not a multiple of dt = 70 us"),
    (["run.duration=10 us"], "10 us is shorter than a step, dt = 0.1 ms"),
    (["input.0.start=1 s"], "is before start (50 ms < 1 s)"),
    (["input.0.rate=20 MHz"], "20 MHz is 2000 spikes in each step of 0.1 ms; at most 1000 can be counted"),
    (["guards={every='0.5 s', silent_for='20 us'}"],
     "is shorter than every = 0.5 s, how often the guards look"),
    (["guards={every='5 ms', v_range=['0 V', '-1 V']}"], "low is not below high (0 V and -1 V)"),
]  # fmt: skip


@pytest.mark.parametrize(("overrides", "expected"), TYPED, ids=[case[0][0] for case in TYPED])
def test_a_message_names_what_was_typed(overrides, expected) -> None:
    assert message(*overrides) == expected


@pytest.mark.parametrize(
    ("override", "words"),
    [
        (
            "cell.hh.channel.na.model=Na_TM91",
            ['did you mean "Na_TM1991"?', "leak, K_TM1991", "--channels FILE.py"],
        ),
        ("cell.hh.channel.na.model=xyz", ["known: leak, K_TM1991, Na_TM1991", "--channels FILE.py"]),
        (
            "cell.hh.receptor.exc.model=exponentiel",
            ['mean "exponential"?', "known: exp", "--channels FILE.py"],
        ),
        ("input.0.model=poison", ['did you mean "poisson"?', "known: poisson, step_current"]),
        (
            "projection.0.rule=all_two_all",
            ['did you mean "all_to_all"?', "pairwise_bernoulli, fixed_outdegree"],
        ),
        ("projection.0.rule={pairwise_bernouli=1}", ['"pairwise_bernoulli"?', "one_to_one"]),
    ],
)
def test_an_unknown_model_lists_the_nearest_and_all_there_are(override, words) -> None:
    found = message(override)
    for word in words:
        assert word in found


@pytest.mark.parametrize(
    ("typed", "unit", "hint"),
    [
        ("5 sec", "ms", '"s"'), ("5 secs", "ms", '"s"'), ("5 msec", "ms", '"ms"'), ("5 msecs", "ms", '"ms"'),
        ("5 usec", "ms", '"us"'), ("5 h", "ms", '"60 min"'), ("5 hours", "ms", '"60 min"'),
        ("5 Ohm", "nS", "a conductance is in S"), ("5 MOhms", "nS", "a conductance is in S"),
        ("5 Hertz", "1/ms", '"Hz"'), ("5 kHertz", "1/ms", '"kHz"'), ("5 hz", "1/ms", '"Hz"'),
        ("5 MicroS", "nS", '"uS"'), ("5 nSiemens", "nS", '"nS"'), ("5 Volt", "mV", '"V"'),
        ("5 uA/cm2", "pA", '"uA/cm^2"'), ("5 mS/cm2", "nS", '"mS/cm^2"'), ("5 mho/cm²", "nS", '"S/cm^2"'),
        ("5 um2", "um^2", '"um^2"'), ("5 pAmps", "pA", '"pA"'),
        ("5 /s", "1/ms", '"1/s"'), ("5 /msec", "1/ms", '"1/ms"'), ("5 s⁻¹", "1/ms", '"s^-1"'),
    ],
)  # fmt: skip
def test_other_spellings_of_units_get_the_right_hint(typed, unit, hint) -> None:
    with pytest.raises(NotAQuantity, match="unknown unit") as refused:
        read(typed, unit)
    assert hint in str(refused.value)


def test_a_hint_can_be_followed() -> None:
    for spelled, unit in (("msec", "ms"), ("Volts", "mV"), ("kHertz", "1/ms"), ("MicroS", "nS")):
        with pytest.raises(NotAQuantity) as refused:
            read(f"5 {spelled}", unit)
        hint = str(refused.value).split('"')[-2]
        read(f"5 {hint}", unit)


def test_a_current_per_area_is_called_one() -> None:
    with pytest.raises(NotAQuantity, match='"5 uA/cm\\^2" is a current per area; expected a current such as'):
        read("5 uA/cm^2", "pA")


@pytest.mark.parametrize("threads", [0, -1, True, 1.5])
def test_a_number_of_threads_that_is_none_is_refused(threads, tmp_path) -> None:
    with pytest.raises(ValueError, match="threads must be a whole number from 1 on"):
        hhsim.run(CONFIGS / "single.toml", output=tmp_path / "out.h5", threads=threads)
    with pytest.raises(ValueError, match="threads must be"):
        Simulation(load(CONFIGS / "single.toml").model, threads=threads)
    assert not list(tmp_path.iterdir())


def test_the_environment_asks_for_a_thread_at_least(command, monkeypatch) -> None:
    monkeypatch.setenv("HHSIM_THREADS", "0")
    result = command("run", str(CONFIGS / "single.toml"))
    assert result.code == 2
    assert "0 is not in the range" in result.err
