"""Whether the times of a config can be counted exactly, in steps, in the precision of its run."""

from __future__ import annotations

from hhsim.channels.structure import longest_refractory
from hhsim.config.problems import Report
from hhsim.model import Model


def check_clocks(model: Model, report: Report) -> None:
    """Report every refractory time that has too many steps: rounded, it would depend on the chunks."""
    most = longest_refractory(model.run.precision)
    for name, cell in model.cells.items():
        steps = round(min(cell.spike.refractory / model.run.dt, 2.0**63))
        if steps > most:
            other = '; "float64" counts more' if most < longest_refractory("float64") else ""
            text = (
                f"{cell.spike.refractory:.10g} ms is {steps:.10g} steps of {model.run.dt:g} ms, "
                f"but {model.run.precision} counts at most {most} exactly{other}"
            )
            report.add(("cell", name, "spike", "refractory"), text)
