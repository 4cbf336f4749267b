"""What a config draws, against a second, independent drawing of it; and each stream against the others."""

from __future__ import annotations

import itertools

import keyed_draws as slow
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import ONE, network, synapses_of
from runs import COBA_CELL, run

from hhsim.config import parse
from hhsim.model import (
    AllToAll,
    Constant,
    FixedIndegree,
    FixedOutdegree,
    Normal,
    OneToOne,
    PairwiseBernoulli,
    Population,
    Uniform,
)
from hhsim.network.layout import lay_out
from hhsim.network.random import Purpose, draw_values, identify
from hhsim.state.build import initial_values, parameter_values


def numbered(model, projection, synapses):
    """Synapses with lanes turned into the numbers of the targets in their union."""
    layout = lay_out(model)
    numbers, number = {}, 0
    for name in model.populations:
        if name in projection.targets:
            place = layout.places[name]
            numbers |= {place.first + i: number + i for i in range(place.size)}
            number += place.size
    return sorted((source, numbers[lane], weight, delay) for source, lane, weight, delay in synapses)


def check(model) -> list[list[slow.Synapse]]:
    """Returns the synapses of each projection."""
    expected = [sorted(slow.synapses(model, index)) for index in range(len(model.projections))]
    for parts in (1, 3):
        found = synapses_of(model, parts)
        for projection, ours, theirs in zip(model.projections, found, expected, strict=True):
            ours = numbered(model, projection, ours)
            assert [one[:2] for one in ours] == [one[:2] for one in theirs]
            assert [one[3] for one in ours] == [one[3] for one in theirs]
            np.testing.assert_allclose([o[2] for o in ours], [t[2] for t in theirs], rtol=1e-13)
    return expected


RULES = st.one_of(
    st.builds(PairwiseBernoulli, st.sampled_from([0.0, 0.003, 0.1, 0.7, 1.0])),
    st.builds(FixedOutdegree, st.integers(0, 3), st.booleans(), st.booleans()),
    st.builds(FixedIndegree, st.integers(0, 3), st.booleans(), st.booleans()),
    st.just(AllToAll()),
)
WEIGHTS = st.sampled_from([Constant(2.5), Normal(3.0, 1.0, 0.0), Uniform(1.0, 4.0)])
DELAYS = st.sampled_from([Constant(0.3), Normal(3.0, 1.0, 0.0), Uniform(2.0, 9.0), Uniform(0.0, 0.5)])


SIZES = st.integers(5, 60) | st.integers(5, 60) | st.integers(5, 60) | st.integers(126, 140)  # around a block


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.tuples(SIZES, st.integers(5, 30), st.integers(5, 15)),
    rule=RULES,
    weight=WEIGHTS,
    delay=DELAYS,
    targets=st.sampled_from([("a", "b", "c"), ("b",), ("c", "a"), ("b", "c")]),
    seed=st.integers(0, 2**64 - 1),
)
def test_networks_are_what_the_laws_say(sizes, rule, weight, delay, targets, seed) -> None:
    check(network(sizes, rule, weight, delay, seed=seed, targets=targets))


@pytest.mark.parametrize(
    "rule",
    [
        FixedIndegree(4, autapses=False),
        FixedOutdegree(4, autapses=False),
        FixedIndegree(30, True, False),
        FixedIndegree(130, False, False),  # more than half: drawn as its complement
        FixedOutdegree(150, False, False),
    ],
    ids=str,
)
def test_the_source_in_the_middle_of_its_targets(rule) -> None:
    """The source's own number is its place among the targets, which is not its place in its population."""
    model = network((70, 140, 40), rule, Uniform(1.0, 2.0), sources=("b",), targets=("a", "b", "c"))
    (synapses,) = check(model)
    assert not [(s, t) for s, t, *_ in synapses if t == 70 + s]
    assert len(synapses) > 500


def test_one_to_one() -> None:
    check(
        network(
            (40, 25, 15), OneToOne(), Uniform(1.0, 2.0), Uniform(3.0, 5.0), sources=("a",), targets=("b", "c")
        )
    )


def test_rare_targets_in_long_leaves() -> None:
    check(
        network((3, 40_000), PairwiseBernoulli(2e-4), Normal(3.0, 1.0, 0.0), sources=("a",), targets=("b",))
    )


CELLS = f"""
[run]
duration = "1 ms"
seed = 77
{COBA_CELL}
[cell.hh.channel.own]
model = "leak"
g_max = {{ uniform = ["1 nS", "2 nS"] }}
e_rev = {{ normal = ["-60 mV", "5 mV"] }}
[population.p]
cell = "hh"
size = 150
[population.p.initial]
v = {{ normal = ["-65 mV", "5 mV"] }}
g.exc = {{ normal = ["4 nS", "5 nS"], min = "0 nS", max = "9 nS" }}
g.inh = {{ uniform = ["1 nS", "2 nS"] }}
[population.q]
cell = "hh"
size = 150
initial = {{ v = {{ normal = ["-65 mV", "5 mV"] }}, g.inh = {{ uniform = ["1 nS", "2 nS"] }} }}
"""


def test_values_of_cells_are_what_the_laws_say() -> None:
    model = parse(CELLS).model
    drawn = []
    for population in model.populations.values():
        states = initial_values(model, population)
        for name, law in population.initial.items():
            expected = slow.cell_values(77, slow.INITIAL, population.name, name, law, 150)
            np.testing.assert_allclose(states[name], expected, rtol=1e-13)
            if not isinstance(law, Constant):
                drawn.append(states[name])
        for name, law in (("own.g_max", Uniform(1.0, 2.0)), ("own.e_rev", Normal(-60.0, 5.0))):
            expected = slow.cell_values(77, slow.PARAMETER, population.name, name, law, 150)
            np.testing.assert_allclose(parameter_values(model, population, name), expected, rtol=1e-13)
            drawn.append(expected)
    for one, other in itertools.combinations(drawn, 2):
        assert abs(np.corrcoef(one, other)[0, 1]) < 4.5 / np.sqrt(150)


def test_no_two_streams_share_a_number() -> None:
    """Each purpose and each identity: 64 words of every stream of a model with two of each kind."""
    identities = [identify("p", "v"), identify("q", "v"), identify("p", "g.exc"), 0, 1, 2]
    draws = {
        (purpose, identity, seed): draw_values(seed, purpose, identity, Uniform(0.0, 1.0), 0, 64)
        for purpose in Purpose
        for identity in identities
        for seed in (0, 1, 2**63)
    }
    assert len(np.unique(np.concatenate(list(draws.values())))) == 64 * len(draws)


def test_weights_and_delays_of_a_synapse_are_independent() -> None:
    model = network(
        (60, 60), PairwiseBernoulli(0.5), Uniform(0.0, 1.0), Uniform(0.0, 1000.0), sources=("a", "b")
    )
    lists = [np.array([one[2:] for one in each], float) for each in synapses_of(model)]
    for each in lists:
        weights, delays = each.T
        assert abs(np.corrcoef(weights, delays)[0, 1]) < 4 / np.sqrt(len(each))
    first, second = ({(s, t): (w, d) for s, t, w, d in each} for each in synapses_of(model))
    both = [(*first[pair], *second[pair]) for pair in first.keys() & second.keys()]
    for i, j in itertools.combinations(range(4), 2):
        columns = np.array(both).T
        assert abs(np.corrcoef(columns[i], columns[j])[0, 1]) < 4 / np.sqrt(len(both))


def test_pinned_draws() -> None:
    """A few numbers as they were in version 0.1: whoever changes them changes every user's network."""
    v = draw_values(2007, Purpose.INITIAL, identify("exc", "v"), Normal(-65.0, 5.0), 0, 3)
    np.testing.assert_allclose(v, PINNED_V, rtol=1e-12)
    model = network(
        (6, 5), FixedOutdegree(2), ONE, Uniform(0.0, 3.0), seed=2007, sources=("a",), targets=("b",)
    )
    edges = numbered(model, model.projections[0], synapses_of(model)[0])
    assert [(source, target, delay) for source, target, _, delay in edges] == PINNED_EDGES


PINNED_V = [-66.27507323886763, -62.50635748494665, -67.7656584695721]
PINNED_EDGES = [
    (0, 1, 25),
    (0, 4, 2),
    (1, 0, 2),
    (1, 4, 27),
    (2, 1, 20),
    (2, 3, 23),
    (3, 3, 23),
    (3, 4, 14),
    (4, 1, 18),
    (4, 4, 21),
    (5, 2, 4),
    (5, 4, 18),
]


def test_populations_with_one_name_in_two_configs_draw_alike() -> None:
    """An initial value belongs to its population's name and its state, not to its place in the config."""
    law = Normal(-65.0, 5.0)
    model = parse(CELLS).model
    alone = Population("q", "hh", 150, {"v": law})
    assert np.array_equal(
        initial_values(model, alone)["v"], initial_values(model, model.populations["q"])["v"]
    )
    assert not np.array_equal(
        initial_values(model, alone)["v"], initial_values(model, Population("p", "hh", 150, {"v": law}))["v"]
    )


TRAINS = f"""
[run]
duration = "210 ms"
seed = 77
{COBA_CELL}
[population.p]
cell = "hh"
size = 20
initial = {{ v = "-65 mV" }}
"""


def input_of(rate: str, receptor: str) -> str:
    return f'''
[[input]]
model = "poisson"
target = "p"
rate = "{rate}"
weight = "1 nS"
receptor = "{receptor}"
nodes = [3, 20]
[[record.trace]]
population = "p"
variable = "g.{receptor}"
every = "0.1 ms"
'''


def test_poisson_trains_are_what_the_laws_say() -> None:
    """Rare and frequent spikes, over the ends of windows: a conductance jumps where one arrives."""
    rates = {"exc": 0.1, "inh": 2.0}
    outcome = run(parse(TRAINS + "".join(input_of(f"{r} kHz", name) for name, r in rates.items())).model)
    for row, (receptor, tau) in enumerate({"exc": 5.0, "inh": 10.0}.items()):
        g = outcome.frames[row].astype(float)
        jumps = np.rint(g[1:] / np.exp(-0.1 / tau) - g[:-1]).astype(int)
        key = tuple(int(word) for word in outcome.simulation.engine.host.network.inputs.poisson.keys[row])
        assert key[0] == 77
        for cell in range(3, 20):
            steps = slow.train(key, cell - 3, 1 / (rates[receptor] * 0.1), 2099)
            assert np.bincount(steps, minlength=2099).tolist() == jumps[:, cell].tolist()
        assert not jumps[:, :3].any()
