"""Networks that Brian2 and braincell ran: every spike of theirs, and their potentials, must come out here."""

from __future__ import annotations

from functools import cache

import h5py
import numpy as np
import pytest
from places import DATA
from runs import Outcome, run
from slow_reference import Channel, Edges, Group, Result, potassium, simulate, sodium

from hhsim.config import load

NAMES = ["brian2_400", "braincell_400"]
SPIKES = {"brian2_400": 2871, "braincell_400": 694}
SIZES = {"exc": 320, "inh": 80}
WEIGHTS = {"g.exc": 6.0, "g.inh": 67.0}  # nS
DATASETS = {"v": "v", "na.m": "m", "na.h": "h", "k.n": "n", "g.exc": "ge", "g.inh": "gi"}


@cache
def ours(name: str, precision: str = "float64") -> Outcome:
    return run(load(DATA / name / "config.toml", run={"precision": precision}).model, threads=2)


@cache
def slow(name: str) -> Result:
    """The slow implementation on the same files."""
    nodes, edges = {}, []
    with h5py.File(DATA / name / "nodes.h5") as file:
        for population in SIZES:
            group = file[f"nodes/{population}/0"]
            nodes[population] = {state: group[state][:] for state in group}
    with h5py.File(DATA / name / "edges.h5") as file:
        for source, first_source, weight in (("exc", 0, WEIGHTS["g.exc"]), ("inh", 320, WEIGHTS["g.inh"])):
            for target, first_target in (("exc", 0), ("inh", 320)):
                group = file[f"edges/{source}__{target}"]
                sources = group["source_node_id"][:].astype(int) + first_source
                targets = group["target_node_id"][:].astype(int) + first_target
                edges.append(Edges(source, sources, targets, weight))
    brian2 = name == "brian2_400"
    groups = [
        Group(
            size,
            {"leak": Channel(10.0 if brian2 else 0.001, -60.0), "na": sodium(), "k": potassium()},
            {"exc": (0.0, 5.0), "inh": (-80.0, 10.0)},
            nodes[population],
            rule="level" if brian2 else "crossing",
            threshold=-20.0 if brian2 else 0.0,
            refractory=30 if brian2 else 0,
        )
        for population, size in SIZES.items()
    ]
    return simulate(groups, edges, 2000 if brian2 else 1000, 0.1, "exponential_euler")


def expected_spikes(name: str) -> dict[str, list[tuple[int, int]]]:
    with h5py.File(DATA / name / "expected.h5") as file:
        return {
            population: sorted(
                zip(
                    file[f"spikes/{population}/step"][:].tolist(),
                    file[f"spikes/{population}/node_id"][:].tolist(),
                    strict=True,
                )
            )
            for population in SIZES
        }


def expected_traces(name: str) -> dict[tuple[str, str], np.ndarray]:
    """By population and state; row k is the state at (k + 1)·dt, before anything arrives.

    Brian2 recorded conductances with what arrives at (k + 1)·dt; that is taken off again.
    """
    found = {}
    with h5py.File(DATA / name / "expected.h5") as file:
        for population in SIZES:
            for state, dataset in DATASETS.items():
                if dataset in file[f"trace/{population}"]:
                    values = file[f"trace/{population}/{dataset}"][:]
                    if state in WEIGHTS:
                        values -= arrivals(name, state[2:], population, *values.shape)
                    found[population, state] = values
    return found


def arrivals(name: str, source: str, target: str, steps: int, cells: int) -> np.ndarray:
    """What the expected spikes of `source` bring to each cell of `target` at the end of each step, nS."""
    with h5py.File(DATA / name / "edges.h5") as file:
        group = file[f"edges/{source}__{target}"]
        sources, targets = group["source_node_id"][:], group["target_node_id"][:]
    added = np.zeros((steps, SIZES[target]))
    for step, node in expected_spikes(name)[source]:
        np.add.at(added[step], targets[sources == node], WEIGHTS[f"g.{source}"])
    return added[:, :cells]


@pytest.mark.parametrize("name", NAMES)
def test_every_spike_is_reproduced(name):
    expected = expected_spikes(name)
    assert sum(map(len, expected.values())) == SPIKES[name]
    last = max(step for spikes in expected.values() for step, _ in spikes)
    steps = ours(name).simulation.model.run.steps - 1
    assert last < steps
    found = {key: [s for s in spikes if s[0] < steps] for key, spikes in ours(name).spikes.items()}
    assert found == expected


@pytest.mark.parametrize("name", NAMES)
def test_states_follow_the_reference_over_the_whole_window(name):
    """Gates and conductances too, where there are any. The limit is that of the recorded float32."""
    expected = expected_traces(name)
    traces = ours(name).simulation.model.traces
    assert {(trace.population, trace.variable) for trace in traces} == expected.keys()
    for trace, frames in zip(traces, ours(name).frames, strict=True):
        theirs = expected[trace.population, trace.variable]
        rounding = 4e-6 if trace.variable == "v" else 6.1e-8 * max(1.0, np.abs(theirs).max())
        np.testing.assert_allclose(frames[1:], theirs, rtol=0, atol=1e-9 + rounding, err_msg=str(trace))


@pytest.mark.parametrize("name", NAMES)
def test_slow_reference_agrees_with_the_reference(name):
    """The oracle of the other tests is held against the same data, far more closely."""
    expected = expected_spikes(name)
    both = [(step, node) for step, node in expected["exc"]]
    both += [(step, node + 320) for step, node in expected["inh"]]
    assert sorted(both) == slow(name).spikes
    for (population, state), theirs in expected_traces(name).items():
        own = slow(name).states[list(SIZES).index(population)][state][1:, : theirs.shape[1]]
        np.testing.assert_allclose(own, theirs, rtol=0, atol=1e-8, err_msg=f"{population} {state}")


@pytest.mark.parametrize("name", NAMES)
def test_potentials_at_the_end_agree_in_double_precision(name):
    """All 400 cells, one step beyond the reference: compared without the rounding of recorded traces."""
    model = load(DATA / name / "config.toml").model
    outcome = ours(name)
    again = slow(name)
    steps = model.run.steps - 1
    short = run(load(DATA / name / "config.toml", run={"duration": f"{steps * 0.1} ms"}).model)
    for i, population in enumerate(SIZES):
        np.testing.assert_allclose(
            short.state(population, "v"), again.states[i]["v"][-1], rtol=0, atol=1e-8, err_msg=population
        )
    assert outcome.suppressed == dict(zip(SIZES, again.suppressed, strict=True))


def test_single_precision_is_the_same_network():
    """Chaos parts the two in the end; rates and the first spikes do not know of it."""
    double, single = ours("brian2_400"), ours("brian2_400", "float32")
    for population, size in SIZES.items():
        assert np.isfinite(single.state(population, "v")).all()
        assert single.state(population, "v").dtype == np.float32
        rates = [len(outcome.spikes[population]) / size for outcome in (double, single)]
        assert rates[1] == pytest.approx(rates[0], rel=0.1)
        early = [[s for s in outcome.spikes[population] if s[0] < 300] for outcome in (double, single)]
        assert len(early[0]) > 20
        assert early[0] == early[1]
