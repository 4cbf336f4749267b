"""What a thread does for the cells of a part before and after their step; no physics.

The network is cut by target: one thread at a time brings arrivals to the cells of a part, advances them, and
writes their spikes into the part's portion of the log. Threads meet once an epoch, the longest time in which
no spike can reach another cell (one step without delays).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from hhsim.channels.structure import HUGE
from hhsim.jit.options import compiled_inline, kernel
from hhsim.kernels.cpu.delivery import deliver, index
from hhsim.kernels.network import Network
from hhsim.network.layout import LANES
from hhsim.state.build import Cells, Work
from hhsim.state.log import FAILED_LANE, FAILED_STEP
from hhsim.state.samples import Samples
from hhsim.state.shares import Shares


class Task(NamedTuple):
    """All that the threads of a process work on; compiled code has it as a struct (`hhsim.jit.structs`)."""

    steps: Any  # (structures,) uint64: where the compiled step of each structure begins
    work: Work
    network: Network


@kernel
def begin(part: int, cells: Cells, shares: Shares, shift: int) -> None:
    """Count the refractory clocks from this chunk's start, `shift` steps after that of the one before."""
    for block in range(shares.cuts[part], shares.cuts[part + 1]):
        row = cells.clock_rows[cells.owners[block]] * LANES
        at = cells.starts[block] + index(row)
        for i in range(LANES):
            cells.state[at + index(i)] = max(cells.state[at + index(i)] - shift, -1)


@kernel
def sample(part: int, k: int, first_step: int, cells: Cells, samples: Samples) -> None:
    """Record the states at the beginning of step k."""
    for trace in range(samples.every.size):
        every = samples.every[trace]
        if k % every == 0:
            first_frame = -(-first_step // every)
            row = samples.offsets[trace] + (k // every - first_frame) * samples.width[trace]
            base = samples.cuts[trace, 0]
            for i in range(samples.cuts[trace, part], samples.cuts[trace, part + 1]):
                samples.frames[row + i - base] = cells.state[samples.places[i]]


@kernel
def clear_currents(part: int, network: Network) -> None:
    """Set the outer currents of a part to 0, for all that flow to be added up anew."""
    cells, shares = network.cells, network.shares
    for block in range(shares.cuts[part], shares.cuts[part + 1]):
        row = cells.current_rows[cells.owners[block]]
        if row >= 0:
            at = cells.starts[block] + index(row * LANES)
            for i in range(LANES):
                cells.state[at + index(i)] = 0


@kernel
def prepare(part: int, k: int, first_step: int, network: Network) -> None:
    """Record a part's cells at t = k·dt, and bring them the spikes of others that arrive then."""
    log, shares = network.log, network.shares
    row = shares.history + k - first_step
    log.ends[shares.own + part, row + 1] = log.ends[shares.own + part, row]
    sample(part, k, first_step, network.cells, network.samples)
    deliver(part, k, row, network)


@compiled_inline
def collect(part: int, block: int, k: int, now: int, row: int, task: Task) -> None:
    """Write the spikes that `step` marked in a block into the log and set their refractory clocks."""
    work, cells, log, shares = task.work, task.network.cells, task.network.log, task.network.shares
    words, marks = work.words[part], work.marks[part]
    own = shares.own + part
    for word in range(LANES // 8):
        if words[word] == 0:
            continue
        owner = cells.owners[block]
        for i in range(word * 8, word * 8 + 8):
            lane = block * LANES + i
            if marks[i] == 0 or lane >= cells.ends[block]:
                continue
            at = cells.starts[block] + index(i)
            clock = at + index(cells.clock_rows[owner] * LANES)
            if not abs(cells.state[at]) < HUGE:  # the same test as in `step`
                if log.failures[own, FAILED_STEP] < 0:
                    log.failures[own, FAILED_STEP] = k
                    log.failures[own, FAILED_LANE] = lane
            elif cells.state[clock] <= now:
                end = log.ends[own, row + 1]
                log.lanes[own, end] = lane
                log.ends[own, row + 1] = end + 1
                cells.state[clock] = now + cells.refractory[owner]
            else:
                log.suppressed[own, owner] += 1
