"""The statistics of spike trains: against Elephant, against plain loops, and where the answer is known."""

from __future__ import annotations

import dataclasses
import json
import math
import tracemalloc
import warnings
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hhsim
import hhsim.analysis.spectrum
from hhsim.analysis import (
    intervals,
    local_variation,
    population_rate,
    power_spectrum,
    spectrum_peak,
    statistics,
    variation,
)
from hhsim.analysis.counts import binned, fano_factors
from hhsim.analysis.synchrony import BLOCK, chi, correlations, sample_cells
from hhsim.analysis.trains import Trains, by_cell
from hhsim.errors import SelectionRefused
from hhsim.recording import Recorder, TraceColumns, open_recording, select

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what Elephant and Neo import is their own affair
    import elephant.conversion
    import elephant.spectral
    import elephant.spike_train_correlation
    import elephant.statistics
    import neo
    import quantities as pq

DT = 0.1
DURATION = 1000.0
STEPS = 10_000


def record(path, populations, spikes, *, traces=(), stopped=DURATION, complete=True):
    """A recording of `spikes`: (steps, nodes) of each population, in any order."""
    with Recorder(
        path, populations=populations, traces=traces, dt=DT, duration=DURATION, resolved_config="", facts={}
    ) as writer:
        for name, (steps, nodes) in spikes.items():
            steps, nodes = np.asarray(steps, np.int64), np.asarray(nodes, np.int64)
            order = np.lexsort((nodes, steps))
            writer.append_spikes(name, steps[order], nodes[order])
        writer.close(complete, stopped, {}, "{}")
    return open_recording(path)


def poisson(cells, rate_hz, seed=1, steps=STEPS):
    """Independent trains with a spike in each step with the same chance."""
    return np.nonzero(np.random.default_rng(seed).random((steps, cells)) < rate_hz * DT / 1000)


def trains_of(steps, nodes, size, duration=DURATION):
    order = np.argsort(steps, kind="stable")
    times = (np.asarray(steps)[order] + 1) * DT
    return Trains(*by_cell(times, np.asarray(nodes, np.int64)[order]), size, 0.0, duration)


def told(path, size, spikes, **settings):
    with record(path, {"exc": size}, {"exc": spikes}) as recording:
        return statistics(recording, **settings).populations["exc"]


# ---- against Elephant, on the spikes of a run


@pytest.fixture(scope="module")
def elephants(small_run):
    """A population of the small run for us and for Elephant, to whom a bin holds its start but not its end:
    its spikes stand in the middle of their steps."""
    with hhsim.open(small_run.output) as recording:
        spikes = recording.spikes["exc"]
        times, nodes = spikes.times_ms, spikes.nodes
        result = statistics(recording, window_ms=20).populations["exc"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trains = [
            neo.SpikeTrain(times[nodes == cell] - DT / 2, units="ms", t_stop=100) for cell in range(160)
        ]
    return result, trains, times, nodes


@pytest.mark.filterwarnings("ignore")
def test_rates_are_those_of_elephant(elephants) -> None:
    result, trains, _, _ = elephants
    rates = [float(elephant.statistics.mean_firing_rate(train).rescale("Hz")) for train in trains]
    assert result.rate_hz == pytest.approx(np.mean(rates))
    assert result.rate_sd_hz == pytest.approx(np.std(rates))
    assert result.rate_quartiles_hz == pytest.approx(np.percentile(rates, (25, 50, 75)))
    assert result.rate_max_hz == pytest.approx(max(rates))


@pytest.mark.filterwarnings("ignore")
def test_cv_and_lv_are_those_of_elephant(elephants) -> None:
    result, trains, times, nodes = elephants
    isi = [elephant.statistics.isi(train).magnitude for train in trains]
    ours, cells = intervals(times, nodes)
    assert ours == pytest.approx(np.concatenate(isi))
    assert cells.tolist() == [cell for cell, of_cell in enumerate(isi) for _ in of_cell]
    enough = [of_cell for of_cell in isi if len(of_cell) >= 5]
    assert result.interval_cells == len(enough) > 20
    assert result.cv == pytest.approx(np.mean([elephant.statistics.cv(of_cell) for of_cell in enough]))
    assert result.lv == pytest.approx(np.mean([elephant.statistics.lv(of_cell) for of_cell in enough]))
    two = np.array([len(of_cell) >= 2 for of_cell in isi])
    assert np.isnan(variation(ours, cells, 160)[~two]).all()
    assert np.isnan(local_variation(ours, cells, 160)[~two]).all()
    assert variation(ours, cells, 160)[two] == pytest.approx(
        [elephant.statistics.cv(of_cell) for of_cell in isi if len(of_cell) >= 2]
    )


@pytest.mark.filterwarnings("ignore")
def test_fano_factors_are_those_of_elephant_but_for_the_bias(elephants) -> None:
    result, trains, _, _ = elephants
    factors = []
    for train in trains:
        if len(train):
            windows = [train.time_slice(t * pq.ms, (t + 20) * pq.ms) for t in range(0, 100, 20)]
            factors.append(elephant.statistics.fanofactor(windows))
    assert result.fano_cells == len(factors)
    assert result.fano == pytest.approx(np.mean(factors) * 5 / 4)  # Elephant divides by n, we by n - 1


@pytest.mark.filterwarnings("ignore")
def test_correlations_are_those_of_elephant(elephants) -> None:
    result, trains, _, _ = elephants
    firing = [train for train in trains if len(train)]
    assert len(firing) <= 200, "all cells that fire are in the sample"
    counts = elephant.conversion.BinnedSpikeTrain(firing, bin_size=5 * pq.ms, t_start=0 * pq.ms)
    matrix = elephant.spike_train_correlation.correlation_coefficient(counts)
    pairs = matrix[np.triu_indices(len(firing), 1)]
    assert result.correlation_pairs == len(pairs)
    assert result.correlation == pytest.approx(np.mean(pairs))
    assert result.correlation_sd == pytest.approx(np.std(pairs))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("bins", [36, 100, 333, 1000, 4499])
def test_the_spectrum_is_that_of_elephant(bins) -> None:
    rate = np.random.default_rng(bins).gamma(2.0, 10.0, bins)
    signal = neo.AnalogSignal(rate[:, None], units="Hz", sampling_period=1 * pq.ms)
    frequency, power = elephant.spectral.welch_psd(signal)
    ours = power_spectrum(rate, 1.0)
    assert ours[0] == pytest.approx(frequency.rescale("Hz").magnitude)
    assert ours[1] == pytest.approx(power[0].magnitude)


# ---- against plain loops

some_spikes = st.lists(
    st.tuples(st.integers(0, 199), st.integers(0, 7)), max_size=120, unique=True
)  # (step, node): 20 ms of 8 cells
fuzz = settings(deadline=None, max_examples=60)


def columns(spikes):
    return np.array([s for s, _ in spikes], np.int64), np.array([n for _, n in spikes], np.int64)


def slow(spikes, size, steps, bin_steps, window_steps):
    """Fano factor, χ and correlation by loops over cells and windows."""

    def counts(width):
        table = [[0] * (steps // width) for _ in range(size)]
        for step, node in spikes:
            if step // width < steps // width:
                table[node][step // width] += 1
        return table

    def variance(values, less=0):
        mean = sum(values) / len(values)
        return sum((value - mean) ** 2 for value in values) / (len(values) - less)

    fano = [variance(row, 1) / (sum(row) / len(row)) for row in counts(window_steps) if sum(row)]
    table = counts(bin_steps)
    single = sum(variance(row) for row in table) / size
    together = variance([sum(column) / size for column in zip(*table, strict=True)])
    varying = [np.array(row) for row in table if len(set(row)) > 1]
    pairs = [float(np.corrcoef(a, b)[0, 1]) for a, b in combinations(varying, 2)]
    return fano, math.sqrt(together / single) if single > 1e-12 else None, pairs


@given(some_spikes, st.sampled_from([5, 10, 30]), st.sampled_from([20, 40, 70]))
@fuzz
def test_counts_are_those_of_plain_loops(spikes, bin_steps, window_steps) -> None:
    trains = trains_of(*columns(spikes), 8, 20.0)
    fano, synchrony, pairs = slow(spikes, 8, 200, bin_steps, window_steps)
    ours = fano_factors(binned(trains, window_steps * DT))
    assert ours[~np.isnan(ours)] == pytest.approx(fano)
    counts = binned(trains, bin_steps * DT)
    assert math.isnan(chi(counts)) if synchrony is None else chi(counts) == pytest.approx(synchrony)
    assert correlations(counts, np.arange(8)) == pytest.approx(pairs, abs=1e-12)


@given(some_spikes)
@fuzz
def test_intervals_are_those_of_plain_loops(spikes) -> None:
    expected = []
    for node in range(8):
        times = sorted((step + 1) * DT for step, of in spikes if of == node)
        expected += [(b - a, node) for a, b in pairwise(times)]
    steps, nodes = columns(sorted(spikes))
    interval_ms, node = intervals((steps + 1) * DT, nodes)
    assert interval_ms == pytest.approx([interval for interval, _ in expected])
    assert node.tolist() == [of for _, of in expected]


@given(some_spikes, st.permutations(range(8)), st.integers(0, 3), st.integers(0, 10))
@fuzz
def test_names_of_cells_and_the_time_of_day_do_not_matter(spikes, names, shift, apart) -> None:
    steps, nodes = columns(spikes)
    one = trains_of(steps, nodes, 8, 20.0)
    two = trains_of(steps, np.array(names)[nodes] if len(nodes) else nodes, 8, 20.0)
    for width in (1.0, 4.0):
        assert chi(binned(one, width)) == pytest.approx(chi(binned(two, width)), nan_ok=True)
        a, b = fano_factors(binned(one, width)), fano_factors(binned(two, width))
        assert np.sort(a) == pytest.approx(np.sort(b), nan_ok=True)
    later = shift * 1000.0 + apart * DT
    moved = dataclasses.replace(one, times_ms=one.times_ms + later, start_ms=later, stop_ms=later + 20.0)
    for width in (1.0, 3.0):
        a, b = binned(one, width), binned(moved, width)
        assert (a.cell.tolist(), a.bin.tolist(), a.count.tolist()) == (
            b.cell.tolist(),
            b.bin.tolist(),
            b.count.tolist(),
        )


@given(some_spikes, st.integers(1, 60), st.integers(0, 199))
@fuzz
def test_totals_are_counts(spikes, bin_steps, cut) -> None:
    steps, nodes = columns(spikes)
    times = (steps + 1) * DT
    edges, rate = population_rate(times, 0.0, 20.0, bin_steps * DT, 8)
    covered = bin_steps * (200 // bin_steps)
    assert edges == pytest.approx(np.arange(200 // bin_steps + 1) * bin_steps * DT)
    assert rate.sum() * 8 * bin_steps * DT / 1000 == pytest.approx(np.count_nonzero(steps < covered))
    expected = [np.count_nonzero(steps // bin_steps == k) for k in range(len(rate))]
    assert rate * 8 * bin_steps * DT / 1000 == pytest.approx(expected)
    parts = [population_rate(part, 0.0, 20.0, bin_steps * DT, 8)[1] for part in (times[:cut], times[cut:])]
    assert parts[0] + parts[1] == pytest.approx(rate)
    counts = binned(trains_of(steps, nodes, 8, 20.0), bin_steps * DT)
    assert counts.count.sum() == np.count_nonzero(steps < covered)


@given(
    st.lists(st.integers(-3, 5), max_size=50),
    st.sampled_from([1, 2**40, 2**60]),
)
@fuzz
def test_spikes_of_a_cell_stay_in_order(nodes, scale) -> None:
    """Small ids, and those that are too large to be sorted together with their place."""
    ids = np.array(nodes, np.int64) * scale
    times, cells = by_cell(np.arange(len(ids), dtype=float), ids)
    order = np.argsort(ids, kind="stable")
    assert cells.tolist() == ids[order].tolist()
    assert times.tolist() == order.tolist()


# ---- where the answer is known


def test_poisson_trains(tmp_path) -> None:
    """CV, LV and Fano factor 1, no correlation, χ = 1/√N, a flat spectrum: within four standard errors."""
    size = 400
    result = told(tmp_path / "out.h5", size, poisson(size, 50.0))
    assert result.rate_hz == pytest.approx(50, abs=4 * math.sqrt(50 / size))
    assert result.rate_sd_hz == pytest.approx(math.sqrt(50), rel=4 / math.sqrt(2 * size))
    assert result.cv == pytest.approx(1 - 1.5 / 50, abs=4 / math.sqrt(50 * size))  # less for a finite train
    assert result.lv == pytest.approx(1, abs=4 * math.sqrt(4 / 5 / 50 / size))
    assert result.fano == pytest.approx(1, abs=4 * math.sqrt(2 / 9 / size))
    assert result.correlation == pytest.approx(0, abs=0.005)
    assert result.correlation_pairs == 200 * 199 / 2
    assert result.correlation_sd == pytest.approx(1 / math.sqrt(200), rel=0.05)  # 200 bins
    assert result.chi == pytest.approx(result.chi_independent, rel=4 / math.sqrt(2 * 200))
    assert result.chi_independent == 1 / math.sqrt(size)
    assert result.silent_fraction == 0


@pytest.mark.parametrize("number", [2, 5, 30])
def test_intervals_of_poisson_processes(number) -> None:
    """Of n intervals, CV² is (n - 1) / (n + 1) on average, as their shares of the sum are uniform on the
    simplex; the LV is 1 with no bias."""
    cells = 20_000
    drawn = np.random.default_rng(number).exponential(12.0, (cells, number))
    node = np.repeat(np.arange(cells), number)
    cv = variation(drawn.ravel(), node, cells)
    lv = local_variation(drawn.ravel(), node, cells)
    assert np.mean(cv**2) == pytest.approx((number - 1) / (number + 1), abs=4 * np.std(cv**2) / cells**0.5)
    assert np.mean(lv) == pytest.approx(1, abs=4 * np.std(lv) / cells**0.5)


def test_slow_changes_of_the_rate_raise_the_cv_alone() -> None:
    """A clock that slows down: CV well above LV (Shinomoto et al. 2003)."""
    interval_ms = np.linspace(5, 100, 200)
    node = np.zeros(200, np.int64)
    assert variation(interval_ms, node, 1)[0] > 0.5
    assert local_variation(interval_ms, node, 1)[0] < 0.001


def test_independent_trains_of_unequal_rates_have_the_same_chi(tmp_path) -> None:
    """χ of independent cells is 1/√N, whatever their rates, and however many are silent."""
    steps, nodes = poisson(400, 80.0, seed=5)
    chance = np.linspace(0, 1, 400) * (np.arange(400) >= 100)
    kept = np.random.default_rng(6).random(len(nodes)) < chance[nodes]
    result = told(tmp_path / "out.h5", 400, (steps[kept], nodes[kept]))
    assert result.silent_fraction == 0.25
    assert result.chi == pytest.approx(1 / 20, rel=4 / math.sqrt(2 * 200))


def test_flat_spectra_have_a_peak_by_chance_alone() -> None:
    """The spectrum of N Poisson processes is 2 r / N, and one in a hundred has a peak."""
    random = np.random.default_rng(9)
    peaks, powers = 0, []
    for _ in range(400):
        rate = random.poisson(100 * 50 / 1000, 1000) / (100 / 1000)  # 100 cells of 50 Hz in bins of 1 ms
        peaks += spectrum_peak(rate, 1.0) is not None
        powers.append(power_spectrum(rate, 1.0)[1][2:-2].mean())
    assert np.mean(powers) == pytest.approx(2 * 50 / 100, rel=0.01)
    assert 0 < peaks <= 16  # 4 are expected; more than 16 come once in a million


@given(st.integers(36, 3000), st.floats(0.1, 5), st.integers(0, 2**32))
@fuzz
def test_the_integral_of_the_spectrum_is_the_variance(bins, bin_ms, seed) -> None:
    """Of the segments under their window, that is; for white noise nearly that of the whole."""
    rate = np.random.default_rng(seed).normal(20, 5, bins)
    frequency, power = power_spectrum(rate, bin_ms)
    length = round(1000 / (frequency[1] * bin_ms))
    window = np.hanning(length + 1)[:-1]
    hop = length - length // 2
    parts = [rate[i : i + length] for i in range(0, bins - length + 1, hop)]
    squares = [np.sum(((part - part.mean()) * window) ** 2) / np.sum(window**2) for part in parts]
    assert power.sum() * frequency[1] == pytest.approx(np.mean(squares))


def test_segments_that_are_transformed_in_turn_make_the_same_spectrum(monkeypatch) -> None:
    rate = np.random.default_rng(1).normal(20, 5, 20_000)
    at_once = power_spectrum(rate, 1.0)[1]
    monkeypatch.setattr(hhsim.analysis.spectrum, "AT_ONCE", 7)
    np.testing.assert_allclose(power_spectrum(rate, 1.0)[1], at_once, rtol=1e-12)


@pytest.mark.parametrize("hz", [13.0, 40.0, 180.0])
def test_a_rhythm_is_found(tmp_path, hz) -> None:
    random = np.random.default_rng(3)
    chance = 0.002 * (1 + np.sin(2 * np.pi * hz * np.arange(STEPS) * DT / 1000))
    result = told(tmp_path / "out.h5", 200, np.nonzero(random.random((STEPS, 200)) < chance[:, None]))
    assert result.peak_hz == pytest.approx(hz, abs=result.spectrum_resolution_hz)
    assert result.peak_over_median > 10


def test_a_clock(tmp_path) -> None:
    """All cells fire every 20 ms, together: CV and LV 0, Fano factor 0, χ and correlation 1."""
    steps = np.repeat(np.arange(100, STEPS, 200), 30)
    result = told(tmp_path / "out.h5", 30, (steps, np.tile(np.arange(30), 50)))
    assert result.cv == pytest.approx(0, abs=1e-10)
    assert result.lv == pytest.approx(0, abs=1e-20)
    assert result.fano == 0
    assert result.chi == pytest.approx(1)
    assert result.correlation == pytest.approx(1)
    assert result.correlation_sd == pytest.approx(0, abs=1e-12)
    assert result.rate_quartiles_hz == (50, 50, 50)
    assert result.rate_sd_hz == 0
    harmonic = round(result.peak_hz / 50)
    assert harmonic
    assert result.peak_hz == pytest.approx(50 * harmonic, abs=result.spectrum_resolution_hz)


def test_clocks_in_turn_are_less_synchronous_than_chance(tmp_path) -> None:
    """Each bin has the same number of spikes: the sum does not vary."""
    steps = np.arange(0, STEPS, 50)
    result = told(tmp_path / "out.h5", 4, (steps, np.arange(len(steps)) % 4))
    assert result.chi == 0
    assert result.correlation == pytest.approx(-1 / 3)


def test_correlations_across_blocks_of_bins() -> None:
    random = np.random.default_rng(4)
    spikes = random.random((3 * BLOCK + 5, 3)) < 0.1
    spikes[:, 2] = spikes[:, 0]
    counts = binned(trains_of(*np.nonzero(spikes), 3, len(spikes) * DT), DT)
    expected = np.corrcoef(spikes.T)[np.triu_indices(3, 1)]
    assert correlations(counts, np.arange(3)) == pytest.approx(expected)
    assert correlations(counts, np.arange(3))[1] == 1


def test_the_sample_is_random_but_fixed() -> None:
    """A cell's rank does not depend on which others there are: what is chosen of all is chosen of a part."""
    chosen = sample_cells(np.arange(1000), 100)
    assert len(set(chosen.tolist())) == 100
    assert chosen.tolist() == sorted(chosen)
    assert chosen.tolist() == sample_cells(np.arange(1000), 100).tolist()
    assert 400 < chosen.mean() < 600
    part = np.arange(0, 1000, 2)
    assert {*chosen[chosen % 2 == 0]} <= {*sample_cells(part, 100).tolist()}
    assert sample_cells(part[:7], 100).tolist() == part[:7].tolist()
    assert chosen[:4].tolist() == [6, 15, 17, 19]  # on every machine, for ever


def test_memory_is_modest(tmp_path) -> None:
    """A hundred bytes for each spike, and for each cell, besides what the sample needs."""
    size, count = 100_000, 1_000_000
    random = np.random.default_rng(2)
    spikes = np.divmod(np.sort(random.choice(STEPS * size, count, replace=False)), size)
    with record(tmp_path / "out.h5", {"exc": size}, {"exc": spikes}) as recording:
        tracemalloc.start()
        try:
            statistics(recording)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < 100 * (count + size) + 200 * BLOCK * 8


def test_a_drift_is_no_rhythm() -> None:
    """Power that falls with the frequency all along has no peak, however high it begins."""
    rate = 50 * np.exp(-np.arange(1000) / 300)
    power = power_spectrum(rate, 1.0)[1][1:]
    assert np.all(np.diff(power) < 0)
    assert power[0] > 1000 * np.median(power)
    assert spectrum_peak(rate, 1.0) is None


# ---- parts of a recording, and recordings with little in them


def test_a_part_is_as_a_recording_of_that_part(tmp_path) -> None:
    steps, nodes = poisson(60, 40.0)
    inside = (steps >= 2000) & (steps < 7000) & (nodes >= 10) & (nodes < 45)
    moved = steps[inside] - 2000, nodes[inside] - 10
    with record(tmp_path / "all.h5", {"exc": 60, "inh": 20}, {"exc": (steps, nodes)}) as recording:
        chosen = select(recording, start_ms=200, stop_ms=700, nodes=(10, 45), populations=["exc"])
        part = statistics(recording, chosen)
    with record(tmp_path / "part.h5", {"exc": 35}, {"exc": moved}, stopped=500.0) as recording:
        alone = statistics(recording)
    assert (part.start_ms, part.stop_ms) == (200, 700)
    assert list(part.populations) == ["exc"]
    for key, value in dataclasses.asdict(alone.populations["exc"]).items():
        assert getattr(part.populations["exc"], key) == pytest.approx(value), key


def test_a_part_that_holds_the_sample_has_its_correlations(tmp_path) -> None:
    steps, nodes = poisson(600, 60.0)
    sample = sample_cells(np.arange(600), 200)
    around = int(sample[0]), int(sample[-1]) + 1
    assert around[0] > 0
    with record(tmp_path / "out.h5", {"exc": 600}, {"exc": (steps, nodes)}) as recording:
        whole = statistics(recording).populations["exc"]
        part = statistics(recording, select(recording, nodes=around)).populations["exc"]
    assert (part.correlation, part.correlation_sd) == (whole.correlation, whole.correlation_sd)
    assert part.cells < whole.cells


def test_a_recording_that_was_cut_off_ends_where_it_ends(tmp_path) -> None:
    steps, nodes = poisson(50, 40.0, steps=3000)
    with record(
        tmp_path / "cut.h5", {"exc": 50}, {"exc": (steps, nodes)}, stopped=300.0, complete=False
    ) as recording:
        result = statistics(recording)
    assert not result.complete
    assert result.stop_ms == 300
    assert result.populations["exc"].rate_hz == pytest.approx(len(steps) / 50 / 0.3)


NO_SPIKES = {"rate_hz": 0, "rate_sd_hz": 0, "rate_max_hz": 0, "silent_fraction": 1, "fano": None, "chi": None}
NO_SPIKES |= {"cv": None, "lv": None, "interval_cells": 0, "correlation": None, "correlation_pairs": 0}
NO_SPIKES |= {"peak_hz": None, "spectrum_resolution_hz": None}


@pytest.mark.parametrize(
    ("size", "spikes", "expected"),
    [
        (5, ([], []), NO_SPIKES),
        (1, ([], []), NO_SPIKES),
        (1, ([4000], [0]), {"rate_hz": 1, "cv": None, "fano": 1, "chi": 1, "correlation": None}),
        (4, ([4000], [2]), {"rate_hz": 0.25, "chi": 0.5, "correlation": None, "correlation_pairs": 0}),
        (2, ([7, 7], [0, 1]), {"chi": 1, "correlation": 1, "correlation_pairs": 1, "correlation_sd": 0}),
        (1, ([5, 105, 305], [0, 0, 0]), {"cv": None, "interval_cells": 0, "fano_cells": 1}),
        (1, (range(0, 600, 100), [0] * 6), {"cv": 0, "lv": 0, "interval_cells": 1}),
        (3, (np.repeat(np.arange(STEPS), 3), [0, 1, 2] * STEPS), {"fano": 0, "chi": None, "peak_hz": None}),
    ],
    ids=[
        "no spikes",
        "one silent cell",
        "one spike",
        "one spike of 4 cells",
        "a pair",
        "two intervals",
        "five intervals",
        "every step",
    ],
)
def test_little_to_tell(tmp_path, size, spikes, expected) -> None:
    result = told(tmp_path / "out.h5", size, spikes)
    for key, value in expected.items():
        assert getattr(result, key) == (None if value is None else pytest.approx(value, abs=1e-9)), key
    json.dumps(dataclasses.asdict(result), allow_nan=False)


@pytest.mark.parametrize("stop_ms", [0.1, 0.3, 3.0, 7.0, 40.0, 99.9])
def test_short_windows(tmp_path, stop_ms) -> None:
    """Whatever does not fit into the window is not told."""
    with record(tmp_path / "out.h5", {"exc": 9}, {"exc": poisson(9, 200.0)}) as recording:
        result = statistics(recording, select(recording, stop_ms=stop_ms)).populations["exc"]
    assert result.fano is None
    assert (result.chi_independent is None) == (stop_ms < 5)
    assert (result.spectrum_resolution_hz is None) == (stop_ms < 8 or not result.spikes)
    assert result.rate_hz == pytest.approx(result.spikes / 9 / stop_ms * 1000)
    json.dumps(dataclasses.asdict(result), allow_nan=False)


def test_a_recording_that_has_just_begun(tmp_path) -> None:
    with record(tmp_path / "out.h5", {"exc": 5}, {}, stopped=0.0, complete=False) as recording:
        result = statistics(recording).populations["exc"]
    assert (result.cells, result.spikes, result.rate_hz) == (5, 0, None)


def test_a_window_within_one_step_holds_nothing(tmp_path) -> None:
    with record(tmp_path / "out.h5", {"exc": 5}, {"exc": ([3], [1])}) as recording:
        result = statistics(recording, select(recording, start_ms=0.31, stop_ms=0.33)).populations["exc"]
    assert (result.cells, result.spikes, result.rate_hz) == (5, 0, None)


def test_a_population_of_which_only_traces_are_recorded(tmp_path) -> None:
    traces = [TraceColumns("inh", "v", (3, 8), 0.1)]
    with record(
        tmp_path / "out.h5", {"exc": 5}, {"exc": ([3], [1])}, traces=traces, stopped=1.0
    ) as recording:
        result = statistics(recording).populations
    assert result["exc"].spikes == 1
    told_of = {key: value for key, value in dataclasses.asdict(result["inh"]).items() if value is not None}
    assert told_of == {"cells": 9}


def test_cells_that_a_smaller_population_does_not_have(tmp_path) -> None:
    with record(tmp_path / "out.h5", {"exc": 5, "inh": 2}, {"exc": ([3], [4])}) as recording:
        result = statistics(recording, select(recording, nodes=(3, 5))).populations
    assert (result["inh"].cells, result["inh"].spikes, result["inh"].rate_hz) == (0, 0, None)
    assert (result["exc"].cells, result["exc"].spikes) == (2, 1)


@pytest.mark.parametrize(("asked", "used"), [(5.0, 5.0), (0.26, 0.3), (0.001, 0.1), (3.14, 3.1)])
def test_bins_are_whole_steps(tmp_path, asked, used) -> None:
    with record(tmp_path / "out.h5", {"exc": 5}, {"exc": poisson(5, 100.0)}) as recording:
        result = statistics(recording, bin_ms=asked, window_ms=asked)
        assert result.populations == statistics(recording, bin_ms=used, window_ms=used).populations
    assert (result.bin_ms, result.window_ms) == (pytest.approx(used), pytest.approx(used))


@pytest.mark.parametrize("width", [0.0, -1.0, math.inf, math.nan])
def test_bins_without_length_are_refused(tmp_path, width) -> None:
    with record(tmp_path / "out.h5", {"exc": 5}, {}) as recording:
        with pytest.raises(SelectionRefused, match="cannot be counted in bins"):
            statistics(recording, bin_ms=width)
        with pytest.raises(SelectionRefused, match="cannot be counted in bins"):
            statistics(recording, window_ms=width)
