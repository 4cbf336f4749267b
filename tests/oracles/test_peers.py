"""The scripts that run other simulators, where these are installed, and what says how alike two are."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import h5py
import numpy as np
import pytest
import slow_reference as slow
from places import ROOT
from scipy import stats

PEERS = ROOT / "scripts" / "peers"
SIZE, DURATION_MS = 200, 10_000.0


@pytest.fixture
def similarity(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    monkeypatch.syspath_prepend(PEERS)
    import similarity

    yield similarity
    del sys.modules["similarity"]


def runs(
    random: np.random.Generator, mean: float, seeds: int, cells: int, scatter: float = 0.0
) -> list[np.ndarray]:
    """Normal values of spread 1 whose mean scatters from one seed to the next."""
    return [random.normal(mean + scatter * random.normal(), 1, cells) for _ in range(seeds)]


@pytest.mark.parametrize("shift", [-2.0, -0.5, 0.0, 0.1, 1.0])
def test_shifted_normals_have_the_shift_for_their_effect_size(similarity, shift):
    random = np.random.default_rng(1)
    a = [3 * x + 7 for x in runs(random, shift, 20, 2000)]
    b = [3 * x + 7 for x in runs(random, 0.0, 20, 2000)]
    effect, low, high = similarity.effect_size(a, b)
    assert effect == pytest.approx(shift, abs=0.03)
    assert low < effect < high < low + 0.06
    assert similarity.effect_size(b, a) == pytest.approx((-effect, -high, -low))


@pytest.mark.parametrize(("seeds", "scatter"), [(1, 0.0), (3, 0.0), (10, 0.0), (10, 0.3)])
def test_the_interval_holds_the_true_effect_95_times_of_100(similarity, seeds, scatter):
    """With a scatter between networks as well, which an interval from the cells alone leaves out."""
    random = np.random.default_rng(2)
    trials, hits = 1000, 0
    for _ in range(trials):
        a, b = runs(random, 0.4, seeds, 80, scatter), runs(random, 0.0, seeds, 100, scatter)
        _, low, high = similarity.effect_size(a, b)
        hits += low < 0.4 < high
    assert stats.binomtest(hits, trials, 0.95).pvalue > 1e-3


def test_what_cannot_be_compared_is_nan(similarity):
    constant = [np.ones(5)]
    assert np.isnan(similarity.effect_size(constant, constant)).all()
    assert np.isnan(similarity.effect_size([np.zeros(0)], [np.arange(4.0)])).all()
    silent = (np.zeros(0), np.zeros(0, int))
    rows = {row["statistic"]: row for row in similarity.compare([(silent, silent)], 10, 100.0)}
    assert rows["rate (Hz)"]["mean_a"] == rows["rate (Hz)"]["ks"] == 0
    assert np.isnan([rows["CV"]["mean_a"], rows["correlation"]["effect"], rows["LV"]["ks"]]).all()


def spikes(
    random: np.random.Generator, rate_hz: float, order: int = 1, shared: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Gamma processes of a rate and an order; each takes a `shared` part of its spikes from one train."""
    number = int(3 * rate_hz * DURATION_MS / 1000) + 100

    def train(rate_hz: float) -> np.ndarray:
        intervals = random.gamma(order, 1000 / rate_hz / order, number)
        times = np.cumsum(intervals)
        return times[times < DURATION_MS]

    common = train(rate_hz) if shared else np.zeros(0)
    trains = []
    for _ in range(SIZE):
        own = train(rate_hz * (1 - shared)) if shared < 1 else np.zeros(0)
        trains.append(np.concatenate([own, common[random.random(len(common)) < shared]]))
    times = np.concatenate(trains)
    cells = np.repeat(np.arange(SIZE), [len(each) for each in trains])
    order_ = random.permutation(len(times))  # spikes may come in any order
    return times[order_], cells[order_]


def test_statistics_of_known_processes(similarity):
    """Poisson processes against gamma processes of order 4, and against correlated Poisson processes.

    For order κ the CV is 1/√κ and the LV 3/(2κ + 1). Cells that take a part c of their spikes from the same
    train, each choosing anew, have counts of correlation c².
    """
    random = np.random.default_rng(3)
    poisson, gamma = ([spikes(random, 20.0, order) for _ in range(3)] for order in (1, 4))
    together = [spikes(random, 30.0, 1, 0.5) for _ in range(3)]
    rows = similarity.compare(list(zip(poisson, gamma, strict=True)), SIZE, DURATION_MS)
    found = {row["statistic"]: row for row in rows}
    assert [(found[name]["mean_a"], found[name]["mean_b"]) for name in ("rate (Hz)", "CV", "LV")] == [
        pytest.approx((20, 20), rel=0.01),
        pytest.approx((1, 0.5), rel=0.02),
        pytest.approx((1, 3 / 9), rel=0.02),
    ]
    assert found["CV"]["low"] > 3
    assert found["CV"]["ks"] == pytest.approx(1, abs=0.01)
    assert abs(found["correlation"]["mean_a"]) < 0.005
    rows = similarity.compare(list(zip(poisson, together, strict=True)), SIZE, DURATION_MS)
    found = {row["statistic"]: row for row in rows}
    assert found["correlation"]["mean_b"] == pytest.approx(0.25, abs=0.02)
    assert found["rate (Hz)"]["high"] < -3
    assert found["rate (Hz)"]["ks"] > 0.99


def test_equal_processes_do_not_differ(similarity):
    random = np.random.default_rng(4)
    a, b = ([spikes(random, 20.0, 2) for _ in range(3)] for _ in range(2))
    rows = similarity.compare(list(zip(a, b, strict=True)), SIZE, DURATION_MS)
    assert [row["statistic"] for row in rows] == ["rate (Hz)", "CV", "LV", "correlation"]
    for row in rows:
        assert abs(row["effect"]) < 0.2
        assert row["ks"] < 0.12
    same = similarity.compare(list(zip(a, a, strict=True)), SIZE, DURATION_MS)
    assert all(row["effect"] == row["low"] == row["high"] == row["ks"] == 0 for row in same)
    swapped = similarity.compare(list(zip(b, a, strict=True)), SIZE, DURATION_MS)
    assert [row["effect"] for row in swapped] == pytest.approx([-row["effect"] for row in rows])


# 50 cells of COBAHH with initial conductances, a current and delays of 0.2 ms.
NETWORK = """
[run]
duration = "50 ms"
seed = 11
[cell.hh]
area = "20000 um^2"
capacitance = "1 uF/cm^2"
spike = { rule = "crossing", threshold = "-10 mV" }
channel.l = { model = "leak", g_max = "0.05 mS/cm^2", e_rev = "-60 mV" }
channel.na = { model = "Na_TM1991", g_max = "100 mS/cm^2", e_rev = "50 mV", v_t = "-63 mV" }
channel.kd = { model = "K_TM1991", g_max = "30 mS/cm^2", e_rev = "-90 mV", v_t = "-63 mV" }
receptor.exc = { model = "exponential", tau = "5 ms", e_rev = "0 mV" }
receptor.inh = { model = "exponential", tau = "10 ms", e_rev = "-80 mV" }
[population.exc]
cell = "hh"
size = 40
[population.exc.initial]
v = { normal = ["-65 mV", "5 mV"] }
g.exc = { uniform = ["5 nS", "20 nS"] }
"na.h" = "steady"
"kd.n" = "steady"
[population.inh]
cell = "hh"
size = 10
[population.inh.initial]
v = "-62 mV"
g.inh = { uniform = ["0 nS", "10 nS"] }
"na.h" = "steady"
"kd.n" = "steady"
[[projection]]
source = "exc"
target = ["exc", "inh"]
receptor = "exc"
rule = { fixed_indegree = 8 }
weight = "1 nS"
delay = "0.2 ms"
[[projection]]
source = "inh"
target = ["exc", "inh"]
receptor = "inh"
rule = { fixed_indegree = 2 }
weight = "8 nS"
delay = "0.2 ms"
[[input]]
model = "step_current"
target = "exc"
nodes = [5, 25]
amplitude = "300 pA"
start = "10 ms"
stop = "30 ms"
"""
Run = Callable[..., tuple[dict, np.ndarray, np.ndarray]]


@pytest.fixture(scope="module")
def circuit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("peers")
    (folder / "network.toml").write_text(NETWORK)
    command = ["export", str(folder / "network.toml"), "-o", str(folder / "circuit")]
    subprocess.run([sys.executable, "-m", "hhsim.cli", *command], check=True, capture_output=True)
    return folder / "circuit"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """`run_PEER.py` as a process: what it says of its run, and its spikes."""

    def start(peer: str, circuit: Path, *options: str) -> tuple[dict, np.ndarray, np.ndarray]:
        command = [sys.executable, str(PEERS / f"run_{peer}.py"), str(circuit), "--out", str(tmp_path)]
        done = subprocess.run([*command, "--duration", "50", *options], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stdout == ""
        with np.load(tmp_path / "spikes.npz") as kept:
            return json.loads((tmp_path / "result.json").read_text()), kept["times_ms"], kept["cells"]

    return start


@pytest.fixture(scope="module")
def reference(circuit: Path) -> Callable[[str, float], dict[int, np.ndarray]]:
    """The times of each cell's spikes by the slow reference, in steps of 5 µs, for a rule and a threshold."""
    dt = 0.005

    def solve(rule: str, threshold: float) -> dict[int, np.ndarray]:
        groups, edges, first = [], [], {"exc": 0, "inh": 40}
        with h5py.File(circuit / "nodes.h5") as file:
            for name in first:
                states = {key.replace("kd", "k"): value[:] for key, value in file[f"nodes/{name}/0"].items()}
                groups.append(
                    slow.Group(
                        40 if name == "exc" else 10,
                        {"leak": slow.Channel(10.0, -60.0), "na": slow.sodium(), "k": slow.potassium()},
                        {"exc": (0.0, 5.0), "inh": (-80.0, 10.0)},
                        states,
                        rule,
                        threshold,
                        round(2 / dt) if rule == "peak" else 0,
                    )
                )
        pulse = np.where((np.arange(40) >= 5) & (np.arange(40) < 25), 300.0, 0.0)
        groups[0].current = lambda k: pulse * (round(10 / dt) <= k < round(30 / dt))
        with h5py.File(circuit / "edges.h5") as file:
            for pair, group in file["edges"].items():
                source, target = pair.split("__")
                sources = group["source_node_id"][:].astype(int) + first[source]
                targets = group["target_node_id"][:].astype(int) + first[target]
                weight = {"exc": 1.0, "inh": 8.0}[source]
                edges.append(slow.Edges(source, sources, targets, weight, round(0.2 / dt)))
        found = slow.simulate(groups, edges, round(50 / dt), dt, "staggered").spikes
        return {cell: np.array([(k + 1) * dt for k, c in found if c == cell]) for cell in range(50)}

    return solve


def worst(times_ms: np.ndarray, cells: np.ndarray, right: dict[int, np.ndarray]) -> float:
    """The largest distance (ms) of a spike from its place; infinite where a cell has too many or too few."""
    trains = [np.sort(times_ms[cells == cell]) for cell in range(50)]
    if any(len(train) != len(right[cell]) for cell, train in enumerate(trains)):
        return np.inf
    return float(np.abs(np.concatenate([train - right[cell] for cell, train in enumerate(trains)])).max())


@pytest.mark.skipif(find_spec("nest") is None, reason="NEST is not installed")
def test_nest_finds_the_spikes_of_a_coupled_network(circuit, run, reference):
    right = reference("peak", -33.0)
    assert sum(map(len, right.values())) > 50
    result, times_ms, cells = run("nest", circuit, "--dt", "0.005", "--threads", "2", "--repeats", "2")
    assert worst(times_ms, cells, right) < 0.04
    assert result["program"] == "NEST"
    assert result["spikes"] == len(cells)
    assert len(result["seconds"]) == 2
    assert min(result["seconds"]) > 0
    assert result["before_s"] > 0


@pytest.mark.skipif(find_spec("neuron") is None, reason="NEURON is not installed")
def test_neuron_comes_to_the_spikes_of_a_coupled_network(circuit, run, reference):
    right = reference("crossing", -10.0)
    assert sum(map(len, right.values())) > 50
    errors = []
    for dt in ("0.02", "0.005"):
        result, times_ms, cells = run("neuron", circuit, "--dt", dt)
        errors.append(worst(times_ms, cells, right))
    assert errors[1] < 0.1
    assert errors[1] < errors[0] / 2
    again = run("neuron", circuit, "--dt", dt, "--threads", "2", "--repeats", "2")
    assert again[1].tolist() == times_ms.tolist()
    assert again[2].tolist() == cells.tolist()
    _, times_ms, cells = run("neuron", circuit, "--method", "cvode", "--tolerance", "1e-6")
    assert worst(times_ms, cells, right) < 0.04
    assert result["program"] == "NEURON"


@pytest.mark.parametrize("peer", ["nest", "neuron"])
@pytest.mark.parametrize(
    "options",
    [["--method", "euler"], ["--precision", "float32"], ["--tolerance", "1e-3"]],
    ids=lambda o: o[0],
)
def test_what_a_peer_would_not_do_is_refused(circuit, tmp_path, peer, options):
    if find_spec(peer) is None:
        pytest.skip(f"{peer} is not installed")
    command = [sys.executable, str(PEERS / f"run_{peer}.py"), str(circuit), "--out", str(tmp_path / "out")]
    done = subprocess.run([*command, "--duration", "1", *options], capture_output=True, text=True)
    assert done.returncode == 1
    assert options[0] in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("peer", "delay"), [("nest", "0 ms"), ("neuron", "0.1 ms")])
def test_a_delay_too_short_for_a_peer_is_refused(tmp_path, peer, delay):
    if find_spec(peer) is None:
        pytest.skip(f"{peer} is not installed")
    (tmp_path / "network.toml").write_text(NETWORK.replace('delay = "0.2 ms"', f'delay = "{delay}"'))
    command = ["export", str(tmp_path / "network.toml"), "-o", str(tmp_path / "circuit")]
    subprocess.run([sys.executable, "-m", "hhsim.cli", *command], check=True, capture_output=True)
    command = [sys.executable, str(PEERS / f"run_{peer}.py"), str(tmp_path / "circuit")]
    options = ["--out", str(tmp_path / "out"), "--duration", "1", "--threads", "2"]
    done = subprocess.run([*command, *options], capture_output=True, text=True)
    assert done.returncode == 1
    assert "step" in done.stderr
    assert "Traceback" not in done.stderr
