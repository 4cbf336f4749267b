"""A network that was exported is the same network: synapses, delays, spikes."""

from __future__ import annotations

import pytest
from networks import synapses_of
from runs import COBA_CELL, run

from hhsim.config import load, parse
from hhsim.exporting.circuit import export
from hhsim.network.layout import lay_out
from hhsim.state.build import initial_values

NETWORK = """
[run]
duration = "60 ms"
seed = 5
CELL
[population.b]
cell = "hh"
size = 40
initial = { v = { normal = ["-60 mV", "5 mV"] }, g.exc = "20 nS" }
[population.a]
cell = "hh"
size = 150
initial = { v = { normal = ["-60 mV", "5 mV"] }, g.exc = "40 nS" }
[[projection]]
source = "a"
target = ["a", "b"]
receptor = "exc"
rule = RULE
weight = { uniform = ["2 nS", "6 nS"] }
delay = { uniform = ["2.2 ms", "5 ms"] } # the least is far from 0
[[projection]]
source = "b"
target = "a"
receptor = "inh"
rule = { fixed_outdegree = 12 }
weight = "30 nS"
delay = { normal = ["4 ms", "0.5 ms"], min = "3 ms" }
[[projection]]
source = "a"
target = "b"
receptor = "exc"
rule = "all_to_all"
weight = { normal = ["1 nS", "0.2 nS"], min = "0 nS" }
delay = "1.3 ms"
""".replace("CELL", COBA_CELL)


@pytest.mark.parametrize(
    "rule",
    [
        "{ pairwise_bernoulli = 0.1 }",
        "{ fixed_indegree = 9, replacement = true, autapses = false }",
        "{ fixed_outdegree = 9 }",
    ],
)
def test_an_exported_network_is_the_same(tmp_path, rule) -> None:
    model = parse(NETWORK.replace("RULE", rule)).model
    export(model, tmp_path, initial_values)
    again = load(tmp_path / "config.toml").model
    assert [projection.targets for projection in again.projections] == [("b",), ("a",), ("a",), ("b",)]
    lanes = {name: range(place.first, place.end) for name, place in lay_out(model).places.items()}
    first, second, third = synapses_of(model)
    expected = [[one for one in first if one[1] in lanes[name]] for name in ("b", "a")] + [second, third]
    assert [sorted(found) for found in synapses_of(again)] == [sorted(each) for each in expected]
    assert min(delay for _, _, _, delay in first) >= 22
    ours, theirs = run(model), run(again)
    assert ours.spikes == theirs.spikes
    assert sum(map(len, ours.spikes.values())) > 200
