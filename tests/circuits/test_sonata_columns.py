"""SONATA files as others write them: groups, places, numbers of synapses, types and units."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from networks import network, synapses_of
from places import ROOT

from hhsim.channels import all_channels, all_receptors
from hhsim.channels.states import MEMBRANE
from hhsim.circuits.edge_types import read_edge_types
from hhsim.circuits.edges import Wanted, read_edges
from hhsim.circuits.nodes import node_values
from hhsim.config import load
from hhsim.config.advice.files import about_files
from hhsim.errors import FileFailed, exit_code_of
from hhsim.exporting.circuit import export
from hhsim.model import Constant, EdgesFromFile, FromFile, Model
from hhsim.network.build import expected_synapses, memory_needed
from hhsim.state.build import initial_values

SIZE = 2000
CONFIG = ROOT / "configs" / "coba.toml"


def write(path: Path, datasets, units=None, kind="edges/a__b") -> Path:
    with h5py.File(path, "w") as file:
        for name, values in datasets.items():
            file[f"{kind}/{name}"] = values
        for name, unit in (units or {}).items():
            file[f"{kind}/{name}"].attrs["units"] = unit
    return path


def edges(path: Path, datasets, units=None, edge_types=None) -> EdgesFromFile:
    return EdgesFromFile(write(path, datasets, units), "a__b", edge_types)


def model_of(rule: EdgesFromFile, weight=None) -> Model:
    return network((300, 400), rule, weight, Constant(0.0), sources=("a",), targets=("b",))


def everything(rule: EdgesFromFile, chunk=1 << 20, delays=True, longest=np.inf):
    """Source, target, weight and delay of all synapses, in the order of the file."""
    runs = list(read_edges(rule, ("a", 300), ("b", 400), Wanted(True, delays, longest), chunk=chunk))
    assert all(run.sources.size <= chunk for run in runs)
    columns = zip(*runs, strict=True)
    return [np.concatenate(column) if column[0] is not None else None for column in columns]


def refused(message: str, rule: EdgesFromFile, **about) -> None:
    with pytest.raises(FileFailed, match=message) as told:
        everything(rule, **about)
    assert exit_code_of(told.value) == 5
    assert str(rule.path) in str(told.value)


FOUR = {"source_node_id": np.zeros(4, np.uint64), "target_node_id": np.arange(4)}
GROUPED = {**FOUR, "edge_group_id": [0, 0, 1, 1], "edge_group_index": [1, 0, 1, 0]}


@pytest.fixture
def rng():
    return np.random.default_rng(2)


@pytest.mark.parametrize("chunk", [17, 1 << 20])
def test_each_edge_finds_its_own_values_whatever_the_order(tmp_path, rng, chunk):
    """Three groups in random order; one counts its synapses, one is in other units, ids are floats."""
    group, ids = rng.integers(0, 3, SIZE), rng.integers(0, 300, (2, SIZE))
    weights, delays, times = rng.random(SIZE), rng.random(SIZE), rng.integers(0, 5, SIZE)
    times[group != 2] = 1
    datasets = {
        "source_node_id": ids[0].astype(np.float64),
        "target_node_id": ids[1].astype(np.uint16),
        "edge_group_id": group.astype(np.int8),
    }
    index = np.empty(SIZE, np.uint64)
    for number in range(3):
        own = rng.permutation(np.flatnonzero(group == number))
        index[own] = np.arange(own.size)
        datasets |= {f"{number}/syn_weight": weights[own], f"{number}/delay": delays[own]}
        if number == 2:
            datasets[f"{number}/nsyns"] = times[own]
    datasets["1/syn_weight"] = datasets["1/syn_weight"] / 1000
    datasets["edge_group_index"] = index
    rule = edges(tmp_path / "e.h5", datasets, {"1/syn_weight": "uS", "2/delay": b"ms"})
    sources, targets, read_weights, read_delays = everything(rule, chunk)
    assert sources.tolist() == np.repeat(ids[0], times).tolist()
    assert targets.tolist() == np.repeat(ids[1], times).tolist()
    assert read_weights == pytest.approx(np.repeat(weights, times), rel=1e-15)
    assert read_delays.tolist() == np.repeat(delays, times).tolist()
    model = model_of(rule)
    assert expected_synapses(model, 0) == times.sum() == len(synapses_of(model, 2)[0])
    assert memory_needed(model, 1) == times.sum() * (2 + 8) + 4 * 301


@pytest.mark.parametrize(
    ("unit", "size"),
    [
        ("S", 1e9),
        ("mS", 1e6),
        ("uS", 1e3),
        ("µS", 1e3),
        ("nS", 1.0),
        ("pS", 1e-3),
        ("siemens", 1e9),
        ("", 1.0),
    ],
)
def test_units_are_converted(tmp_path, unit, size):
    datasets = {**FOUR, "0/syn_weight": np.array([1.0, 2.0, 3.0, 4.0]) / size, "0/delay": [1e-3] * 4}
    read = everything(edges(tmp_path / "e.h5", datasets, {"0/syn_weight": unit, "0/delay": "s"}))
    assert read[2] == pytest.approx([1, 2, 3, 4], rel=1e-15)
    assert read[3].tolist() == [1.0] * 4


def test_other_units_are_refused(tmp_path):
    datasets = {**FOUR, "0/syn_weight": np.ones(4)}
    for unit, message in (("mV", "is in mV, and a conductance"), ("frog", 'unknown unit "frog"')):
        refused(message, edges(tmp_path / "e.h5", datasets, {"0/syn_weight": unit}), delays=False)


TYPES = (
    "edge_type_id population target_query syn_weight   delay nsyns model_template\n"
    '7 a__b "type==""x"" & y" 2.5 1.0 3 NULL\n'
    "9 a__b * 4.5 NaN NULL static\n"
    "7 other * 100 100 100 NULL\n"
)


def test_types_tell_what_groups_leave_out(tmp_path):
    table = tmp_path / "types.csv"
    table.write_text(TYPES)
    datasets = {**GROUPED, "edge_type_id": [9, 7, 9, 7], "0/syn_weight": [10.0, 20.0], "1/x": [0, 0]}
    rule = edges(tmp_path / "e.h5", datasets, edge_types=table)
    _, targets, weights, _ = everything(rule, delays=False)
    assert targets.tolist() == [0, 1, 1, 1, 2, 3, 3, 3]
    assert weights.tolist() == [20.0, 10.0, 10.0, 10.0, 4.5, 2.5, 2.5, 2.5]
    assert expected_synapses(model_of(rule), 0) == 8
    table.write_text(TYPES.replace("2.5 1.0 3", "2.5 1.0 5"))
    assert expected_synapses(model_of(rule), 0) == 12, "the table is read again when it has changed"
    refused("row 0 of /edges/a__b has no delay: .*edge type 9 of .*types.csv has none", rule)
    refused(
        "there is no dataset /edges/a__b/1/syn_weight; .*edge_types",
        replace(rule, edge_types=None),
        delays=False,
    )
    datasets["edge_type_id"] = [9, 7, 8, 7]
    refused("row 2 of /edges/a__b/edge_type_id is 8", edges(tmp_path / "e.h5", datasets, edge_types=table))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("edge_type_id,delay\n1,2\n", "no column edge_type_id"),
        ("edge_type_id delay\n1 2 3\n", "line 2 has 3 cells"),
        ("edge_type_id delay\n1 -2\n", "line 2: delay is -2; it must not be negative"),
        ("edge_type_id delay\n1 inf\n", "line 2: delay 'inf' is not a finite number"),
        ("edge_type_id delay\n1.5 2\n", "line 2: edge_type_id 1.5 is not a whole number"),
        ("edge_type_id delay\n1 2\n1 3\n", "line 3: edge_type_id 1 is given twice"),
        ('edge_type_id delay\n1 "2\n', "line 2"),
    ],
)
def test_tables_of_types_that_are_refused(tmp_path, text, message):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(FileFailed, match=message):
        read_edge_types(tmp_path / "t.csv", "a__b", {"delay": False})


def test_empty_cells_of_a_table(tmp_path):
    (tmp_path / "t.csv").write_text("edge_type_id syn_weight delay\n1  2\n2 3 \n3   4   5\n")
    table = read_edge_types(tmp_path / "t.csv", "a__b", {"syn_weight": False, "delay": False})
    assert np.array_equal(table.values["syn_weight"], [np.nan, 3, 4], equal_nan=True)
    assert np.array_equal(table.values["delay"], [2, np.nan, 5], equal_nan=True)


TWO = {**GROUPED, "0/syn_weight": [1.0, 2.0], "1/syn_weight": [3.0, 4.0]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"1/syn_weight": [3.0, -4.0]},
            r"row 1 of /edges/a__b/1/syn_weight is -4 nS \(of row 2 of /edges/a__b\)",
        ),
        ({"0/syn_weight": [np.nan, 1]}, "row 0 of /edges/a__b/0/syn_weight is nan nS .*finite"),
        ({"0/syn_weight": [1, np.inf]}, "row 1 of /edges/a__b/0/syn_weight is inf nS"),
        (
            {"edge_group_id": [0, 0, 1, 5]},
            "row 3 of /edges/a__b/edge_group_id is 5, .* no such group; there are 0, 1",
        ),
        ({"edge_group_index": [1, 0, 2, 0]}, "row 2 of /edges/a__b has its values at place 2 of group 1"),
        ({"edge_group_index": [1, -1, 1, 0]}, "row 1 of /edges/a__b/edge_group_index is -1"),
        ({"edge_group_index": None}, "has 2 groups, but no edge_group_index"),
        ({"edge_group_id": None}, "has 2 groups, but no edge_group_id"),
        (
            {"target_node_id": [0.0, 1.5, 2, 3]},
            "row 1 of /edges/a__b/target_node_id is 1.5, which is not a whole",
        ),
        (
            {"target_node_id": [0, 1, 2, 400]},
            "row 3 of /edges/a__b/target_node_id is cell 400, but population 'b'",
        ),
        ({"0/nsyns": [1, -1]}, "row 1 of /edges/a__b/0/nsyns is -1"),
        ({"0/nsyns": [1, 1.5]}, "row 1 of /edges/a__b/0/nsyns is 1.5, which is not a whole number"),
    ],
)
def test_what_contradicts_the_format_or_the_config_is_refused_by_row(tmp_path, change, message):
    datasets = {name: values for name, values in (TWO | change).items() if values is not None}
    refused(message, edges(tmp_path / "e.h5", datasets), delays=False)


def test_delays_are_refused_by_row(tmp_path):
    for values, message in (
        ([1, 1, 1, -1], "row 3 .*/0/delay is -1 ms"),
        ([1, 9, 1, 1], "row 1 .*at most 8 ms"),
    ):
        rule = edges(
            tmp_path / "e.h5", {**FOUR, "0/syn_weight": np.ones(4), "0/delay": np.array(values, float)}
        )
        refused(message, rule, longest=8.0)


@pytest.mark.parametrize(
    "name", [np.bytes_(b"b"), "b", np.array(["b"], h5py.string_dtype()), np.bytes_(b"b\0\0")]
)
def test_the_name_of_a_population_in_any_form(tmp_path, name):
    rule = edges(tmp_path / "e.h5", {**FOUR, "0/syn_weight": np.ones(4)})
    with h5py.File(rule.path, "a") as file:
        file["edges/a__b/target_node_id"].attrs["node_population"] = name
    assert everything(rule, delays=False)[1].tolist() == [0, 1, 2, 3]
    with h5py.File(rule.path, "a") as file:
        file["edges/a__b/target_node_id"].attrs["node_population"] = np.bytes_(b"c")
    refused("counts cells of 'c', not of 'b'", rule)


def test_what_is_no_text_is_no_unit(tmp_path):
    rule = edges(tmp_path / "e.h5", {**FOUR, "0/syn_weight": [1.0] * 4}, {"0/syn_weight": 3})
    refused("the attribute units of /edges/a__b/0/syn_weight is not a text", rule)


def test_a_column_that_counts_texts_holds_no_weights(tmp_path):
    columns = {"0/syn_weight": [0, 1, 0, 1], "0/@library/syn_weight": ["2 nS", "3 nS"]}
    rule = edges(tmp_path / "e.h5", {**FOUR, **columns})
    refused("/edges/a__b/0/syn_weight counts entries of /edges/a__b/0/@library/syn_weight", rule)


def test_numbers_of_types_are_written_as_elsewhere(tmp_path):
    table = tmp_path / "types.csv"
    table.write_text("edge_type_id syn_weight\n1 1_0\n")
    rule = edges(tmp_path / "e.h5", {**FOUR, "edge_type_id": [1] * 4}, edge_types=table)
    with pytest.raises(FileFailed, match="line 2: syn_weight '1_0' is not a finite number"):
        everything(rule)


def test_columns_outside_of_the_groups_are_told(tmp_path):
    """A reader that looks for nsyns there would have 16 synapses."""
    beside = {
        "nsyns": [1, 2, 3, 10],
        "indicies/x": [0],
        "edge_group_id": [0] * 4,
        "edge_group_index": range(4),
    }
    rule = edges(tmp_path / "e.h5", {**FOUR, **beside, "0/syn_weight": [1.0] * 4}, {"0/syn_weight": "nS"})
    assert [text for text in notes(model_of(rule)) if "e.h5" in text] == [
        "e.h5: /edges/a__b also has nsyns: not used"
    ]


def notes(model) -> list[str]:
    return list(about_files(model))


def test_notes_tell_what_is_taken_for_granted_and_what_is_not_used(tmp_path):
    rule = edges(tmp_path / "e.h5", {**TWO, "0/dynamics_params/tau": [1, 2], "1/sec_id": [0, 0]})
    told = [text for text in notes(model_of(rule)) if "e.h5" in text]
    assert told == [
        "e.h5: /edges/a__b gives no units of syn_weight: taken as nS",
        "e.h5: /edges/a__b also has dynamics_params and sec_id: not used",
    ]
    told = notes(model_of(rule, Constant(1.0)))
    assert "projection[0].weight of the config holds; syn_weight of the edges file is not used" in told
    units = {"0/syn_weight": "nS", "1/syn_weight": "uS"}
    assert not [text for text in notes(model_of(edges(tmp_path / "e.h5", TWO, units))) if "e.h5" in text]


NODES = {
    "node_id": [3.0, 1.0, 0.0, 2.0],
    "node_group_id": [0, 1, 1, 0],
    "node_group_index": [1, 0, 1, 0],
    "0/v": [-0.062, -0.063],
    "1/v": [-61.0, -60.0],
}


def nodes(path: Path, **change) -> Path:
    datasets = {name: values for name, values in (NODES | change).items() if values is not None}
    return write(path, datasets, {"0/v": "V"}, kind="nodes/a")


@pytest.mark.parametrize("chunk", [1, 3, 100])
def test_cells_find_their_own_values_whatever_the_order(tmp_path, chunk):
    path = nodes(tmp_path / "n.h5")
    for cells in (range(4), range(1, 3), range(3, 4)):
        values = node_values(path, ("a", 4), MEMBRANE, cells, chunk=chunk)
        assert values == pytest.approx([-60.0 - cell for cell in cells], rel=1e-15)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"node_id": [3, 1, 1, 2]}, "row 2 of /nodes/a/node_id is cell 1, which was there before"),
        ({"node_id": [3, 1, 4, 2]}, "row 2 of /nodes/a/node_id is cell 4, but population 'a' has 4 cells"),
        ({"1/v": [-61.0, np.nan]}, r"row 1 of /nodes/a/1/v is nan mV \(of row 2 of /nodes/a\)"),
        ({"1/v": None}, "row 3 .*|row 1 of /nodes/a/node_group_id is 1, .*no such group"),
        ({"node_group_index": None}, "no node_group_index"),
    ],
)
@pytest.mark.parametrize("chunk", [1, 100])
def test_nodes_that_are_refused(tmp_path, change, message, chunk):
    with pytest.raises(FileFailed, match=message):
        node_values(nodes(tmp_path / "n.h5", **change), ("a", 4), MEMBRANE, range(4), chunk=chunk)


def test_states_that_a_config_refuses_are_refused_in_a_file(tmp_path):
    path = write(tmp_path / "n.h5", {"0/g.x": [1.0, -1.0], "0/na.m": [0.5, 1.5]}, kind="nodes/a")
    (conductance,) = all_receptors()["exponential"].states("x")
    gate = all_channels()["Na_TM1991"].states("na")[0]
    negative, beyond = "row 1 .*is -1 nS; it must not be negative", "between 0 and 1"
    for state, message in ((conductance, negative), (gate, beyond)):
        with pytest.raises(FileFailed, match=message):
            node_values(path, ("a", 2), state, range(2))


def test_what_is_read_is_written_and_read_again(tmp_path, rng):
    """Multapses of several groups and types survive `export`, synapse for synapse."""
    table = tmp_path / "types.csv"
    table.write_text("edge_type_id delay nsyns\n1 0.5 2\n2 1.5 1\n")
    count = 500
    datasets = {
        "source_node_id": rng.integers(0, 150, count),
        "target_node_id": rng.integers(0, 70, count),
        "edge_type_id": rng.integers(1, 3, count),
        "edge_group_id": np.arange(count) % 2,
        "edge_group_index": np.arange(count) // 2,
        "0/syn_weight": rng.random(count // 2),
        "1/syn_weight": rng.random(count // 2),
        "1/nsyns": rng.integers(0, 4, count // 2),
    }
    write(tmp_path / "e.h5", datasets, kind="edges/x.y z")
    sized = ("population.exc.size=150", "population.inh.size=70")
    model = load(CONFIG, sized).model
    rule = EdgesFromFile(tmp_path / "e.h5", "x.y z", table)
    one = replace(model.projections[0], source="exc", targets=("inh",), rule=rule, weight=None, delay=None)
    model = replace(model, projections=(one,))
    (before,) = synapses_of(model)
    assert len(before) == expected_synapses(model, 0) > 500
    export(model, tmp_path / "out", initial_values, chunk=64)
    again = load(tmp_path / "out" / "config.toml").model
    assert synapses_of(again) == [before]
    assert not [text for text in notes(again) if "not used" in text or "units" in text]
    assert all(isinstance(given, FromFile) for given in again.populations["exc"].initial.values())


def test_the_rule_of_a_config_names_its_table_of_types(tmp_path):
    text = CONFIG.read_text()
    write(tmp_path / "e.h5", {**FOUR, "edge_type_id": [1] * 4}, kind="edges/a__b")
    (tmp_path / "types.csv").write_text("edge_type_id syn_weight delay\n1 2 3\n")
    head = text[: text.index("[[projection]]")]
    rule = '{ file = "e.h5", edges = "a__b", edge_types = "types.csv" }'
    body = f'[[projection]]\nsource = "exc"\ntarget = "inh"\nreceptor = "exc"\nrule = {rule}\n'
    (tmp_path / "c.toml").write_text(head + body)
    loaded = load(tmp_path / "c.toml")
    rule = loaded.model.projections[0].rule
    assert rule == EdgesFromFile(tmp_path / "e.h5", "a__b", tmp_path / "types.csv")
    (tmp_path / "again.toml").write_text(loaded.resolved)
    assert load(tmp_path / "again.toml").model.projections[0].rule == rule
    assert len(synapses_of(loaded.model)[0]) == 4


def test_a_table_is_asked_only_for_what_is_needed(tmp_path):
    table = tmp_path / "types.csv"
    table.write_text("edge_type_id syn_weight delay\n1 -2 0.5\n")
    rule = edges(tmp_path / "e.h5", {**FOUR, "edge_type_id": [1] * 4}, edge_types=table)
    assert len(synapses_of(model_of(rule, Constant(1.0)))[0]) == 4
    told = notes(model_of(rule, Constant(1.0)))
    assert "projection[0].weight of the config holds; syn_weight of the edge types is not used" in told
    with pytest.raises(FileFailed, match="line 2: syn_weight is -2; it must not be negative"):
        synapses_of(model_of(rule))
