"""Where each cell of a network lives: populations as runs of blocks, blocks as a fixed number of lanes.

Every population starts on a block of its own, and its last block is padded with lanes that belong to no
cell. The layout depends on the populations alone, never on the number of threads, so that each cell is
always computed by the same code at the same place of its block, whoever computes it.
"""

from __future__ import annotations

from dataclasses import dataclass

from hhsim.model import Model

LANES = 128  # cells of a block: its working set stays in the L1 cache, and every vector width divides it


@dataclass(frozen=True)
class Place:
    """The lanes of one population: cell i lives in lane `first + i`."""

    name: str
    first: int  # a multiple of LANES
    size: int

    @property
    def blocks(self) -> range:
        return range(self.first // LANES, -(-(self.first + self.size) // LANES))

    def blocks_in(self, blocks: range) -> range:
        """Those of its blocks that are among `blocks`, a run of them."""
        first, stop = max(self.blocks.start, blocks.start), min(self.blocks.stop, blocks.stop)
        return range(first, max(first, stop))

    def nodes_in(self, blocks: range) -> range:
        """Its cells in `blocks`."""
        first, stop = (
            min(max(cut * LANES - self.first, 0), self.size) for cut in (blocks.start, blocks.stop)
        )
        return range(first, max(first, stop))

    @property
    def end(self) -> int:
        """One past the last lane of the last block, padding included."""
        return self.blocks.stop * LANES


@dataclass(frozen=True)
class Layout:
    places: dict[str, Place]

    @property
    def blocks(self) -> int:
        return max((place.blocks.stop for place in self.places.values()), default=0)

    @property
    def lanes(self) -> int:
        return self.blocks * LANES

    def cuts(self, parts: int) -> list[int]:
        """Divide the blocks evenly: part i owns the blocks from cuts[i] to cuts[i + 1].

        A part may be empty when there are fewer blocks than parts.
        """
        return [self.blocks * part // parts for part in range(parts + 1)]


def lay_out(model: Model) -> Layout:
    """Give each population of `model` its lanes, in the order of the config."""
    places: dict[str, Place] = {}
    first = 0
    for population in model.populations.values():
        place = Place(population.name, first, population.size)
        places[population.name] = place
        first = place.end
    return Layout(places)
