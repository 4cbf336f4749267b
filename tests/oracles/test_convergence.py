"""The order of each method, measured against a solution that is exact to 1e-12.

Spike times are compared: upward crossings of −20 mV of the potential, interpolated between steps by a
polynomial of degree 5 through six samples, whose own error is far below that of both methods. The error of a
spike time gathers over all that came before, so the first spike is taken: its error of at most 0.5 ms is
small against the time to it, and error(dt) = C·dtᵖ holds down from 0.05 ms. (By the second spike exponential
Euler is up to 1.8 ms late, and from the sixth on the same law needs far smaller steps.) The order is the
slope from the largest dt to the smallest; the last halving must show it too.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import h5py
import numpy as np
import pytest
from places import DATA
from runs import run

from hhsim.config import parse

EXACT = DATA / "single_neuron_exact.h5"
THRESHOLD = -20.0  # mV
STEPS = [0.05, 0.025, 0.0125]  # ms
ORDERS = {"exponential_euler": (1.0, 0.15), "staggered": (2.0, 0.2)}
SPIKING = ["spontaneous", "step_200pA", "step_1nA", "conductance_kick"]
QUIET = ["hyperpolarised", "rest_EL-65"]
DURATION = 120.0  # ms; the latest first spike is at 97 ms

RUN = """
[run]
duration = "{duration} ms"
dt = "{dt} ms"
method = "{method}"
seed = 1
"""

PROTOCOL = """
[cell.{name}]
capacitance = "200 pF"
spike = {{ rule = "level", threshold = "-20 mV", refractory = "3 ms" }}
[cell.{name}.channel]
leak = {{ model = "leak", g_max = "10 nS", e_rev = "{e_leak_mV} mV" }}
na = {{ model = "Na_TM1991", g_max = "20 uS", e_rev = "50 mV", v_t = "-63 mV" }}
k = {{ model = "K_TM1991", g_max = "6 uS", e_rev = "-90 mV", v_t = "-63 mV" }}
[cell.{name}.receptor]
exc = {{ model = "exponential", tau = "5 ms", e_rev = "0 mV" }}
inh = {{ model = "exponential", tau = "10 ms", e_rev = "-80 mV" }}

[population.{name}]
cell = "{name}"
size = 1
[population.{name}.initial]
v = "{v0_mV} mV"
"g.exc" = "{g_exc_nS} nS"
"g.inh" = "{g_inh_nS} nS"
"na.m" = "steady"
"na.h" = "steady"
"k.n" = "steady"

[[input]]
model = "step_current"
target = "{name}"
amplitude = "{i_ext_pA} pA"

[[record.trace]]
population = "{name}"
variable = "v"
every = "{dt} ms"
"""


@cache
def potentials(method: str, dt: float) -> dict[str, np.ndarray]:
    """V of each protocol at every step; all six run side by side with the same compiled step."""
    text = RUN.format(duration=DURATION, dt=dt, method=method)
    with h5py.File(EXACT) as file:
        names = list(file)
        for name in names:
            text += PROTOCOL.format(name=name.replace("-", "_"), dt=dt, **file[name].attrs)
    frames = run(parse(text).model).frames
    return {name: frame[:, 0].astype(float) for name, frame in zip(names, frames, strict=True)}


def crossings(v: np.ndarray, dt: float) -> np.ndarray:
    """Times of the upward crossings, on a polynomial through the three samples before and the three after."""
    times = []
    for i in np.flatnonzero((v[:-1] < THRESHOLD) & (v[1:] >= THRESHOLD)):
        fit = np.polynomial.Polynomial.fit(np.arange(-2, 4), v[i - 2 : i + 4] - THRESHOLD, 5)
        roots = fit.roots()
        (root,) = roots[(abs(roots.imag) < 1e-9) & (roots.real >= 0) & (roots.real <= 1)].real
        times.append((i + root) * dt)
    return np.array(times)


def exact(name: str, dataset: str) -> np.ndarray:
    with h5py.File(EXACT) as file:
        values: np.ndarray = file[name][dataset][:]
    return values


@pytest.mark.parametrize("method", ORDERS)
@pytest.mark.parametrize("name", SPIKING)
def test_spike_times_converge_with_the_order_of_the_method(name, method):
    expected = exact(name, "upward_crossings_of_-20mV_ms")
    errors = [abs(crossings(potentials(method, dt)[name], dt)[0] - expected[0]) for dt in STEPS]
    order, tolerance = ORDERS[method]
    assert errors[0] < 0.5
    assert np.log2(errors[0] / errors[-1]) / 2 == pytest.approx(order, abs=tolerance), errors
    assert np.log2(errors[-2] / errors[-1]) == pytest.approx(order, abs=tolerance), errors


@pytest.mark.parametrize("name", SPIKING)
def test_no_spike_is_missed_or_made_up(name):
    expected = exact(name, "upward_crossings_of_-20mV_ms")
    dt = STEPS[-1]
    found = crossings(potentials("staggered", dt)[name], dt)
    np.testing.assert_allclose(found, expected[expected < DURATION], rtol=0, atol=0.05)


@pytest.mark.parametrize("method", ORDERS)
@pytest.mark.parametrize("name", QUIET)
def test_quiet_potentials_follow_the_exact_solution(name, method):
    """Every ms; `rounding` is that of recorded float32, which bounds what can be seen of the order."""
    expected = exact(name, "v_mV")[: round(DURATION)]
    rounding = 4e-6
    errors = [np.abs(potentials(method, dt)[name][:: round(1 / dt)] - expected).max() for dt in STEPS]
    order, _ = ORDERS[method]
    assert errors[0] < (0.01 if order == 1 else 0.0005)
    for larger, smaller in pairwise(errors):
        assert smaller < larger / 2 ** (order - 0.15) + rounding
