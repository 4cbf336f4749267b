"""Spikes of the Poisson inputs, from the same draws as on the processor, a thread for each train."""

from __future__ import annotations

import types
from typing import Any

import numpy as np

from hhsim.inputs import poisson as inputs
from hhsim.inputs.poisson import CELLS, INBOX, OFF, OFFSET, ON, WINDOW
from hhsim.inputs.poisson import FIRST as TRAIN_FIRST
from hhsim.kernels.cuda import intrinsics
from hhsim.kernels.cuda.compiling import call, cuda, inline, kernel
from hhsim.kernels.cuda.lanes import fact, index
from hhsim.kernels.cuda.tables import FIRST_STEP, INBOX_COLUMNS, INBOXES, UPDATE_STEP
from hhsim.network import random
from hhsim.state.inboxes import BASE, FIRST, SUMS


def _same(function: Any, **instead: Any) -> Any:
    """The formula of a function that is compiled for the processor, with other functions in its place."""
    plain = getattr(function, "py_func", function)
    return types.FunctionType(plain.__code__, {**plain.__globals__, **instead}, plain.__name__)


philox = call(_same(random.philox, multiply=intrinsics.multiply, add=intrinsics.add))
uniform = inline(_same(random.uniform))
exponential = inline(_same(random.exponential, uniform=uniform))
draw_next = call(_same(inputs.draw_next, philox=philox, exponential=exponential))
enter_window = call(_same(inputs.enter_window, draw_next=draw_next))


@kernel
def bring_trains(arrays: Any, trains: Any) -> None:
    """Let the spikes of the Poisson inputs arrive that fall into this step."""
    tables, ledger = arrays.tables, arrays.ledger
    k, first_step = fact(ledger, UPDATE_STEP), fact(ledger, FIRST_STEP)
    if k < 0:
        return
    for train in range(trains.table.shape[0]):
        table = trains.table[train]
        on = table[ON]
        if not on <= k < table[OFF]:
            continue
        entering = k % WINDOW == 0 or k in (first_step, on)
        inbox = fact(tables, INBOXES) + table[INBOX] * INBOX_COLUMNS
        base = fact(tables, inbox + BASE) + table[TRAIN_FIRST] - fact(tables, inbox + FIRST)
        node = np.int64(cuda.grid(1))
        while node < table[CELLS]:
            cell = table[OFFSET] + node
            if entering:
                enter_window(trains, train, cell, k)
            while trains.next[cell] == k:
                if fact(tables, inbox + SUMS) != 0:
                    arrays.sums[index(base + node)] += trains.weights[cell]
                else:
                    arrays.counts[index(base + node)] += np.uint32(1)
                draw_next(trains, train, cell, k // WINDOW)
            node += cuda.gridsize(1)
