"""The benchmark: what it counts and measures, what it refuses, and how it compares."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from networks import network
from places import ROOT

from hhsim import bench as room
from hhsim.bench import measure, peak
from hhsim.bench.measure import PHASES, row_threads
from hhsim.bench.operations import flops_of_steps
from hhsim.bench.roofline import cost_of
from hhsim.bench.scaling import scaled
from hhsim.bench.traffic import out_degrees, synaptic_events
from hhsim.config import load, parse
from hhsim.errors import CannotScale, FileFailed, NotEnoughMemory, OutputExists
from hhsim.kernels.render import render
from hhsim.model import (
    AllToAll,
    EdgesFromFile,
    FixedIndegree,
    FixedOutdegree,
    FromFile,
    OneToOne,
    PairwiseBernoulli,
    PoissonInput,
)
from hhsim.recording import open_recording
from hhsim.simulation.simulation import Simulation

CONFIGS = ROOT / "configs"
SHORT = "20 ms"


@pytest.fixture(autouse=True)
def _small_triad(monkeypatch) -> None:
    monkeypatch.setattr(peak, "MOST_TRIAD_BYTES", 3 << 20)


@pytest.fixture(scope="module")
def measured(small) -> room.Bench:
    """The small network with up to 4 threads in both precisions."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(peak, "MOST_TRIAD_BYTES", 3 << 20)
        cases = room.plan(load(small, run={"duration": SHORT}), 4, precisions=["float64", "float32"])
        return room.bench(cases, repeats=3)


# What is measured


@pytest.mark.parametrize(
    ("most", "rows"),
    [(1, (1,)), (2, (1, 2)), (6, (1, 2, 4, 6)), (16, (1, 2, 4, 8, 16)), (17, (1, 2, 4, 8, 16, 17))],
)
def test_rows_double_up_to_the_threads_and_end_with_them(most, rows) -> None:
    assert row_threads(most) == rows


def test_every_row_is_there_and_fired_the_spikes_of_an_ordinary_run(measured, small, tmp_path) -> None:
    import hhsim

    assert [series.precision for series in measured.series] == ["float64", "float32"]
    for series in measured.series:
        assert [row.threads for row in series.rows] == [1, 2, 4]
        assert all(len(row.seconds) == 3 and min(row.seconds) > 0 for row in series.rows)
        told = hhsim.run(
            small, output=tmp_path / "out.h5", duration=SHORT, precision=series.precision, overwrite=True
        )
        assert series.same_spikes
        assert series.spikes == sum(told.spikes.values())
        assert (series.neurons, series.synapses, series.steps) == (200, told.synapses, told.steps)


def test_the_figures_of_a_row_agree_with_each_other(measured) -> None:
    series = measured.series[0]
    one = series.rows[0]
    assert series.speedup(one) == 1
    wall = series.ns_per_neuron_step(one) * 1e-9 * 200 * series.steps
    assert wall == pytest.approx(one.median * 0.02)
    assert series.events_per_s(one) * wall == pytest.approx(series.events)
    delivery = one.phases["delivery"] * wall
    assert series.ns_per_event(one) * 1e-9 * series.events == pytest.approx(delivery)
    told = measured.to_dict()["series"][0]["rows"][1]
    assert told["ns_per_event"] == pytest.approx(series.ns_per_event(series.rows[1]))
    assert told["efficiency"] == pytest.approx(one.median / series.rows[1].median / 2)


def test_phases_add_up_to_the_time_and_the_equations_take_their_part(measured) -> None:
    for series in measured.series:
        for row in series.rows:
            assert set(row.phases) == set(PHASES)
            assert min(row.phases.values()) >= 0
            assert sum(row.phases.values()) == pytest.approx(1, abs=0.02)
        assert series.rows[0].phases["update"] > series.rows[0].phases["waiting"]


def test_a_timed_rendering_computes_the_same_and_adds_lines_alone(small) -> None:
    model = load(small, run={"duration": SHORT}).model
    plain, timed = Simulation(model, 3), Simulation(model, 3)
    plain.compile()
    timed.compile(timed=True)
    plain.advance()
    timed.advance()
    assert plain.engine.host.network.cells.state.tobytes() == timed.engine.host.network.cells.state.tobytes()
    assert not plain.engine.work.ticks.any()
    # A thread may find all parts taken by others.
    assert (timed.engine.work.ticks[:, :5].sum(axis=0) > 0).all()
    texts = [[line for line in render(plain.structures, each).splitlines() if line] for each in (False, True)]
    extra = [line for line in texts[1] if line not in texts[0]]
    assert [line for line in texts[1] if line not in extra] == texts[0]
    assert extra
    assert all("lap" in line or "read_ticks" in line for line in extra)


def test_a_difference_in_the_spikes_is_told(command, small, monkeypatch) -> None:
    """One thread more, one spike less: the table is shown all the same, and the exit code is 7."""
    true = measure._run

    def wrong(loaded, threads, *rest, **more):
        run = true(loaded, threads, *rest, **more)
        return replace(run, sha256="0" * 64) if threads == 2 else run

    monkeypatch.setattr(measure, "_run", wrong)
    result = command("bench", small, "--threads", 2, "--duration", "2 ms", "--repeats", 1)
    assert result.code == 7
    assert "NOT the same in every run" in result.out
    assert "the spikes depend on the number of threads" in result.err


def test_events_are_those_of_a_count_spike_by_spike(small, tmp_path) -> None:
    import hhsim

    loaded = load(small)
    hhsim.run(loaded, output=tmp_path / "out.h5", threads=3)
    simulation = Simulation(loaded.model, 3)
    connections, layout = simulation.connections, simulation.layout
    fired, slow = {}, 0
    with open_recording(tmp_path / "out.h5") as recording:
        for name, population in loaded.model.populations.items():
            nodes = recording.spikes[name].nodes
            fired[name] = np.bincount(nodes, minlength=population.size)
            (number,) = [i for i, p in enumerate(loaded.model.projections) if p.source == name]
            for node in nodes:
                for part in range(3):
                    rows = connections.rows(part, number)
                    slow += int(rows[node + 1]) - int(rows[node])
    assert layout.blocks >= 3  # the rows of a source are cut
    assert slow > 1000
    assert synaptic_events(loaded.model, connections, fired) == slow


def test_out_degrees_sum_to_the_synapses(small) -> None:
    connections = Simulation(load(small).model, 2).connections
    assert sum(int(out_degrees(connections, i).sum()) for i in range(2)) == connections.synapses


def test_runs_of_large_networks_are_cut_short_unless_the_duration_was_asked_for() -> None:
    loaded = load(CONFIGS / "coba_100k.toml", run={"duration": "10 s"})
    (short,) = room.plan(loaded, 2)
    (whole,) = room.plan(loaded, 2, shorten=False)
    assert short.model.run.steps == measure.LEAST_STEPS
    assert whole.model.run.steps == 100_000
    (coba,) = room.plan(load(CONFIGS / "coba.toml"), 2)
    assert coba.model.run.steps == 10_000


# The cost of a step and the peaks

SOURCE = """
@inline
def square(x):
    return x * x

@kernel
def step_0(state, at, marks, p, now, gate_dt):
    dt = p[0]
    c = p[1]
    wide = False
    for i in range(128):
        lane = at + index(i)
        v = state[lane]
        u = state[lane + index(128)]
        a = dt / c * v + square(v)
        b = square(v) * (1.0 if v > c else v / u)
        wide = wide | (a > real(4.0))
        state[lane] = a + v ** 5 - abs(b)
    if wide:
        for i in range(128):
            state[i] = square(state[i])
    if not (wide):
        for i in range(128):
            state[at + index(i)] = state[at + index(i)] * c
    else:
        for i in range(128):
            state[i] = state[i] + c
"""


def test_operations_are_counted_by_hand() -> None:
    """dt / c once for all lanes; of each lane: · v, v · v, +; v / u, ·; v⁵ in 2 more (v² is known); + and −;
    and in the second loop one."""
    assert flops_of_steps(SOURCE) == [3 + 2 + 2 + 2 + 1]


def test_a_cell_of_the_benchmark_takes_the_operations_of_a_count_by_hand() -> None:
    """float64: rates of na 65 and of k 44, 25 of each for exp; membrane 57; three gates 31 each; decay 2."""
    model = load(CONFIGS / "coba.toml").model
    cost = cost_of(model)
    assert cost.flops == 65 + 44 + 57 + 3 * 31 + 2
    assert cost.bytes == (7 + 6) * 8  # six states and a clock read, six states written
    assert cost.state_bytes == 4000 * 7 * 8
    single = cost_of(replace(model, run=replace(model.run, precision="float32")))
    assert 200 < single.flops < cost.flops
    assert single.bytes == cost.bytes / 2


def test_peaks_are_reached_by_no_less_than_a_plain_loop(measured) -> None:
    """A gigaflop and a gigabyte a second are far below any processor that this runs on."""
    for one in measured.peaks:
        assert one.flops > 1e9
        assert one.bandwidth > 1e9
    for series in measured.series:
        assert 0 < measured.share_of_peak(series, series.rows[0]) < 1
        assert measured.bound(series) == "arithmetic"  # 200 cells fit into any cache


def test_what_does_not_fit_the_caches_may_be_bound_by_memory(measured) -> None:
    series = replace(measured.series[0], cost=replace(measured.series[0].cost, state_bytes=1 << 50))
    slow = tuple(replace(each, bandwidth=1e6) for each in measured.peaks)
    assert replace(measured, peaks=slow).bound(series) == "memory"
    fast = tuple(replace(each, bandwidth=1e18) for each in measured.peaks)
    assert replace(measured, peaks=fast).bound(series) == "arithmetic"


# Sizes


@pytest.mark.parametrize("cells", [1000, 4000, 20_000])
def test_synapses_of_a_cell_stay_the_same(cells) -> None:
    model = load(CONFIGS / "coba.toml").model
    grown = scaled(model, cells)
    assert {name: p.size for name, p in grown.populations.items()} == {
        "exc": cells * 4 // 5,
        "inh": cells // 5,
    }
    for before, after in zip(model.projections, grown.projections, strict=True):
        per_cell = [
            m.expected_synapses(p) / sum(q.size for q in m.populations.values())
            for m, p in ((model, before), (grown, after))
        ]
        assert per_cell[1] == pytest.approx(per_cell[0])
    grown = replace(grown, run=replace(grown.run, duration=0.1))
    drawn = Simulation(grown).connections.synapses / cells
    assert drawn == pytest.approx(80, rel=0.02)


def test_fixed_degrees_and_pairs_of_cells_stay() -> None:
    for rule in (FixedOutdegree(30), FixedIndegree(30), OneToOne()):
        grown = scaled(network((100, 100), rule), 1000)
        assert [p.rule for p in grown.projections] == [rule] * len(grown.projections)
        assert {p.size for p in grown.populations.values()} == {500}


def test_inputs_reach_the_same_share_and_traces_as_many_cells(small) -> None:
    text = """
    input = [{ model = "poisson", target = "exc", nodes = [40, 80], rate = "1 Hz", weight = "1 nS",
    receptor = "exc" }]""".replace("\n", " ")
    model = load(small, [text.strip().replace(" = [", "=[", 1), "record.trace.0.nodes=[150, 160]"]).model
    assert isinstance(model.inputs[0], PoissonInput)
    assert scaled(model, 2000).inputs[0].nodes == (400, 800)
    assert scaled(model, 100).inputs[0].nodes == (20, 40)
    assert scaled(model, 2000).traces[0].nodes == (150, 160)
    assert scaled(model, 100).traces[0].nodes == (70, 80)


@pytest.mark.parametrize(
    ("rule", "cells", "words"),
    [
        (AllToAll(), 1000, "grow with the network"),
        (EdgesFromFile(Path("edges.h5"), "a__b"), 1000, "edges.h5"),
        (PairwiseBernoulli(0.5), 40, "more than the 20 cells to choose from"),
        (FixedOutdegree(60), 20, "60 targets"),
        (FixedIndegree(60, autapses=False), 120, "more than the 59 cells"),
    ],
)
def test_what_cannot_be_scaled_is_refused_in_words(rule, cells, words) -> None:
    model = network((100, 100), rule)
    assert scaled(model, 200) is model
    with pytest.raises(CannotScale, match=words):
        scaled(model, cells)


def test_values_from_a_file_cannot_be_scaled() -> None:
    model = network((100, 100), FixedIndegree(3))
    population = model.populations["a"]
    filed = replace(population, initial={"v": FromFile(Path("nodes.h5"))})
    model = replace(model, populations=model.populations | {"a": filed})
    with pytest.raises(
        CannotScale, match=r"population\.a\.initial\.v has a value for each cell in nodes\.h5"
    ):
        scaled(model, 400)


def test_sizes_make_a_series_each(command, small) -> None:
    result = command(
        "bench",
        small,
        "--sizes",
        "200,400",
        "--threads",
        1,
        "--duration",
        "2 ms",
        "--repeats",
        1,
        "--json",
        "a.json",
    )
    assert result.code == 0, result.err
    told = json.loads(Path("a.json").read_text())
    assert [series["neurons"] for series in told["series"]] == [200, 400]


def test_sizes_that_do_not_fit_are_refused_before_any_work(command, small) -> None:
    result = command("bench", small, "--sizes", "200,1000000000")
    assert result.code == 6
    assert "GB" in result.err
    assert result.out == ""
    with pytest.raises(NotEnoughMemory):
        room.plan(load(small), 2, sizes=[10**9])


# Files and comparisons


def test_a_file_read_back_is_what_was_measured(measured, tmp_path) -> None:
    path = tmp_path / "a.json"
    room.save(measured, path)
    told = json.loads(path.read_text())
    assert told == json.loads(json.dumps(measured.to_dict()))
    baseline = room.read_baseline(path)
    comparison = room.compare(measured, baseline, 0.0)
    assert len(comparison.pairs) == 6
    assert not comparison.failed
    assert comparison.same_machine
    assert all(pair.ratio == 1 and pair.overlap and pair.same_spikes for pair in comparison.pairs)
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]
    with pytest.raises(OutputExists):
        room.save(measured, path)


def slowed(measured: room.Bench, factor: float) -> room.Bench:
    def row(of: room.Row) -> room.Row:
        return replace(of, seconds=tuple(x * (factor if of.threads == 4 else 1) for x in of.seconds))

    return replace(measured, series=tuple(replace(s, rows=tuple(map(row, s.rows))) for s in measured.series))


def test_one_slower_row_fails(measured, tmp_path) -> None:
    room.save(measured, tmp_path / "a.json")
    baseline = room.read_baseline(tmp_path / "a.json")
    later = slowed(measured, 1.2)
    assert not room.compare(later, baseline, 0.25).failed
    assert not room.compare(later, baseline).failed
    comparison = room.compare(later, baseline, 0.1)
    assert comparison.failed
    assert {pair.threads for pair in comparison.pairs if comparison.slower(pair)} == {4}
    assert not room.compare(slowed(measured, 0.5), baseline, 0.0).failed


def edited(path: Path, factor: float) -> None:
    told = json.loads(path.read_text())
    for series in told["series"]:
        for row in series["rows"]:
            row["seconds"] = [x * factor for x in row["seconds"]]
    path.write_text(json.dumps(told))


def test_comparing_sets_the_exit_code(command, small) -> None:
    common = ("bench", small, "--threads", 1, "--duration", "2 ms", "--repeats", 1)
    assert command(*common, "--json", "base.json").code == 0
    edited(Path("base.json"), 1000.0)
    result = command(*common, "--compare", "base.json", "--fail-above", "10%")
    assert result.code == 0, result.err
    assert "against base.json" in result.out
    edited(Path("base.json"), 1e-6)
    assert command(*common, "--compare", "base.json").code == 0
    result = command(*common, "--compare", "base.json", "--fail-above", "10%")
    assert result.code == 7
    assert "slower than base.json by more than 10%" in result.err
    result = command(*common, "--compare", "base.json", "--seed", 5)
    assert result.code == 5
    assert "no measurement of the same network" in result.err
    assert result.out == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is no JSON"),
        ("[1]", "was not written by hhsim bench"),
        ("{}", "was not written by hhsim bench"),
        ('{"hhsim_bench": 99}', "format 99"),
        ('{"hhsim_bench": 1}', "'series' is missing"),
        ('{"hhsim_bench": 1, "series": 3}', "damaged"),
        (
            '{"hhsim_bench": 1, "series": [{"network": "a", "rows": [{"threads": 0}]}]}',
            "no number of threads",
        ),
        (
            '{"hhsim_bench": 1, "series": [{"network": "a", "rows": [{"threads": 1, "seconds": [NaN], '
            '"spikes_sha256": []}]}]}',
            "no list of seconds",
        ),
        (b"\xff\xfe\x00", "is no JSON"),
    ],
)
def test_a_damaged_baseline_is_refused(command, small, text, words) -> None:
    Path("base.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(FileFailed, match=words):
        room.read_baseline("base.json")
    assert command("bench", small, "--compare", "base.json").code == 5


# The command


def test_stdout_carries_the_table_alone(command, small) -> None:
    result = command("bench", small, "--threads", 16, "--duration", "2 ms", "--repeats", 1, "-q")
    assert result.code == 0
    assert result.err == ""
    lines = result.out.splitlines()
    assert max(map(len, lines)) <= 100
    assert any(line.split()[:1] == ["16*"] or line.split()[:1] == ["16"] for line in lines)
    assert "the same in every run" in result.out
    assert "\x1b" not in result.out
    assert ("rows marked *" in result.out) == (measure.jit.available_processors() < 16)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--sizes", "4000,x"], "no number of cells"),
        (["--sizes", ""], "no number of cells"),
        (["--precision", "float16"], "neither float64 nor float32"),
        (["--compare", "a.json", "--fail-above", "10"], "no percentage"),
        (["--compare", "a.json", "--fail-above", "-1%"], "no percentage"),
        (["--fail-above", "10%"], "needs --compare"),
        (["--threads", "0"], "range"),
        (["--repeats", "0"], "range"),
    ],
)
def test_bad_options_are_usage_errors(command, small, options, words) -> None:
    result = command("bench", small, *options)
    assert result.code == 2
    assert words in result.err
    assert result.out == ""


def test_files_are_looked_at_before_any_work(command, small, monkeypatch) -> None:
    monkeypatch.setattr(measure, "_run", None)
    Path("a.json").write_text("precious")
    result = command("bench", small, "--json", "a.json")
    assert result.code == 5
    assert Path("a.json").read_text() == "precious"
    assert command("bench", small, "--compare", "nowhere.json").code == 5
    assert command("bench", "nowhere.toml").code == 5


def test_a_network_that_diverges_cannot_be_measured(command, small) -> None:
    absurd = 'cell.hh.channel.na.e_rev="1e308 mV"'
    result = command("bench", small, "--threads", 1, "--repeats", 1, "--set", absurd)
    assert result.code == 4
    assert "there is nothing to measure" in result.err
    assert result.out == ""


# The network of the benchmark


def test_the_default_is_coba() -> None:
    assert room.benchmark_config().read_bytes() == (CONFIGS / "coba.toml").read_bytes()
    carried = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"][
        "wheel"
    ]
    assert carried["force-include"] == {"configs/coba.toml": f"hhsim/bench/{room.benchmark_config().name}"}


def test_an_installed_package_carries_its_own(tmp_path) -> None:
    pytest.importorskip("hatchling")
    line = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(line, cwd=ROOT, check=True, capture_output=True, timeout=60)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    code = "from hhsim.bench.benchmark import benchmark_config; print(benchmark_config())"
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path / "site",
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    found = Path(run.stdout.strip())
    assert found.is_relative_to(tmp_path / "site")
    assert found.read_bytes() == (CONFIGS / "coba.toml").read_bytes()
    assert parse(found.read_text()).model == load(CONFIGS / "coba.toml").model
