"""The rendered module for a CUDA device: the same formulas, with a thread for each cell."""

from __future__ import annotations

from collections.abc import Sequence

from hhsim.channels.structure import Structure, identifier
from hhsim.formulas.linker import Linker
from hhsim.kernels.cuda import update_text
from hhsim.kernels.render.program import source, title_of
from hhsim.kernels.render.step import Step
from hhsim.network.layout import LANES

HEADER = '''"""{title}

Rendered by hhsim from its channels and methods, for a CUDA device; edit those instead.
"""

import numpy as np

from hhsim.kernels.cuda.arrays import Place
from hhsim.kernels.cuda.compiling import cuda, inline, kernel
from hhsim.kernels.cuda.intrinsics import scale
from hhsim.kernels.cuda.lanes import apply_currents, begin, collect, fact, index, sample, take
from hhsim.kernels.cuda.tables import (
    {names},
)
from hhsim.network.layout import LANES

real = np.{precision}
'''


def render_for_device(structures: Sequence[Structure]) -> str:
    """The text of the module whose kernel `update` advances cells of these structures on a CUDA device."""
    from hhsim.kernels.cuda import tables

    precision = structures[0].precision
    linker = Linker(precision)
    steps = [_render_lane(structure, f"step_{kind}", linker) for kind, structure in enumerate(structures)]
    used = {*update_text.advance_lane.__code__.co_names, *update_text.update.__code__.co_names}
    names = [name for name in used if name in vars(tables) and name != "LANES"]
    title = title_of(structures)
    return "\n\n".join(
        [
            HEADER.format(title=title, precision=precision, names=", ".join(sorted(names))),
            linker.text(),
            *steps,
            _choice(len(steps)),
            f"@inline\n{source(update_text.advance_lane)}",
            f"@kernel\n{source(update_text.update)}",
        ]
    )


def _render_lane(structure: Structure, name: str, linker: Linker) -> str:
    """The function `name(state, at, numbers, p, now, gate_dt)`, which advances one cell by one step.

    It reads all rows of the cell, which lie LANES numbers apart from `state[at]` on, and writes its states
    back. It tells whether the cell needs a closer look: a spike, a crossing within the refractory time, or a
    potential that is not finite. From numbers[p] on stand `structure.parameters`; `now` is the step in the
    chunk.
    """
    step = _Lane(structure, linker)
    body = step.body()
    rows = structure.rows
    lines = [
        "@inline",
        f"def {name}(state, at, numbers, p, now, gate_dt):",
        *(f"    {identifier(each)} = numbers[p + index({i})]" for i, each in enumerate(structure.parameters)),
        *(f"    {step.state(row)} = state[{_place(number)}]" for row, number in rows.items()),
        *body,
        *(f"    state[{_place(rows[each.name])}] = {step.state(each.name)}" for each in structure.states),
        "    return look",
    ]
    return "\n".join(lines) + "\n"


def _place(row: int) -> str:
    return f"at + index({row * LANES})" if row else "at"


def _choice(kinds: int) -> str:
    arguments = "state, at, numbers, p, now, gate_dt"
    lines = ["@inline", f"def step(kind, {arguments}):"]
    for kind in range(kinds - 1):
        lines += [f"    if kind == {kind}:", f"        return step_{kind}({arguments})"]
    return "\n".join([*lines, f"    return step_{kinds - 1}({arguments})"]) + "\n"


class _Lane(Step):
    """The text of one step of one cell: what a block keeps in memory is a variable here."""

    def state(self, name: str) -> str:
        return f"its_{identifier(name)}"

    def work(self, name: str) -> str:
        return f"old_{identifier(name)}"

    def mark(self, condition: str) -> str:
        return f"look = {condition}"

    def loop(self, *body: str, depth: int = 1) -> list[str]:
        return ["    " * depth + line for line in body if line]
