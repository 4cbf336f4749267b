"""The state of a network, brought together from all ranks, and given out to them again.

A snapshot is a dict of arrays: state, counts and sums as in `Cells` and `Inboxes`; history: the lanes that
spiked in the steps that delays reach back to, ascending, those of row r from history_ends[r] to
history_ends[r + 1]; suppressed: as `Engine.suppressed()`. It is the same whatever the cuts.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from hhsim.engines.base import Arrays
from hhsim.engines.exchange import Exchange
from hhsim.engines.host import Host
from hhsim.state.inboxes import inboxes_of, portion


def take(host: Host, exchange: Exchange, blocks: list[range]) -> Arrays:
    """All arrays of a snapshot but `suppressed`; where a process is alone, its own arrays, not copies.

    `blocks` are those of each rank. Ranks other than 0 have parts of state, counts and sums.
    """
    arrays = _own(host)
    if exchange.ranks > 1:
        gathered = {name: exchange.to_root(own) for name, own in arrays.items()}
        if exchange.rank == 0:
            arrays["state"] = np.concatenate(gathered["state"])
            for sums, name in enumerate(("counts", "sums")):
                places = _places(host, blocks, sums)
                whole = np.zeros(sum(each.size for each in places), arrays[name].dtype)
                for place, piece in zip(places, gathered[name], strict=True):
                    whole[place] = piece
                arrays[name] = whole
    log, history = host.network.log, host.network.shares.history
    rows = [
        np.concatenate([lanes[low:high] for lanes, (low, high) in zip(log.lanes, spans, strict=True)])
        for spans in zip(*(pairwise(each.tolist()) for each in log.ends[:, : history + 1]), strict=True)
    ]
    return {
        **arrays,
        "history": np.concatenate([np.zeros(0, np.int32), *rows]),
        "history_ends": np.cumsum([0, *(len(row) for row in rows)]).astype(np.int64),
    }


def put_back(host: Host, exchange: Exchange, blocks: list[range], arrays: Arrays) -> None:
    """Set all that a snapshot holds, which rank 0 alone needs to have; `blocks` are those of each rank.

    Raises ValueError if the arrays are not those of this network.
    """
    own = _own(host)
    sizes = exchange.tell(*(each.size for each in own.values()))
    pieces: dict[str, list[npt.NDArray[np.generic]]] = {name: [] for name in own}
    if exchange.rank == 0:
        _check(host, own, sizes.sum(axis=0).tolist(), arrays)
        pieces["state"] = np.split(arrays["state"], np.cumsum(sizes[:-1, 0]))
        for sums, name in enumerate(("counts", "sums")):
            pieces[name] = [arrays[name][place] for place in _places(host, blocks, sums)]
    for name, array in own.items():
        exchange.from_root([piece.astype(array.dtype, copy=False) for piece in pieces[name]], array)
    none = np.zeros(0, np.int64)
    lanes = exchange.gather(arrays.get("history", none.astype(np.int32)))[0]
    ends = exchange.gather(arrays.get("history_ends", none))[0]
    _write_history(host, lanes, ends.tolist())
    host.network.log.suppressed[:] = 0
    if exchange.rank == 0:
        host.network.log.suppressed[0] = arrays["suppressed"]


def _own(host: Host) -> Arrays:
    inboxes = host.network.inboxes
    return {"state": host.network.cells.state, "counts": inboxes.counts, "sums": inboxes.sums}


def _check(host: Host, own: Arrays, sizes: list[int], arrays: Arrays) -> None:
    """Raise ValueError if the arrays of a snapshot do not fit; `sizes` are those of all ranks together."""
    for (name, array), size in zip(own.items(), sizes, strict=True):
        same = arrays[name].dtype == array.dtype or name == "sums"  # a device has them in float64
        if arrays[name].shape != (size,) or not same:
            raise ValueError(f"{name} has another shape or type")
    if len(arrays["history_ends"]) != host.network.shares.history + 1:
        raise ValueError("the history has another length")


def _write_history(host: Host, lanes: npt.NDArray[np.int32], ends: list[int]) -> None:
    """Write the lanes that spiked, those of row r up to ends[r + 1], into the portions of the log."""
    log = host.network.log
    log.ends[:] = 0
    for part, (first, last) in enumerate(pairwise(host.network.shares.bounds.tolist())):
        at = 0
        for row, (low, high) in enumerate(pairwise(ends)):
            mine = lanes[low:high]
            mine = mine[(mine >= first) & (mine < last)]
            log.lanes[part, at : at + len(mine)] = mine
            at += len(mine)
            log.ends[part, row + 1] = at


def _places(host: Host, blocks: list[range], sums: int) -> list[npt.NDArray[np.int64]]:
    """Where the `counts` or `sums` of each rank stand in those of the whole network."""
    about = host.model, host.layout, host.network.connections
    whole, _ = inboxes_of(*about, range(host.layout.blocks))
    return [portion(whole, inboxes_of(*about, own)[0], sums) for own in blocks]
