"""The peers' shared reader, the exact spike times, and every spike in Brian2 and braincell where they are."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from importlib.util import find_spec
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from networks import synapses_of
from places import DATA, ROOT
from runs import Outcome, run

from hhsim.config import load, parse
from hhsim.exporting.export import export
from hhsim.network.layout import lay_out
from hhsim.simulation.simulation import Simulation

PEERS = ROOT / "scripts" / "peers"
COBA = ROOT / "configs" / "coba.toml"
EXACT = DATA / "single_neuron_exact.h5"
SMALL = [
    "population.exc.size=80",
    "population.inh.size=20",
    "projection.0.rule.pairwise_bernoulli=0.3",
    "projection.1.rule.pairwise_bernoulli=0.3",
    'projection.1.weight="20 nS"',
    'projection.1.delay="0.7 ms"',
]
PULSES = """
[[input]]
model     = "step_current"
target    = "inh"
start     = "5 ms"
stop      = "12.5 ms"
amplitude = "900 pA"

[[input]]
model     = "step_current"
target    = "exc"
nodes     = [10, 40]
start     = "10 ms"
amplitude = "400 pA"
"""


@pytest.fixture
def peers(monkeypatch):
    """`circuit.py` and `exact.py`, which are no package."""
    monkeypatch.syspath_prepend(PEERS)
    import circuit
    import exact

    yield SimpleNamespace(circuit=circuit, exact=exact)
    for name in ("circuit", "exact"):
        del sys.modules[name]


def small(*settings):
    """COBAHH with 100 cells, a delay and currents."""
    text = COBA.read_text().replace("[record]", PULSES + "\n[record]")
    return parse(text, overrides=[*SMALL, *settings], run={"duration": "60 ms"})


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The model, and the folder to which it was exported."""
    folder = tmp_path_factory.mktemp("circuit") / "small"
    loaded = small()
    export(loaded, folder)
    return loaded.model, folder


def test_a_circuit_has_the_synapses_of_the_network(peers, exported):
    model, folder = exported
    circuit = peers.circuit.read_circuit(folder)
    layout = lay_out(model)
    numbers = {}  # of a lane
    for population, first in circuit.first.items():
        place = layout.places[population]
        numbers |= {place.first + i: first + i for i in range(place.size)}
    assert sorted(numbers.values()) == list(range(circuit.size)) == list(range(100))
    expected = Counter()
    for projection, synapses in zip(model.projections, synapses_of(model), strict=True):
        for source, lane, weight, delay in synapses:
            cell = circuit.first[projection.source] + source
            expected[cell, numbers[lane], projection.receptor, weight, delay] += 1
    found = Counter(
        (source, target, edges.receptor, edges.weight, round(edges.delay / model.run.dt))
        for edges in circuit.edges
        for source, target in zip(edges.sources.tolist(), edges.targets.tolist(), strict=True)
    )
    assert found == expected
    assert found.total() > 2000
    assert [(edges.source, edges.receptor) for edges in circuit.edges] == [("exc", "exc"), ("inh", "inh")]


def test_a_circuit_starts_as_the_network_does(peers, exported):
    model, folder = exported
    circuit = peers.circuit.read_circuit(folder)
    outcome = Outcome({}, [], {}, None, Simulation(model, 1, 10))
    assert circuit.states.keys() == {"v", "na.m", "na.h", "k.n", "g.exc", "g.inh"}
    for variable, values in circuit.states.items():
        parts = [outcome.state(population, variable) for population in ("exc", "inh")]
        assert np.array_equal(values, np.concatenate(parts)), variable
    assert np.ptp(circuit.states["v"]) > 10


def test_a_circuit_holds_the_values_of_whole_cells(peers, exported):
    """Densities of benchmark 3 on 20 000 µm²."""
    circuit = peers.circuit.read_circuit(exported[1])
    assert circuit.capacitance == pytest.approx(200)
    values = {"leak": (10, -60), "na": (20_000, 50), "k": (6000, -90)}
    for key, (g_max, e_rev) in values.items():
        assert circuit.parameter(key, "g_max") == pytest.approx(g_max)
        assert circuit.parameter(key, "e_rev") == e_rev
    assert [circuit.parameter(key, "tau") for key in ("exc", "inh")] == [5, 10]


def test_currents_are_those_that_flow_in_each_step(peers, exported):
    circuit = peers.circuit.read_circuit(exported[1])
    dt, steps = 0.1, 600
    flowing = np.zeros((steps, 100))  # as the config has it, step by step
    flowing[50:125, 80:] += 900
    flowing[100:, 10:40] += 400
    for most in (steps, 110, 40):
        currents = circuit.currents(dt, most)
        begins = [begin for begin, _ in currents]
        assert begins == [step for step in (0, 50, 100, 125) if step < most]
        for begin, end, (_, current) in zip(begins, [*begins[1:], most], currents, strict=True):
            assert np.array_equal(flowing[begin:end], np.tile(current, (end - begin, 1)))


def test_spikes_are_written_in_order_of_time_and_cell(peers, tmp_path):
    options = SimpleNamespace(
        out=tmp_path / "out", precision="float64", threads=1, dt=0.1, tolerance=None, duration=1.0
    )
    given = {"program": "any", "version": "1", "method": "euler", "seconds": [1.0], "before_s": 2.0}
    times, cells = np.array([0.2, 0.1, 0.2]), np.array([5, 9, 1])
    peers.circuit.write_result(options, **given, times_ms=times, cells=cells)
    with np.load(options.out / "spikes.npz") as spikes:
        assert list(zip(spikes["times_ms"], spikes["cells"], strict=True)) == [(0.1, 9), (0.2, 1), (0.2, 5)]


@pytest.mark.parametrize(("protocol", "current"), [("spontaneous", 0.0), ("step_200pA", 200.0)])
def test_kept_spike_times_are_those_of_another_exact_solution(peers, protocol, current):
    circuit, currents, _, _ = peers.exact.read_cells(peers.exact.CONFIG)
    solution = peers.exact.exact_spikes()
    (kind,) = {*solution.kinds[currents == current].tolist()}
    with h5py.File(EXACT) as file:
        expected = file[protocol]["upward_crossings_of_-20mV_ms"][:]
    assert solution.times_ms["crossing"][kind] == pytest.approx(expected, abs=1e-6)
    assert len(solution.kinds) == circuit.size == 4000


def test_kept_spike_times_are_those_that_solving_gives(peers):
    circuit, currents, v, _ = peers.exact.read_cells(peers.exact.CONFIG)
    solution = peers.exact.exact_spikes()
    solved = peers.exact.solve(circuit, v, float(currents[-1]), 50.0)
    kept = {rule: times[solution.kinds[-1]] for rule, times in solution.times_ms.items()}
    for rule in ("crossing", "peak"):
        assert len(solved[rule]) > 4
        assert kept[rule][: len(solved[rule])] == pytest.approx(solved[rule], abs=1e-8)
    assert np.all((kept["peak"] > kept["crossing"]) & (kept["peak"] < kept["crossing"] + 0.2))


def test_another_config_is_solved_anew(peers, tmp_path):
    text = peers.exact.CONFIG.read_text().replace('duration  = "500 ms"', 'duration = "7 ms"')
    config, kept = tmp_path / "short.toml", tmp_path / "kept.npz"
    config.write_text(text)
    first = peers.exact.exact_spikes(config, kept)
    assert first.times_ms["crossing"][-1] == pytest.approx([2.8008135], abs=1e-6)
    written = kept.read_bytes()
    again = peers.exact.exact_spikes(config, kept)
    assert kept.read_bytes() == written
    assert all(map(np.array_equal, first.times_ms["peak"], again.times_ms["peak"]))
    config.write_text(text.replace("900 pA", "0 pA"))
    changed = peers.exact.exact_spikes(config, kept)
    assert len(changed.times_ms["crossing"]) == 9
    assert not len(changed.times_ms["crossing"][changed.kinds[-1]])


def test_the_error_of_spikes_that_are_moved_dropped_and_added(peers):
    """Three cells of two kinds; worked out by hand."""
    times = {"crossing": [np.array([1.0, 2.0, 3.0]), np.array([5.0])]}
    solution = peers.exact.Solution(np.array([0, 1, 0]), times)
    error = peers.exact.spike_time_error
    cells = np.array([1, 0, 0, 2, 0, 2, 2])
    found = np.array([5.0, 3.0, 1.0, 1.0, 2.0, 2.0, 3.0])
    assert error(found, cells, solution) == (0.0, 0)
    assert error(found + 0.25, cells, solution) == (0.25, 0)
    moved = found + np.array([0.7, 0, 0, 0, 0, 0, 0])
    assert error(moved, cells, solution) == (pytest.approx(0.1), 0)
    assert error(found[1:], cells[1:], solution) == (0.0, 1)  # cell 1 is silent
    extra = np.append(found, [4.0, 6.0, 7.0]), np.append(cells, [0, 1, 1])
    assert error(*extra, solution) == (0.0, 3)
    value, unmatched = error(np.zeros(0), np.zeros(0, int), solution)
    assert np.isnan(value)
    assert unmatched == 7


@pytest.mark.parametrize(
    ("method", "ratio"), [("exponential_euler", 2.0), ("staggered", 4.0)], ids=["halves", "quarters"]
)
def test_how_the_error_falls_when_dt_halves(peers, method, ratio):
    """Times are the ends of steps, on average half a step late, which is taken off here."""
    solution = peers.exact.exact_spikes()
    one_each = [f"population.cells.size={len(solution.times_ms['crossing'])}"]
    nodes = [f"input.{i}.nodes=[{i + 1}, {i + 2}]" for i in range(9)]
    ten = peers.exact.Solution(solution.kinds[::400], solution.times_ms)
    errors = []
    for dt in (0.025, 0.0125):
        settings = [*one_each, *nodes, f'run.dt="{dt} ms"', f'run.method="{method}"']
        spikes = run(load(peers.exact.CONFIG, settings).model).spikes["cells"]
        steps, cells = np.array(spikes).T
        error, unmatched = peers.exact.spike_time_error((steps + 0.5) * dt, cells, ten)
        assert unmatched <= 9
        errors.append(error)
    assert errors[0] / errors[1] == pytest.approx(ratio, rel=0.05)


def run_peer(name, folder, out, *options):
    """A peer's process of 60 ms."""
    if find_spec(name) is None:
        pytest.skip(f"{name} is not installed")
    command = [sys.executable, PEERS / f"run_{name}.py", folder, "--out", out, "--duration", "60", *options]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300)


def peer_spikes(name, folder, out):
    """(step, cell) of the spikes of a peer."""
    done = run_peer(name, folder, out)
    assert done.returncode == 0, done.stderr
    with np.load(out / "spikes.npz") as spikes:
        steps = np.rint(spikes["times_ms"] / 0.1).astype(int) - 1
        return list(zip(steps.tolist(), spikes["cells"].tolist(), strict=True))


@pytest.mark.parametrize(
    "rule",
    [
        {"rule": "level", "threshold": "-20 mV", "refractory": "3 ms"},
        {"rule": "crossing", "threshold": "0 mV"},
        {"rule": "crossing", "threshold": "-30 mV", "refractory": "4 ms"},
    ],
    ids=["level", "crossing", "crossing-refractory"],
)
@pytest.mark.parametrize("name", ["brian2", "braincell"])
def test_every_spike_is_the_same(peers, tmp_path, name, rule):
    text = ", ".join(f'{key} = "{value}"' for key, value in rule.items())
    folder = tmp_path / "circuit"
    export(small(f"cell.hh.spike={{{text}}}"), folder)
    model = load(folder / "config.toml").model
    first = peers.circuit.read_circuit(folder).first
    ours = [(step, first[p] + node) for p, spikes in run(model).spikes.items() for step, node in spikes]
    assert len(ours) > 300
    assert peer_spikes(name, folder, tmp_path / "out") == sorted(ours)


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("brian2", ["--method", "euler_squared"], "--method: of Brian2's, exponential_euler"),
        ("brian2", ["--tolerance", "1e-3"], "--tolerance"),
        ("brian2", [], "`peak`"),
        ("braincell", ["--method", "staggered"], "--method: for cells of one compartment"),
        ("braincell", ["--tolerance", "1e-3"], "--tolerance"),
        ("braincell", [], "Poisson"),
    ],
)
def test_what_a_peer_would_not_do_is_refused(tmp_path, name, options, reason):
    loaded = parse((ROOT / "configs" / "coba_nest.toml").read_text(), overrides=SMALL[:2])
    export(loaded, tmp_path / "circuit")
    done = run_peer(name, tmp_path / "circuit", tmp_path / "out", *options)
    assert done.returncode == 1
    assert reason in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
