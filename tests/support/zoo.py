"""A network with every kind of cell, spike rule, delay and weight, here and in the slow reference."""

from __future__ import annotations

from functools import cache

import numpy as np
import slow_reference as slow
from networks import synapses_of
from places import DATA
from runs import COBA_CELL, Outcome, run

from hhsim.channels import all_channels, declare_from
from hhsim.config import parse
from hhsim.model import Constant, Model, StepCurrent
from hhsim.network.layout import lay_out
from hhsim.state.build import initial_values, parameter_values

if "Na_HH1952" not in all_channels():
    declare_from(DATA / "squid_channels.py")

ZOO = (
    """
[run]
duration = "60 ms"
seed = 3
"""
    + COBA_CELL
    + """
[cell.peak]
capacitance = { uniform = ["150 pF", "250 pF"] }
spike = { rule = "peak", threshold = "-33 mV", refractory = "5 ms" }
[cell.peak.channel]
leak = { model = "leak", g_max = "10 nS", e_rev = { normal = ["-60 mV", "2 mV"] } }
fast = { model = "Na_TM1991", g_max = "12 uS", e_rev = "50 mV", v_t = "-63 mV" }
slow = { model = "Na_TM1991", g_max = "8 uS", e_rev = "45 mV", v_t = { uniform = ["-62 mV", "-58 mV"] } }
k = { model = "K_TM1991", g_max = { normal = ["6 uS", "0.5 uS"] }, e_rev = "-90 mV", v_t = "-63 mV" }
[cell.peak.receptor]
exc = { model = "exponential", tau = { uniform = ["4 ms", "6 ms"] }, e_rev = "0 mV" }
inh = { model = "exponential", tau = "10 ms", e_rev = "-80 mV" }

[cell.squid]
area = "20000 um^2"
capacitance = "1 uF/cm^2"
spike = { rule = "crossing", threshold = "0 mV" }
[cell.squid.channel]
leak = { model = "leak", g_max = "0.3 mS/cm^2", e_rev = "-54.387 mV" }
na = { model = "Na_HH1952", g_max = "120 mS/cm^2", e_rev = "50 mV" }
k = { model = "K_HH1952", g_max = "36 mS/cm^2", e_rev = "-77 mV", shift = "0 mV" }

[cell.passive]
capacitance = "100 pF"
spike = { rule = "crossing", threshold = "-50 mV", refractory = "3 ms" }
channel.leak = { model = "leak", g_max = "10 nS", e_rev = "-70 mV" }
receptor.exc = { model = "exponential", tau = "3 ms", e_rev = "0 mV" }

[cell.bare]
capacitance = "100 pF"
spike = { rule = "level", threshold = "-30 mV", refractory = "10 ms" }

[population.hh]
cell = "hh"
size = 140
[population.hh.initial]
v = { normal = ["-62 mV", "6 mV"] }
g.exc = { normal = ["40 nS", "15 nS"], min = "0 nS" }
na.m = "steady"
na.h = "steady"
k.n = "steady"
[population.peak]
cell = "peak"
size = 60
[population.peak.initial]
v = { uniform = ["-70 mV", "-60 mV"] }
slow.h = "steady"
g.inh = "3 nS"
[population.squid]
cell = "squid"
size = 3
initial = { v = "-65 mV", na.m = "steady", na.h = "steady", k.n = "steady" }
[population.passive]
cell = "passive"
size = 70
initial = { v = { uniform = ["-70 mV", "-60 mV"] } }
[population.bare]
cell = "bare"
size = 2
initial = { v = "-60 mV" }

[[input]]
model = "step_current"
target = "squid"
amplitude = "2 nA"
[[input]]
model = "step_current"
target = "bare"
amplitude = "100 pA"
start = "10 ms"

[[record.trace]]
population = "hh"
variable = "v"
every = "DT"
[[record.trace]]
population = "squid"
variable = "v"
every = "DT"
[[record.trace]]
population = "bare"
variable = "v"
every = "DT"
"""
)

PROJECTIONS = """
[[projection]] # one delay
source = "hh"
target = ["hh", "peak"]
receptor = "exc"
rule = { pairwise_bernoulli = 0.1 }
weight = "6 nS"
delay = "FIRST"
[[projection]] # one that is longer, onto the same receptor
source = "peak"
target = "hh"
receptor = "exc"
rule = { fixed_indegree = 9 }
weight = { normal = ["6 nS", "2 nS"], min = "0 nS" }
delay = "3 ms"
[[projection]] # individual delays, one weight
source = "hh"
target = "passive"
receptor = "exc"
rule = { fixed_outdegree = 20, replacement = true }
weight = "3 nS"
delay = { uniform = ["FIRST", "8 ms"] }
[[projection]] # individual delays and weights
source = "passive"
target = ["peak", "hh"]
receptor = "inh"
rule = { fixed_indegree = 8 }
weight = { uniform = ["0 nS", "60 nS"] }
delay = { normal = ["4 ms", "1 ms"], min = "2 ms", max = "7 ms" }
[[projection]] # from a cell that only integrates
source = "bare"
target = "passive"
receptor = "exc"
rule = "all_to_all"
weight = "9 nS"
delay = "1 ms"
"""


@cache
def zoo(dt: float, method: str, first: float | None, duration: float = 60.0) -> Model:
    """Every kind of cell; with projections where the shortest delay is given, in ms."""
    text = ZOO if first is None else ZOO + PROJECTIONS.replace("FIRST", f"{first} ms")
    text = text.replace("DT", f"{dt} ms")
    return parse(text, run={"dt": f"{dt} ms", "method": method, "duration": f"{duration} ms"}).model


@cache
def ours(*arguments) -> Outcome:
    return run(zoo(*arguments), threads=2)


def squid_channel(name: str, g_max, e_rev, shift) -> slow.Channel:
    """Hodgkin & Huxley 1952 once more, as textbooks print it."""

    def gates(alpha, beta):
        return lambda v: (alpha(v - shift), beta(v - shift))

    if name == "K_HH1952":
        n = gates(lambda v: 0.1 / slow.exprel(-(v + 55) / 10), lambda v: 0.125 * np.exp(-(v + 65) / 80))
        return slow.Channel(g_max, e_rev, {"n": (4, n)})
    m = gates(lambda v: 1 / slow.exprel(-(v + 40) / 10), lambda v: 4 * np.exp(-(v + 65) / 18))
    h = gates(lambda v: 0.07 * np.exp(-(v + 65) / 20), lambda v: 1 / (1 + np.exp(-(v + 35) / 10)))
    return slow.Channel(g_max, e_rev, {"m": (3, m), "h": (1, h)})


BUILDERS = {"leak": slow.Channel, "Na_TM1991": slow.sodium, "K_TM1991": slow.potassium}


def slow_group(model: Model, name: str) -> slow.Group:
    """A population for the slow implementation, with the numbers that the package drew for it."""
    population = model.populations[name]
    cell = model.cells[population.cell]

    def value(parameter: str):
        return parameter_values(model, population, parameter)

    channels = {}
    for each in cell.channels:
        values = {parameter: value(f"{each.key}.{parameter}") for parameter in each.parameters}
        squid = each.model.endswith("HH1952")
        channels[each.key] = squid_channel(each.model, **values) if squid else BUILDERS[each.model](**values)

    def current(k: int) -> float:
        return sum(
            one.amplitude.value
            for one in model.inputs
            if isinstance(one, StepCurrent) and isinstance(one.amplitude, Constant)
            if one.target == name and round(one.start / model.run.dt) <= k
        )

    initial = {key: x for key, x in initial_values(model, population).items() if key in population.initial}
    return slow.Group(
        population.size,
        channels,
        {each.key: (value(f"{each.key}.e_rev"), value(f"{each.key}.tau")) for each in cell.receptors},
        initial,
        cell.spike.rule,
        cell.spike.threshold,
        round(cell.spike.refractory / model.run.dt),
        value("capacitance"),
        current,
    )


@cache
def slowly(*arguments) -> slow.Result:
    model = zoo(*arguments)
    groups = [slow_group(model, name) for name in model.populations]
    numbers = np.full(lay_out(model).lanes, -1)  # lane -> number through all populations
    first = 0
    firsts = {}
    for name, place in lay_out(model).places.items():
        numbers[place.first : place.first + place.size] = first + np.arange(place.size)
        firsts[name] = first
        first += place.size
    edges = []
    for projection, synapses in zip(model.projections, synapses_of(model), strict=True):
        sources, lanes, weights, delays = (np.array(column) for column in zip(*synapses, strict=True))
        edges.append(
            slow.Edges(
                projection.receptor, sources + firsts[projection.source], numbers[lanes], weights, delays
            )
        )
    return slow.simulate(groups, edges, model.run.steps, model.run.dt, model.run.method)
