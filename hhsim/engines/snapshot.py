"""The state of the processor's engine, brought together from all ranks, and given out to them again."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hhsim.state.arrivals import channels_of, portion

if TYPE_CHECKING:
    from hhsim.engines.processor import Processor

Arrays = dict[str, npt.NDArray[Any]]


def take(engine: Processor) -> Arrays:
    """All that decides what comes next, whatever the cuts; where the engine is alone, its arrays, not copies.

    state, counts and sums as in `Cells` and `Arrivals`; history: the lanes that spiked in the steps that
    delays reach back to, ascending, those of row r from history_ends[r] to history_ends[r + 1];
    suppressed: as `suppressed()`. Ranks other than 0 have parts of the first three.
    """
    arrivals = engine.arrivals
    arrays = {"state": engine.cells.state, "counts": arrivals.counts, "sums": arrivals.sums}
    if engine.exchange.ranks > 1:
        gathered = {name: engine.exchange.to_root(own) for name, own in arrays.items()}
        if engine.exchange.rank == 0:
            arrays["state"] = np.concatenate(gathered["state"])
            for sums, name in enumerate(("counts", "sums")):
                places = _places(engine, sums)
                whole = np.zeros(sum(each.size for each in places), arrays[name].dtype)
                for place, piece in zip(places, gathered[name], strict=True):
                    whole[place] = piece
                arrays[name] = whole
    ends = engine.log.ends[:, : engine.plan.history + 1]
    rows = [
        np.concatenate([nodes[low:high] for nodes, (low, high) in zip(engine.log.nodes, spans, strict=True)])
        for spans in zip(*(pairwise(each.tolist()) for each in ends), strict=True)
    ]
    return {
        **arrays,
        "history": np.concatenate([np.zeros(0, np.int32), *rows]),
        "history_ends": np.cumsum([0, *(len(row) for row in rows)]).astype(np.int64),
        "suppressed": np.array(engine.suppressed(), np.int64),
    }


def put_back(engine: Processor, arrays: Arrays) -> None:
    """Set all that `take` gave, which rank 0 alone needs to have.

    Raises ValueError if the arrays are not those of this network.
    """
    exchange, arrivals, plan = engine.exchange, engine.arrivals, engine.plan
    own = {"state": engine.cells.state, "counts": arrivals.counts, "sums": arrivals.sums}
    sizes = exchange.tell(*(each.size for each in own.values()))
    if exchange.rank == 0:
        for (name, array), size in zip(own.items(), sizes.sum(axis=0).tolist(), strict=True):
            same = arrays[name].dtype == array.dtype or name == "sums"  # a device has them in float64
            if arrays[name].shape != (size,) or not same:
                raise ValueError(f"{name} has another shape or type")
        if len(arrays["history_ends"]) != plan.history + 1:
            raise ValueError("the history has another length")
    pieces: dict[str, list[npt.NDArray[Any]]] = {name: [] for name in own}
    if exchange.rank == 0:
        pieces["state"] = np.split(arrays["state"], np.cumsum(sizes[:-1, 0]))
        for sums, name in enumerate(("counts", "sums")):
            pieces[name] = [arrays[name][place] for place in _places(engine, sums)]
    for name, array in own.items():
        exchange.from_root([piece.astype(array.dtype, copy=False) for piece in pieces[name]], array)
    none = np.zeros(0, np.int64)
    lanes = exchange.gather(arrays.get("history", none.astype(np.int32)))[0]
    ends = exchange.gather(arrays.get("history_ends", none))[0]
    engine.log.ends[:] = 0
    for part, (first, last) in enumerate(pairwise(plan.bounds.tolist())):
        at = 0
        for row, (low, high) in enumerate(pairwise(ends.tolist())):
            mine = lanes[low:high]
            mine = mine[(mine >= first) & (mine < last)]
            engine.log.nodes[part, at : at + len(mine)] = mine
            at += len(mine)
            engine.log.ends[part, row + 1] = at
    engine.log.suppressed[:] = 0
    if exchange.rank == 0:
        engine.log.suppressed[0] = arrays["suppressed"]


def _places(engine: Processor, sums: int) -> list[npt.NDArray[np.int64]]:
    """Where the `counts` or `sums` of each rank stand in those of the whole network."""
    about = engine.model, engine.layout, engine.connections
    whole, _ = channels_of(*about, range(engine.layout.blocks))
    shares = [channels_of(*about, range(cuts[0], cuts[-1]))[0] for cuts in engine.shares]
    return [portion(whole, share, sums) for share in shares]
