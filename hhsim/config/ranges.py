"""Whether the numbers of a config can be held in the precision of its run."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from typing import assert_never

from hhsim.channels import all_channels, all_receptors
from hhsim.channels.states import states_of
from hhsim.config.problems import KeyPath, Report
from hhsim.config.read import Document
from hhsim.model import Constant, FromFile, InitialValue, Model, Normal, Steady, Uniform, units

MOST_FLOAT32 = 3.4028234663852886e38
LEAST_FLOAT32 = 1.1754943508222875e-38  # with all digits


def check_ranges(document: Document, model: Model, report: Report) -> None:
    """Report every number that float32 would make infinite, and every divisor that it would make zero."""
    if model.run.precision != "float32":
        return
    if model.run.dt < LEAST_FLOAT32:
        shown = units.write(model.run.dt, "ms")
        report.add(("run", "dt"), f'{shown} is less than float32 can hold (1.2e-38); "float64" can')
    for path, unit, value in _values(document, model):
        for number in _ends(value):
            if abs(number) > MOST_FLOAT32:
                shown = units.write(number, unit) if unit else f"{number:g}"
                report.add(path, f'{shown} is more than float32 can hold (3.4e38); "float64" can')
                break
    for name, cell in model.cells.items():
        for number in _ends(cell.capacitance):
            if 0 < number <= MOST_FLOAT32 and struct.unpack("f", struct.pack("f", number))[0] == 0:
                shown = units.write(number, "pF")
                report.add(
                    ("cell", name, "capacitance"), f'{shown} is zero in float32; "float64" can hold it'
                )
                break


def _values(document: Document, model: Model) -> Iterator[tuple[KeyPath, str, InitialValue | None]]:
    for name, cell in model.cells.items():
        at: KeyPath = ("cell", name)
        yield (*at, "capacitance"), "pF", cell.capacitance
        yield (*at, "spike", "threshold"), "mV", Constant(cell.spike.threshold)
        for kind, mechanisms, known in (
            ("channel", cell.channels, all_channels()),
            ("receptor", cell.receptors, all_receptors()),
        ):
            for mechanism in mechanisms:
                parameters = known[mechanism.model].parameters
                for key, value in mechanism.parameters.items():
                    if parameters[key].unit != "ms":  # times are no numbers of a kernel
                        yield (*at, kind, mechanism.key, key), parameters[key].unit, value
    for name, population in model.populations.items():
        states = states_of(model.cell_of(name))
        for state, given in population.initial.items():
            yield ("population", name, "initial", state), states[state].unit, given
    for i, projection in enumerate(model.projections):
        yield ("projection", i, "weight"), "nS", projection.weight
    for i, section in enumerate(document.inputs):
        if section is not None:
            for name, unit in section.kind.drawn_keys():
                yield ("input", i, name), unit, section.get(name)


def _ends(value: InitialValue | None) -> list[float]:
    """The numbers between which the draws of `value` lie, as far as the config says."""
    match value:
        case Constant():
            return [value.value]
        case Uniform():
            return [value.low, value.high]
        case Normal():
            return [value.mean, *(limit for limit in (value.min, value.max) if math.isfinite(limit))]
        case None | FromFile() | Steady():
            return []
        case _:
            assert_never(value)
