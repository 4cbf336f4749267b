"""The refractory clock is exact whatever the chunks, or the config is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from runs import COBA_CELL, run

from hhsim.channels.structure import LONGEST_CHUNK, longest_refractory
from hhsim.config import parse
from hhsim.errors import ConfigRefused
from hhsim.kernels.cpu import parts
from hhsim.network.layout import LANES
from hhsim.simulation.simulation import Simulation

PRECISIONS = ("float32", "float64")
ONE = (
    """
[run]
duration = "40 ms"
dt = "0.1 ms"
seed = 1
"""
    + COBA_CELL
    + """
[population.a]
cell = "hh"
size = 3
initial = { v = "-65 mV" }

[[input]]
model = "step_current"
target = "a"
amplitude = "1 nA"
"""
)


def config(refractory_ms: float) -> str:
    assert 'refractory = "3 ms"' in ONE
    return ONE.replace('refractory = "3 ms"', f'refractory = "{refractory_ms!r} ms"')


def clocks(simulation: Simulation) -> np.ndarray:
    """The clocks of the first block: a view."""
    cells = simulation.engine.host.network.cells
    begin = int(cells.starts[0]) + int(cells.clock_rows[0]) * LANES
    return cells.state[begin : begin + LANES]


@pytest.fixture(scope="module")
def built() -> dict[str, Simulation]:
    return {each: Simulation(parse(config(3.0), run={"precision": each}).model) for each in PRECISIONS}


@pytest.mark.parametrize("precision", PRECISIONS)
@given(data=st.data())
@settings(deadline=None, max_examples=200)
def test_any_chunks_count_a_refractory_time_exactly(built, precision, data):
    """A spike at step `now` of a chunk; then chunks of any length: the clock is right at each beginning."""
    simulation = built[precision]
    most = longest_refractory(precision)
    now = data.draw(st.integers(0, LONGEST_CHUNK))
    refractory = data.draw(st.integers(most - 1000, most) | st.integers(0, most))
    view = clocks(simulation)
    view[:] = now + refractory
    expected = now + refractory
    assert int(view[0]) == expected
    lengths = st.lists(st.integers(1, LONGEST_CHUNK) | st.integers(1, 9), min_size=1, max_size=8)
    for shift in data.draw(lengths):
        network = simulation.engine.host.network
        parts.begin(0, network.cells, network.shares, shift)
        expected = max(expected - shift, -1)
        assert int(view[0]) == expected


def test_one_step_more_than_is_allowed_would_be_rounded():
    """The bound is as large as it can be."""
    for precision in PRECISIONS:
        real = np.dtype(precision).type
        last = longest_refractory(precision) + LONGEST_CHUNK
        assert int(real(last)) == last
        assert int(real(last + 1)) != last + 1


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("chunk_steps", [1, 7, 4096])
def test_the_longest_refractory_time_leaves_one_spike_whatever_the_chunks(precision, chunk_steps):
    refractory = longest_refractory(precision) - 8  # room for the rounding of milliseconds
    text = config(refractory * 0.1)
    outcome = run(parse(text, run={"precision": precision}).model, 1, chunk_steps)
    whole = run(parse(config(1e6), run={"precision": precision}).model)
    assert len(outcome.spikes["a"]) == 3
    assert outcome.spikes == whole.spikes
    ended = max(outcome.spikes["a"])[0]
    last_chunk = 400 - outcome.simulation.shift
    assert int(clocks(outcome.simulation)[0]) == ended + round(refractory * 0.1 / 0.1) - last_chunk


@pytest.mark.parametrize(
    ("refractory_ms", "precision", "refused"),
    [
        (1.2582912e6, "float32", False),
        (1.2582913e6, "float32", True),
        (1.6777217e6, "float32", True),
        (1.6777217e6, "float64", False),
        (1e15, "float64", True),
        (1e300, "float64", True),
        (1e300, "float32", True),
    ],
)
def test_what_cannot_be_counted_is_refused(refractory_ms, precision, refused):
    if not refused:
        assert parse(config(refractory_ms), run={"precision": precision}).model
        return
    with pytest.raises(ConfigRefused) as raised:
        parse(config(refractory_ms), run={"precision": precision})
    (problem,) = raised.value.problems
    assert "refractory" in str(raised.value)
    assert f"{precision} counts at most {longest_refractory(precision)} exactly" in str(raised.value)
    assert ('"float64" counts more' in str(raised.value)) == (precision == "float32")
    assert problem.line is not None


def test_it_is_refused_before_any_work(command, tmp_path: Path):
    path = tmp_path / "one.toml"
    path.write_text(config(1.6777217e6))
    result = command("run", path, "--precision", "float32")
    assert result.code == 3
    assert "float32 counts at most 12582912 exactly" in result.err
    assert not (tmp_path / "out.h5").exists()
