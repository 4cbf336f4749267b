"""A network in which the potential of one cell leaves all numbers, at a known time."""

from __future__ import annotations

from runs import COBA_CELL

from hhsim.config import parse

DIVERGING = """
[run]
duration = "50 ms"
seed = 4
CELL
[population.exc]
cell = "hh"
size = 300
initial = { v = { normal = ["-60 mV", "5 mV"] }, g.exc = "30 nS" }
[population.inh]
cell = "hh"
size = 140
initial = { v = "-60 mV" }
[[input]]
model = "step_current"
target = "exc"
amplitude = "600 pA"
[[input]]
model = "step_current"
target = "inh"
nodes = [133, 135]
amplitude = "AMPLITUDE"
start = "20 ms"
""".replace("CELL", COBA_CELL)


def diverging(amplitude: str, precision: str = "float64"):
    return parse(DIVERGING.replace("AMPLITUDE", amplitude), run={"precision": precision}).model


ABSURD = {"float64": "1e305 nA", "float32": "1e35 nA"}  # no number is so large after a few steps
