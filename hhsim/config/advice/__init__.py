"""What is suspicious in a model that can nevertheless be run.

Needs neither Numba nor a network: rates are evaluated as plain Python, and of files
only the names of columns and their units are looked at.
"""

from __future__ import annotations

from hhsim.config.advice.clipping import clipped
from hhsim.config.advice.dynamics import coarse, fastest_gate, spontaneous, spontaneous_rate
from hhsim.config.advice.effects import delays, without_effect
from hhsim.config.advice.files import about_files
from hhsim.config.advice.implausible import implausible
from hhsim.model import Model

__all__ = ["fastest_gate", "spontaneous_rate", "warnings"]


def warnings(model: Model) -> tuple[str, ...]:
    """Everything about `model` that its author may not have meant, a sentence each."""
    used = {population.cell for population in model.populations.values()}
    cells = [cell for name, cell in model.cells.items() if name in used]
    found: list[str] = []
    for cell in cells:
        found += coarse(cell, model)
        found += spontaneous(cell)
    found += delays(model)
    found += without_effect(model)
    found += clipped(model)
    found += implausible(model)
    found += about_files(model)
    return tuple(found)
