"""A simulation that goes on from a snapshot goes on as if nothing had happened, to the bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from runs import Outcome
from test_reproducible import LEAST_DELAYS, model, plain

from hhsim.errors import FileFailed
from hhsim.network.build import connect
from hhsim.network.fingerprint import fingerprint
from hhsim.network.layout import lay_out
from hhsim.simulation.checkpoint import container
from hhsim.simulation.checkpoint.snapshot import Snapshot, restore, take
from hhsim.simulation.simulation import Simulation


def through_disk(snapshot: Snapshot, folder: Path) -> Snapshot:
    path = folder / "checkpoint"
    path.unlink(missing_ok=True)
    container.write(path, snapshot.facts, snapshot.arrays)
    facts, arrays = container.read(path)
    return Snapshot(**facts, arrays=arrays)


def run_in_pieces(network, pieces: list[tuple[int, int]], folder: Path) -> Outcome:
    """Run with as many threads and about as many steps as each piece says, through a file in between."""
    spikes: dict[str, list[tuple[int, int]]] = {name: [] for name in network.populations}
    frames: list[list[np.ndarray]] = [[] for _ in network.traces]
    snapshot = None
    for threads, steps in [*pieces, (1, network.run.steps)]:
        simulation = Simulation(network, threads, 97)
        simulation.compile()
        if snapshot is not None:
            restore(simulation, through_disk(snapshot, folder))
        end = min(simulation.step + steps, network.run.steps)
        while simulation.step < end:
            chunk = simulation.advance(end - simulation.step)
            for name, (when, who) in chunk.spikes.items():
                spikes[name] += zip(when.tolist(), who.tolist(), strict=True)
            for all_frames, new in zip(frames, chunk.frames, strict=True):
                all_frames.append(new.copy())
        snapshot = take(simulation)
    joined = [np.concatenate(each) for each in frames]
    return Outcome(spikes, joined, simulation.suppressed_crossings, None, simulation)


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("delay", LEAST_DELAYS)
@given(pieces=st.lists(st.tuples(st.sampled_from([1, 2, 3, 7]), st.integers(1, 200)), min_size=1, max_size=4))
@settings(max_examples=5, deadline=None)
def test_pieces_are_the_whole_to_the_bit(delay, precision, pieces, tmp_path_factory) -> None:
    whole = plain(delay, precision)
    parted = run_in_pieces(model(delay, precision), pieces, tmp_path_factory.mktemp("pieces"))
    assert parted.spikes == whole.spikes
    assert parted.suppressed == whole.suppressed
    assert parted.simulation.spike_counts == whole.simulation.spike_counts
    assert parted.sha256() == whole.sha256()


def test_a_snapshot_of_another_network_is_refused(tmp_path) -> None:
    one = Simulation(model("0 ms", "float64"))
    other = Simulation(model("0.3 ms", "float32"))
    with pytest.raises(ValueError, match="another"):
        restore(other, take(one))


@pytest.mark.parametrize("delay", LEAST_DELAYS)
def test_a_fingerprint_does_not_depend_on_the_cut_but_on_every_synapse(delay) -> None:
    network = model(delay, "float64")
    layout = lay_out(network)

    def cut(parts: int):
        return connect(network, layout, layout.cuts(parts), np.dtype("f8"))

    whole = fingerprint(cut(1))
    assert [fingerprint(cut(parts)) for parts in (2, 3, 7)] == [whole] * 3
    chooser = np.random.default_rng(1)
    for name in ("targets", "weights", "lags"):
        for _ in range(5):
            connections = cut(2)
            array = getattr(connections, name)
            array[chooser.integers(array.size)] += 1
            assert fingerprint(connections) != whole, name


arrays = st.dictionaries(
    st.text(max_size=8),
    st.tuples(st.sampled_from(container.TYPES), st.lists(st.integers(0, 255), max_size=20)).map(
        lambda made: np.array(made[1], made[0])
    ),
    max_size=4,
)
facts = st.dictionaries(st.text(max_size=8), st.integers() | st.text(max_size=9) | st.lists(st.integers()))


@given(arrays=arrays, facts=facts)
@settings(max_examples=50, deadline=None)
def test_a_container_gives_back_what_was_put_in(arrays, facts, tmp_path_factory) -> None:
    path = tmp_path_factory.mktemp("container") / "file"
    container.write(path, facts, arrays)
    found_facts, found = container.read(path)
    assert found_facts == facts
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        assert np.array_equal(found[name], array)


@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_a_damaged_container_is_refused(data, tmp_path_factory) -> None:
    """Any byte that is changed, any end that is missing, anything that is too much."""
    path = tmp_path_factory.mktemp("container") / "file"
    container.write(path, {"step": 7}, {"state": np.arange(50.0)})
    whole = path.read_bytes()
    kind = data.draw(st.sampled_from(["flip", "cut", "add"]))
    if kind == "flip":
        at, bit = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(0, 7))
        damaged = whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :]
    elif kind == "cut":
        damaged = whole[: data.draw(st.integers(0, len(whole) - 1))]
    else:
        damaged = whole + data.draw(st.binary(min_size=1, max_size=100))
    path.write_bytes(damaged)
    with pytest.raises(FileFailed):
        container.read(path)


@given(st.binary(max_size=300))
@settings(max_examples=100, deadline=None)
def test_anything_else_is_no_container(tmp_path_factory, content) -> None:
    path = tmp_path_factory.mktemp("container") / "file"
    path.write_bytes(content)
    with pytest.raises(FileFailed, match=r"is no checkpoint|is damaged"):
        container.read(path)
