"""From what a config says to what the engine does: tables written by hand, in steps, mV and nS.

The cells here do not leak: what arrives stays, and a potential stays where it is put.
"""

from __future__ import annotations

import numpy as np
import pytest
from runs import Outcome, run

from hhsim.config import parse

KEEPER = """
[cell.keeper] # whose conductances and potential stay as they are
capacitance = "100 pF"
spike = { rule = "level", threshold = "-20 mV", refractory = "REFRACTORY" }
channel.leak = { model = "leak", g_max = "1e-12 nS", e_rev = "-70 mV" }
receptor.exc = { model = "exponential", tau = "1e12 ms", e_rev = "-70 mV" }
receptor.inh = { model = "exponential", tau = "1e12 ms", e_rev = "-70 mV" }
"""


def keeper(name: str, refractory: str = "1 s") -> str:
    return KEEPER.replace("keeper", name, 1).replace("REFRACTORY", refractory)


def first_change(frames: np.ndarray) -> int:
    """The frame before which something came, the first of them if it came at once."""
    return int(np.flatnonzero(frames != frames[0])[0]) if np.any(frames != frames[0]) else -1


HEAD = """
[run]
duration = "DURATION"
dt = "0.1 ms"
seed = 4
"""


def outcome(text: str, duration: str = "20 ms", threads: int = 2) -> Outcome:
    return run(parse(HEAD.replace("DURATION", duration) + text).model, threads)


# A delay counts from the end of the step of the spike, and is taken to the nearest step.
DELAYS = {
    "0 ms": 0,
    "0.04 ms": 0,
    "0.06 ms": 1,
    "0.1 ms": 1,
    "0.3 ms": 3,  # 0.3 / 0.1 is below 3 in binary
    "0.7 ms": 7,
    "1.16 ms": 12,
    "1.7 ms": 17,
    "4.3 ms": 43,
    "0.0123 s": 123,
}


def test_delays() -> None:
    """The source fires in step 0, at 0.1 ms; what it sends is in the frame after the step of its arrival."""
    text = keeper("hh") + '[population.source]\ncell = "hh"\nsize = 1\ninitial = { v = "0 mV" }\n'
    for i, delay in enumerate(DELAYS):
        text += f'[population.t{i}]\ncell = "hh"\nsize = 1\ninitial = {{ v = "-60 mV" }}\n'
        text += f'[[projection]]\nsource = "source"\ntarget = "t{i}"\nreceptor = "exc"\nrule = "all_to_all"\n'
        text += f'weight = "3 nS"\ndelay = "{delay}"\n'
        text += f'[[record.trace]]\npopulation = "t{i}"\nvariable = "g.exc"\nevery = "0.1 ms"\n'
    found = outcome(text)
    assert found.spikes["source"] == [(0, 0)]
    told = {}
    for delay, frames in zip(DELAYS, found.frames, strict=True):
        # A frame holds the state before what arrives at its time: arrival in step d + 1 shows in frame d + 2.
        told[delay] = first_change(frames[:, 0]) - 2
        assert frames[-1, 0] == pytest.approx(3.0)
    assert told == DELAYS


REFRACTORIES = {"0 ms": 1, "0.1 ms": 1, "0.3 ms": 3, "0.7 ms": 7, "1.16 ms": 12, "2.3 ms": 23, "4 ms": 40}


def test_refractory_times() -> None:
    """A cell that stays above its threshold fires again as soon as it may."""
    text = ""
    for i, refractory in enumerate(REFRACTORIES):
        text += keeper(f"k{i}", refractory)
        text += f'[population.p{i}]\ncell = "k{i}"\nsize = 1\ninitial = {{ v = "0 mV" }}\n'
    found = outcome(text)
    for i, (refractory, steps) in enumerate(REFRACTORIES.items()):
        assert [step for step, _ in found.spikes[f"p{i}"]] == list(range(0, 200, steps)), refractory


# start, stop → the first and the last step in which a current of 1 nA flows
WINDOWS = {
    (None, None): (0, 199),
    ("0.3 ms", None): (3, 199),
    (None, "0.7 ms"): (0, 6),
    ("0.3 ms", "1.16 ms"): (3, 11),
    ("1.7 ms", "1.8 ms"): (17, 17),
    ("2 ms", "2 ms"): None,
    ("19.9 ms", "1 s"): (199, 199),
    ("5 s", None): None,
}


def test_currents_start_and_stop() -> None:
    """1 nA through 100 pF for 0.1 ms is 1 mV."""
    text = keeper("hh")
    for i, (start, stop) in enumerate(WINDOWS):
        text += f'[population.p{i}]\ncell = "hh"\nsize = 2\ninitial = {{ v = "-1000 mV" }}\n'
        text += f'[[input]]\nmodel = "step_current"\ntarget = "p{i}"\namplitude = "1 nA"\nnodes = [1, 2]\n'
        text += (f'start = "{start}"\n' if start else "") + (f'stop = "{stop}"\n' if stop else "")
        text += f'[[record.trace]]\npopulation = "p{i}"\nvariable = "v"\nevery = "0.1 ms"\n'
    found = outcome(text)
    for i, (window, expected) in enumerate(WINDOWS.items()):
        v = np.append(found.frames[i][:, 1], found.state(f"p{i}", "v")[1])
        rises = np.flatnonzero(np.diff(v) > 0.5)
        assert np.allclose(np.diff(v)[rises], 1.0, atol=1e-3)
        assert (found.frames[i][:, 0] == -1000).all(), "cell 0 is not among the nodes"
        steps = [] if expected is None else list(range(expected[0], expected[1] + 1))
        assert rises.tolist() == steps, window


def test_poisson_trains_start_and_stop() -> None:
    """At 500 spikes a step none is without arrivals, but for those before the start and from the stop on."""
    text = keeper("hh")
    for i, (start, stop) in enumerate(WINDOWS):
        text += f'[population.p{i}]\ncell = "hh"\nsize = 2\ninitial = {{ v = "-1000 mV" }}\n'
        text += f'[[input]]\nmodel = "poisson"\ntarget = "p{i}"\nrate = "5 MHz"\nweight = "1 nS"\n'
        text += 'receptor = "inh"\nnodes = [0, 1]\n'
        text += (f'start = "{start}"\n' if start else "") + (f'stop = "{stop}"\n' if stop else "")
        text += f'[[record.trace]]\npopulation = "p{i}"\nvariable = "g.inh"\nevery = "0.1 ms"\n'
    found = outcome(text)
    for i, (window, expected) in enumerate(WINDOWS.items()):
        g = np.append(found.frames[i][:, 0], found.state(f"p{i}", "g.inh")[0])
        assert (found.frames[i][:, 1] == 0).all(), "cell 1 is not among the nodes"
        steps = [] if expected is None else list(range(expected[0], expected[1] + 1))
        assert np.flatnonzero(np.diff(g) > 0.5).tolist() == steps, window


VALUES = {
    "v": ('"-0.0623 V"', -62.3),
    "g.exc": ('"0.0125 uS"', 12.5),
    "g.inh": ('{ uniform = ["7 nS", "7 nS"] }', 7.0),
}


def test_initial_values() -> None:
    initial = ", ".join(f"{name} = {text}" for name, (text, _) in VALUES.items())
    text = keeper("hh") + f'[population.p]\ncell = "hh"\nsize = 130\ninitial = {{ {initial} }}\n'
    for name in VALUES:
        text += f'[[record.trace]]\npopulation = "p"\nvariable = "{name}"\nevery = "1 ms"\n'
    found = outcome(text, "1 ms")
    for frames, (name, (_, number)) in zip(found.frames, VALUES.items(), strict=True):
        assert np.allclose(frames[0], number), name


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_more_arrivals_in_a_step_than_sixteen_bits_count(precision) -> None:
    """70 000 cells fire at once, all of them onto one receptor of a cell, 65 537 onto the other."""
    text = HEAD.replace("DURATION", "1 ms") + keeper("hh")
    for name, size, v in (("all", 70_000, "0 mV"), ("one", 1, "-60 mV")):
        text += f'[population.{name}]\ncell = "hh"\nsize = {size}\ninitial = {{ v = "{v}" }}\n'
    for receptor, rule, weight in (("exc", '"all_to_all"', 2), ("inh", "{ fixed_indegree = 65537 }", 1)):
        text += f'[[projection]]\nsource = "all"\ntarget = "one"\nreceptor = "{receptor}"\nrule = {rule}\n'
        text += f'weight = "{weight} nS"\n'
    found = run(parse(text, run={"precision": precision}).model, 2)
    assert len(found.spikes["all"]) == 70_000
    assert found.state("one", "g.exc")[0] == pytest.approx(140_000, rel=1e-6)
    assert found.state("one", "g.inh")[0] == pytest.approx(65_537, rel=1e-6)


def test_the_first_draw_of_each_window_of_a_train_counts() -> None:
    """A train of 3 kHz with a mean gap of 3.33 steps: the first spike of each window is as late."""
    text = keeper("hh") + '[population.p]\ncell = "hh"\nsize = 2000\ninitial = { v = "-1000 mV" }\n'
    text += '[[input]]\nmodel = "poisson"\ntarget = "p"\nrate = "3 kHz"\nweight = "1 nS"\nreceptor = "exc"\n'
    text += '[[record.trace]]\npopulation = "p"\nvariable = "g.exc"\nevery = "0.1 ms"\n'
    arrivals = np.diff(outcome(text, "210 ms").frames[0].astype(float), axis=0) > 0  # from step 0 on
    for begin in (0, 1024):
        waits = arrivals[begin : begin + 60].argmax(axis=0)
        # of a geometric number with p = 1 − e^(−0.3): mean (1 − p)/p, variance (1 − p)/p²
        p = -np.expm1(-0.3)
        assert waits.mean() == pytest.approx((1 - p) / p, abs=4 * np.sqrt((1 - p) / p**2 / 2000))
