"""How large the files of a recording become, known before they are written; a few kB more or less."""

from __future__ import annotations

from hhsim.recording.layout import SPIKE_CHUNK, frame_chunk

FILE_BYTES = 22_000  # groups, attributes, the config and the summary
NODE_BYTES = 8 + 8 + 4 + 4  # of a traced cell in a report's mapping
INDEX_CHUNKS, INDEX_BYTES = 64, 2600  # HDF5's index: a node of so many bytes for about so many chunks


def spike_bytes(count: int) -> int:
    """Bytes that `count` spikes of one population take: a time and an id each, in whole chunks."""
    return 2 * _chunks(-(-count // SPIKE_CHUNK), SPIKE_CHUNK * 8)


def trace_bytes(nodes: int, frames: int) -> int:
    """Bytes that `frames` frames of `nodes` cells take: four for each number, in whole chunks."""
    rows, columns = frame_chunk(nodes)
    count = -(-frames // rows) * -(-nodes // columns)
    return _chunks(count, rows * columns * 4) + nodes * NODE_BYTES


def _chunks(count: int, each: int) -> int:
    return count * each + (1 + count // INDEX_CHUNKS) * INDEX_BYTES
