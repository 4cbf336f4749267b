"""Cells of every kind, and how their spikes travel, against the slow implementation of the same model."""

from __future__ import annotations

import numpy as np
import pytest
import slow_reference as slow
from runs import run
from scipy.integrate import solve_ivp
from zoo import ZOO, ours, slow_group, slowly, squid_channel, zoo

from hhsim.config import parse
from hhsim.state.build import initial_values

# Networks


CASES = [
    (0.1, "exponential_euler", 0.0),  # spikes reach others within the next step
    (0.1, "exponential_euler", 0.5),  # threads meet after each sixth step
    (0.1, "exponential_euler", None),
    (0.1, "staggered", 0.5),
    (1.0, "exponential_euler", 0.0),  # far beyond the reach of the short forms
    (0.5, "staggered", 1.0),
]


@pytest.mark.parametrize("case", CASES)
def test_networks_agree_with_the_slow_implementation(case):
    """Spikes by three rules, all kinds of delays, individual weights and parameters, five kinds of cell."""
    found, expected = ours(*case), slowly(*case)
    first = 0
    for i, (name, population) in enumerate(found.simulation.model.populations.items()):
        own = [(k, n - first) for k, n in expected.spikes if first <= n < first + population.size]
        assert found.spikes[name] == own, name
        assert found.suppressed[name] == expected.suppressed[i], name
        first += population.size
        for state, values in expected.states[i].items():
            np.testing.assert_allclose(
                found.state(name, state), values[-1], rtol=0, atol=1e-6, err_msg=f"{name} {state}"
            )
    for trace, frames in zip(found.simulation.model.traces, found.frames, strict=True):
        i = list(found.simulation.model.populations).index(trace.population)
        np.testing.assert_allclose(frames, expected.states[i][trace.variable][:-1], rtol=0, atol=1e-5)


def test_the_networks_are_alive():
    """Else equal results would mean nothing."""
    connected, alone = ours(0.1, "exponential_euler", 0.0), ours(0.1, "exponential_euler", None)
    for name, spikes in connected.spikes.items():
        assert len(spikes) >= connected.simulation.model.populations[name].size, name
    assert connected.suppressed["bare"] == 0  # the level is held, but risen through once
    assert sum(connected.suppressed.values()) > 0
    assert connected.spikes["hh"] != alone.spikes["hh"]
    assert connected.spikes["squid"] == alone.spikes["squid"]


def test_some_rates_exceed_the_short_form_with_large_steps():
    states = slowly(1.0, "exponential_euler", 0.0).states[0]
    alpha, beta = slow.sodium().gates["m"][1](states["v"])
    open_sodium = 20000 * states["na.m"] ** 3 * states["na.h"]
    assert (alpha + beta).max() * 1.0 > 8
    assert open_sodium.max() / 200 * 1.0 > 8


def test_gates_start_at_their_steady_state():
    model = zoo(0.1, "exponential_euler", 0.0)
    values = initial_values(model, model.populations["hh"])
    channels = {"na": slow.sodium(), "k": slow.potassium()}
    for state, (key, gate) in {"na.m": ("na", "m"), "na.h": ("na", "h"), "k.n": ("k", "n")}.items():
        alpha, beta = channels[key].gates[gate][1](values["v"])
        np.testing.assert_allclose(values[state], alpha / (alpha + beta), rtol=1e-13)


# Single cells, by closed forms and by another solver


def test_a_cell_without_channels_is_a_capacitor():
    found = ours(0.1, "exponential_euler", None)
    t = 0.1 * np.arange(600)
    expected = -60 + np.maximum(t - 10, 0) * 100 / 100
    np.testing.assert_allclose(found.frames[2][:, 0], expected, atol=1e-5)
    # Above −30 mV from 40 ms on: at once, and after each 10 ms.
    steps = [step for step, node in found.spikes["bare"] if node == 0]
    assert steps[0] in (399, 400)
    assert np.diff(steps).tolist() == [100] * (len(steps) - 1)


@pytest.mark.parametrize("method", ["exponential_euler", "staggered"])
def test_a_passive_cell_relaxes_exponentially(method):
    model = zoo(0.5, method, None)
    start = initial_values(model, model.populations["passive"])["v"]
    v = run(model).state("passive", "v")
    np.testing.assert_allclose(v, -70 + (start + 70) * np.exp(-60 * 10 / 100), rtol=0, atol=1e-10)


def squid_solution(times: np.ndarray) -> np.ndarray:
    na, k = squid_channel("Na_HH1952", 24000.0, 50.0, 0.0), squid_channel("K_HH1952", 7200.0, -77.0, 0.0)
    gates = [na.gates["m"][1], na.gates["h"][1], k.gates["n"][1]]

    def slope(t, y):
        v, m, h, n = y
        current = 2000 + 60 * (-54.387 - v) + 24000 * m**3 * h * (50 - v) + 7200 * n**4 * (-77 - v)
        change = [alpha * (1 - x) - beta * x for x, (alpha, beta) in zip(y[1:], rates(v), strict=True)]
        return [current / 200, *change]

    def rates(v):
        return [gate(v) for gate in gates]

    start = [-65.0, *(float(alpha / (alpha + beta)) for alpha, beta in rates(-65.0))]
    return solve_ivp(slope, (0, times[-1]), start, "DOP853", times, rtol=1e-10, atol=1e-10).y[0]


@pytest.mark.parametrize(("method", "order"), [("exponential_euler", 1), ("staggered", 2)])
def test_squid_channels_from_a_file_converge_to_another_solver(method, order):
    """One spike within 8 ms: halving dt halves or quarters the error of V."""
    exact = squid_solution(0.1 * np.arange(80))
    errors = []
    for dt in (0.02, 0.01):
        v = ours(dt, method, None, 8.0).frames[1][:: round(0.1 / dt), 0]
        errors.append(np.sqrt(np.mean((v - exact) ** 2)))
    assert exact.max() > 20
    assert errors[0] < (5 if order == 1 else 0.2)
    assert np.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.2)


def test_a_distribution_without_width_is_the_constant():
    """Parameters with a value for each cell go another way through memory than those with one for all."""
    wide = ZOO.replace("DT", "1 ms")
    for old, new in (
        ('uniform = ["150 pF", "250 pF"]', 'uniform = ["200 pF", "200 pF"]'),
        ('normal = ["-60 mV", "2 mV"]', 'normal = ["-60 mV", "0 mV"]'),
        ('uniform = ["-62 mV", "-58 mV"]', 'uniform = ["-60 mV", "-60 mV"]'),
        ('normal = ["6 uS", "0.5 uS"]', 'normal = ["6 uS", "0 uS"]'),
        ('uniform = ["4 ms", "6 ms"]', 'uniform = ["5 ms", "5 ms"]'),
    ):
        assert old in wide
        wide = wide.replace(old, new)
    model = parse(wide).model
    start = initial_values(model, model.populations["peak"])["v"]
    group = slow_group(model, "peak")
    constant = slow.Group(
        60,
        {
            "leak": slow.Channel(10.0, -60.0),
            "fast": slow.sodium(12000.0, 50.0, -63.0),
            "slow": slow.sodium(8000.0, 45.0, -60.0),
            "k": slow.potassium(6000.0, -90.0, -63.0),
        },
        {"exc": (0.0, 5.0), "inh": (-80.0, 10.0)},
        {"v": start, "slow.h": group.initial["slow.h"], "g.inh": 3.0},
        capacitance=200.0,
    )
    expected = slow.simulate([constant], [], model.run.steps, model.run.dt, model.run.method)
    np.testing.assert_allclose(run(model).state("peak", "v"), expected.states[0]["v"][-1], rtol=0, atol=1e-7)
