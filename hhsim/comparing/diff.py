"""Two recordings held against each other: their spikes, their traces, and what they were made from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from hhsim.comparing.configs import differing_origins, differing_settings
from hhsim.comparing.spikes import REACH_MS, Drift, FirstSpike, Tally, Ticks, compare_spikes
from hhsim.comparing.traces import TraceComparison, compare_traces
from hhsim.config import Entry
from hhsim.errors import SelectionRefused
from hhsim.recording import Recording, Selection, Trace, select


@dataclass(frozen=True)
class PopulationComparison:
    """The spikes of a population; `cells_a` and `cells_b` are how many cells of it were compared."""

    cells_a: int
    cells_b: int
    first: FirstSpike | None
    whole: Drift
    windows: list[Drift]


@dataclass(frozen=True)
class Comparison:
    """In what two recordings, A and B, differ between `start_ms` and `stop_ms`, as far as both go.

    They are equal if they hold the same spikes and traces of the same cells and end at the same time. Configs
    and origins are told, but do not count: a recording is what was computed.
    """

    a: str
    b: str
    start_ms: float
    stop_ms: float
    end_a_ms: float  # how far each goes, or how far it was to be looked at
    end_b_ms: float
    reach_ms: float  # how far a spike's nearest in the other was looked for
    only_a: list[str]  # what only A holds, such as "v of exc"
    only_b: list[str]
    spikes: dict[str, PopulationComparison]
    windows: list[Drift]  # of all populations together
    traces: list[TraceComparison]
    config: list[Entry]
    origins: list[Entry]

    @property
    def same_content(self) -> bool:
        """Whether all that both hold is the same, as far as both go."""
        return all(each.first is None and each.cells_a == each.cells_b for each in self.spikes.values()) and (
            not any(trace.first for trace in self.traces)
        )

    @property
    def equal(self) -> bool:
        same_kind = not self.only_a and not self.only_b
        return self.same_content and same_kind and self.same_end

    @property
    def same_end(self) -> bool:
        return math.isclose(self.end_a_ms, self.end_b_ms, rel_tol=1e-9)

    @property
    def first_spike(self) -> FirstSpike | None:
        found = [each.first for each in self.spikes.values() if each.first is not None]
        return min(found, key=lambda first: first.t_ms, default=None)

    @property
    def first_value(self) -> TraceComparison | None:
        """The trace that differs first."""
        found = [(trace.first.t_ms, i) for i, trace in enumerate(self.traces) if trace.first is not None]
        return self.traces[min(found)[1]] if found else None

    def as_data(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {"equal": self.equal, "same_content": self.same_content} | asdict(self)


def compare(
    a: Recording,
    b: Recording,
    *,
    start_ms: float | None = None,
    stop_ms: float | None = None,
    nodes: tuple[int, int] | None = None,
    populations: Sequence[str] = (),
    atol: float = 0.0,
    verify: bool = True,
) -> Comparison:
    """Compare two recordings, or parts of them, in constant memory.

    Parameters
    ----------
    start_ms, stop_ms, nodes, populations : the part, as `hhsim.recording.select` takes it
    atol : how far values of traces may be apart, in the unit of each
    verify : whether both are held against their checksums first; a rerun tells more of what was changed

    Raises
    ------
    SelectionRefused
        if there is nothing of that part in one of the two
    FileFailed
        where a file is damaged, missing, or was changed in a way that no run could have
    """
    chosen_a, chosen_b = (
        _select(each, other, start_ms, stop_ms, nodes, populations, verify)
        for each, other in ((a, b), (b, a))
    )
    start, stop = chosen_a.start_ms, min(chosen_a.stop_ms, chosen_b.stop_ms)
    ticks = Ticks(a, b, start, stop)
    spikes: dict[str, PopulationComparison] = {}
    total = Tally(ticks)
    for name in a.populations:
        if name not in b.populations or name not in chosen_a.cells:
            continue
        tally, first = compare_spikes(a, b, name, ticks, nodes)
        total.merge(tally)
        sizes = (len(chosen_a.cells[name]), len(chosen_b.cells[name]))
        spikes[name] = PopulationComparison(*sizes, first, tally.whole(), tally.windows())
    held_a, held_b = _held(a, chosen_a), _held(b, chosen_b)
    traces = []
    for key in a.traces:
        if key in b.traces and key[0] in chosen_a.cells:
            x, y = a.traces[key], b.traces[key]
            for each in (a, b) if verify else ():
                each.verify_trace(*key)
            traces.append(compare_traces(key, x, y, start_ms=start, stop_ms=stop, nodes=nodes, atol=atol))
            held_a += _beyond(x, y, key[0], nodes)
            held_b += _beyond(y, x, key[0], nodes)
    return Comparison(
        str(a.path),
        str(b.path),
        start,
        stop,
        chosen_a.stop_ms,
        chosen_b.stop_ms,
        REACH_MS,
        [what for what in held_a if what not in held_b],
        [what for what in held_b if what not in held_a],
        spikes,
        total.windows(),
        traces,
        differing_settings(a, b),
        differing_origins(a, b),
    )


def _select(
    recording: Recording,
    other: Recording,
    start_ms: float | None,
    stop_ms: float | None,
    nodes: tuple[int, int] | None,
    populations: Sequence[str],
    verify: bool,
) -> Selection:
    """The part of one recording; a population may be missing from it if the other has it."""
    known, elsewhere = (
        {*each.populations, *(name for name, _ in each.traces)} for each in (recording, other)
    )
    there = [name for name in populations if name in known or name not in elsewhere]
    try:
        chosen = select(
            recording,
            start_ms=start_ms,
            stop_ms=stop_ms,
            nodes=nodes,
            populations=there or list(known),
            verify=verify,
        )
    except SelectionRefused as error:
        raise SelectionRefused(f"{recording.path}: {error}") from None
    cells = chosen.cells if there or not populations else {}
    return Selection(chosen.start_ms, chosen.stop_ms, cells, chosen.whole)


def _held(recording: Recording, chosen: Selection) -> list[str]:
    spikes = [f"spikes of {name}" for name in recording.populations if name in chosen.cells]
    traces = [f"{variable} of {name}" for name, variable in recording.traces if name in chosen.cells]
    return spikes + traces


def _beyond(trace: Trace, other: Trace, population: str, nodes: tuple[int, int] | None) -> list[str]:
    """Cells and times of `trace` that `other` has not."""
    what = f"{trace.variable} of {population}"
    cells = np.setdiff1d(trace.nodes, other.nodes, assume_unique=True)
    if nodes is not None:
        cells = cells[(cells >= nodes[0]) & (cells < nodes[1])]
    beyond = [f"{what}, {len(cells)} cells"] if len(cells) else []
    return beyond + ([f"{what} every {trace.every_ms:g} ms"] if trace.every_ms != other.every_ms else [])
