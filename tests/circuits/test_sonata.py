"""SONATA circuits: edges from files, and networks written as files."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import h5py
import libsonata
import numpy as np
import pytest
from networks import network, synapses_of
from places import DATA, ROOT

from hhsim.circuits.edges import read_edges
from hhsim.config import load
from hhsim.errors import ConfigRefused, FileFailed, OutputExists
from hhsim.exporting.circuit import export
from hhsim.model import (
    Constant,
    EdgesFromFile,
    FixedIndegree,
    FixedOutdegree,
    Model,
    Normal,
    PairwiseBernoulli,
    Uniform,
)
from hhsim.network.build import memory_needed
from hhsim.network.rules import file as edges_rule
from hhsim.state.build import initial_values

BRIAN2 = DATA / "brian2_400" / "edges.h5"


def write_edges(path: Path, sources, targets, **columns) -> EdgesFromFile:
    with h5py.File(path, "w") as file:
        group = file.create_group("edges/a__b")
        for name, ids, population in (("source", sources, "a"), ("target", targets, "b")):
            group[f"{name}_node_id"] = np.asarray(ids, np.uint64)
            group[f"{name}_node_id"].attrs["node_population"] = population
        for name, values in columns.items():
            group[f"0/{name}"] = np.asarray(values, float)
    return EdgesFromFile(path, "a__b")


def from_file(rule: EdgesFromFile, weight=None, delay=None, sizes=(300, 400)) -> Model:
    return network(sizes, rule, weight, delay, sources=("a",), targets=("b",))


@pytest.fixture
def edges(rng):
    """5000 edges in no order, multapses among them, with weights and whole steps of 0.1 ms."""
    sources, targets = rng.integers(0, 300, 5000), rng.integers(0, 400, 5000)
    sources[:50], targets[:50] = 7, 9
    return sources, targets, rng.random(5000), rng.integers(3, 20, 5000)


@pytest.fixture
def rng():
    return np.random.default_rng(1)


@pytest.mark.parametrize("parts", [1, 2, 7])
@pytest.mark.parametrize("chunk", [64, 1 << 20])
def test_edges_are_sorted_and_equal_pairs_keep_their_order(tmp_path, edges, parts, chunk, monkeypatch):
    monkeypatch.setattr(edges_rule, "read_edges", lambda *arguments: read_edges(*arguments, chunk=chunk))
    sources, targets, weights, steps = edges
    rule = write_edges(tmp_path / "edges.h5", sources, targets, syn_weight=weights, delay=steps * 0.1)
    order = np.lexsort((targets, sources))
    expected = zip(
        sources[order].tolist(),
        (targets[order] + 384).tolist(),
        weights[order].tolist(),
        steps[order].tolist(),
        strict=True,
    )
    assert synapses_of(from_file(rule), parts) == [list(expected)]


def test_reference_edges_arrive_complete():
    for source, target in (("exc", "inh"), ("inh", "exc")):
        sizes = {"exc": 320, "inh": 80}
        with h5py.File(BRIAN2) as file:
            group = file[f"edges/{source}__{target}"]
            pairs = Counter(
                zip(group["source_node_id"][:].tolist(), group["target_node_id"][:].tolist(), strict=True)
            )
        model = network((sizes[source], sizes[target]), EdgesFromFile(BRIAN2, f"{source}__{target}"))
        names = dict(zip("ab", (source, target), strict=True))
        populations = {names[key]: replace(p, name=names[key]) for key, p in model.populations.items()}
        projection = replace(model.projections[0], source=source, targets=(target,))
        (synapses,) = synapses_of(replace(model, populations=populations, projections=(projection,)), 2)
        first = -(-sizes[source] // 128) * 128
        assert Counter((entry[0], entry[1] - first) for entry in synapses) == pairs


def test_memory_of_edges_from_a_file(tmp_path, edges):
    sources, targets, weights, _ = edges
    rule = write_edges(tmp_path / "edges.h5", sources, targets, syn_weight=weights)
    assert memory_needed(from_file(rule, None, Constant(0.0)), 1) == 5000 * (2 + 8) + 4 * 301


WRITTEN = [
    (PairwiseBernoulli(0.05), Constant(6.0), Constant(0.3)),
    (FixedOutdegree(90, replacement=True), Normal(6.0, 2.0, min=0.0), Uniform(0.0, 3.0)),
    (FixedIndegree(5), Uniform(1.0, 2.0), Constant(0.0)),
]


def coba(rule=WRITTEN[0][0], weight=WRITTEN[0][1], delay=WRITTEN[0][2]) -> Model:
    """220 cells, the projections from exc and inh, and the first of them a second time."""
    overrides = ("population.exc.size=150", "population.inh.size=70")
    model = load(ROOT / "configs" / "coba.toml", overrides).model
    projections = [replace(each, rule=rule, weight=weight, delay=delay) for each in model.projections]
    return replace(model, projections=(*projections, projections[0]))


@pytest.mark.parametrize(("rule", "weight", "delay"), WRITTEN)
def test_a_written_network_is_read_back(tmp_path, rule, weight, delay):
    model = coba(rule, weight, delay)
    export(model, tmp_path / "new" / "folder", initial_values, chunk=100)
    again = load(tmp_path / "new" / "folder" / "config.toml").model
    names = ["exc__exc", "exc__inh", "inh__exc", "inh__inh", "exc__exc__2", "exc__inh__2"]
    assert [projection.rule.edges for projection in again.projections] == names
    read = synapses_of(again, 2)
    for index, synapses in enumerate(synapses_of(model, 1)):
        assert len(synapses) > 500
        assert sorted(read[2 * index] + read[2 * index + 1]) == sorted(synapses)
    for name, population in model.populations.items():
        before, after = initial_values(model, population), initial_values(again, again.populations[name])
        assert before.keys() == after.keys()
        assert all(np.array_equal(before[state], after[state]) for state in before)


def test_libsonata_opens_the_files(tmp_path):
    model = coba(*WRITTEN[1])
    export(model, tmp_path, initial_values)
    nodes = libsonata.NodeStorage(tmp_path / "nodes.h5")
    assert nodes.population_names == {"exc", "inh"}
    assert nodes.open_population("exc").size == 150
    values = nodes.open_population("inh").get_attribute("v", libsonata.Selection([0, 69]))
    assert values.tolist() == initial_values(model, model.populations["inh"])["v"][[0, 69]].tolist()
    edges = libsonata.EdgeStorage(tmp_path / "edges.h5").open_population("exc__inh")
    first = synapses_of(model)[0]
    expected = [(source, lane - 256, weight, steps) for source, lane, weight, steps in first if lane >= 256]
    everything = edges.select_all()
    assert (edges.source, edges.target, edges.size) == ("exc", "inh", len(expected))
    assert edges.source_nodes(everything).tolist() == [entry[0] for entry in expected]
    assert edges.target_nodes(everything).tolist() == [entry[1] for entry in expected]
    assert edges.get_attribute("syn_weight", everything).tolist() == [entry[2] for entry in expected]
    steps = edges.get_attribute("delay", everything) / 0.1
    assert steps == pytest.approx([entry[3] for entry in expected])


def test_existing_files_are_kept(tmp_path):
    (tmp_path / "edges.h5").write_text("precious")
    with pytest.raises(OutputExists):
        export(coba(), tmp_path, initial_values)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["precious"]
    export(coba(), tmp_path, initial_values, force=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.toml", "edges.h5", "nodes.h5"]
    with pytest.raises(FileFailed):
        export(coba(), tmp_path / "edges.h5" / "inside", initial_values)


def test_wrong_edges_are_refused_by_row(tmp_path):
    rule = write_edges(tmp_path / "e.h5", [0, 1, 2], [0, 400, 2], syn_weight=[1, 1, np.nan], delay=[1, -1, 1])
    with pytest.raises(FileFailed, match=r"row 1 of /edges/a__b/target_node_id is cell 400"):
        synapses_of(from_file(rule, Constant(1.0), Constant(0.0)))
    with pytest.raises(FileFailed, match=r"row 2 of /edges/a__b/0/syn_weight is nan"):
        synapses_of(from_file(rule, None, Constant(0.0), sizes=(300, 401)))
    with pytest.raises(FileFailed, match=r"row 1 of /edges/a__b/0/delay is -1"):
        synapses_of(from_file(rule, Constant(1.0), None, sizes=(300, 401)))


def test_unsuitable_files_are_refused(tmp_path):
    rule = write_edges(tmp_path / "good.h5", range(300), range(300))
    model = from_file(rule, Constant(1.0), Constant(0.0))
    assert len(synapses_of(model)[0]) == 300

    def refused(message: str, model: Model = model, **changes) -> None:
        projection = replace(model.projections[0], **changes)
        with pytest.raises(FileFailed, match=message):
            synapses_of(replace(model, projections=(projection,)))

    refused("no such file", rule=EdgesFromFile(tmp_path / "none.h5", "a__b"))
    refused("no edges named 'c'; there are a__b", rule=EdgesFromFile(rule.path, "c"))
    refused("no dataset /edges/a__b/0/syn_weight", weight=None)
    refused("counts cells of 'a', not of 'b'", source="b", targets=("a",))
    with pytest.raises(ConfigRefused, match="one population"):
        synapses_of(replace(model, projections=(replace(model.projections[0], targets=("a", "b")),)))
    content = rule.path.read_bytes()
    for name, damaged in (("text", b"no HDF5 at all"), ("short", content[: len(content) // 2])):
        (tmp_path / name).write_bytes(damaged)
        refused("cannot be read", rule=EdgesFromFile(tmp_path / name, "a__b"))
    with h5py.File(rule.path, "a") as file:
        del file["edges/a__b/target_node_id"]
        file["edges/a__b/target_node_id"] = np.zeros(299, np.uint64)
    refused("299 entries where source_node_id has 300")
