"""How the threads of a process share the work, and where they tell each other how far they are."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hhsim.network.build import Tiles
from hhsim.network.layout import LANES
from hhsim.state.build import aligned

LINE = 16  # elements between those of two parts in `Shares.progress`: two cache lines, fetched in pairs
RUNG, ASLEEP = 0, 2 * LINE  # in `Shares.bell`: how often it was rung; whether somebody sleeps until it is


class Shares(NamedTuple):
    """How the work is shared out."""

    cuts: npt.NDArray[np.int64]  # (parts + 1,) part p owns the blocks from cuts[p] to cuts[p + 1]
    tiles: npt.NDArray[np.int64]  # (parts + 1,) part p owns the tiles from tiles[p] to tiles[p + 1]
    history: int  # steps of the log before the chunk
    epoch: int  # steps between two meetings of the threads
    progress: npt.NDArray[np.int64]  # (parts · LINE,) twice the steps of each part, 1 more while it advances
    bell: npt.NDArray[np.int32]  # (4 · LINE,) for threads that wait
    patience: int  # looks at a part that is not done before sleeping
    own: int  # the portion of the log that is part 0's
    bounds: npt.NDArray[np.int64]  # (portions + 1,) portion q of the log is for the lanes from bounds[q] on


class Cut(NamedTuple):
    """How a process cuts its blocks of cells."""

    cuts: list[int]  # part p owns the blocks from cuts[p] to cuts[p + 1]
    tiles: Tiles
    patience: int  # as in `Shares`


def build_shares(cut: Cut, blocks: int, history: int, epoch: int) -> Shares:
    """Share out the work on the cells of a process; `blocks` are those of the whole network."""
    parts = len(cut.cuts) - 1
    below = [0] if cut.cuts[0] > 0 else []
    above = [blocks] if cut.cuts[-1] < blocks else []
    return Shares(
        cuts=np.array(cut.cuts, np.int64),
        tiles=np.array(cut.tiles.first, np.int64),
        history=history,
        epoch=epoch,
        progress=aligned(parts * LINE, np.int64),
        bell=aligned(4 * LINE, np.int32),
        patience=cut.patience,
        own=len(below),
        bounds=np.array([*below, *cut.cuts, *above], np.int64) * LANES,
    )
