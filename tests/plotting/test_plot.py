"""Figures: what is drawn is what was recorded, and what is not drawn is told."""

from __future__ import annotations

import re
import subprocess
import sys
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest
import recordings
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from places import ROOT

import hhsim
from hhsim.analysis import intervals, power_spectrum
from hhsim.errors import FileFailed, NoSuchDevice, OutputExists, PlotRefused, SelectionRefused, exit_code_of
from hhsim.plotting import KINDS, draw, plot, save
from hhsim.plotting.colours import OKABE_ITO, pens
from hhsim.plotting.intervals import edges_of, interval_counts
from hhsim.plotting.raster import bands_of, density, thinning
from hhsim.plotting.rates import rate_of
from hhsim.plotting.traces import envelope, spread, traced
from hhsim.plotting.view import View
from hhsim.recording import Recorder, TraceColumns, open_recording, select

KIND_SETS = [kinds for n in (1, 2, 5) for kinds in combinations(KINDS, n)]


@pytest.fixture(scope="module")
def recording(small_run):
    with hhsim.open(small_run.output) as opened:
        yield opened


def view_of(recording, **choice) -> View:
    selection = select(recording, **choice)
    return View(recording, selection, pens(selection.cells))


def panel(figure: Figure, label: str):
    """The panel with that label at its y axis."""
    return next(axes for axes in figure.axes if axes.get_ylabel().startswith(label))


def raster_of(figure: Figure):
    return figure.axes[0]


def texts_of(figure: Figure) -> str:
    found = [figure.get_suptitle(), figure.get_supxlabel()]
    for axes in figure.axes:
        found += [axes.get_title(loc="right"), axes.get_xlabel(), axes.get_ylabel()]
        found += [label.get_text() for label in axes.get_yticklabels()] + [
            text.get_text() for text in axes.texts
        ]
    return "\n".join(found)


def many_spikes(path: Path, count: int, sizes: dict[str, int], steps: int = 1000) -> Path:
    """`count` spikes of each population at random, at most one in a step and cell."""
    random = np.random.default_rng(count)
    trains = {}
    for name, size in sizes.items():
        places = np.sort(random.choice(steps * size, count, replace=False))
        trains[name] = np.stack([places // size, places % size], axis=1)
    recorder = Recorder(
        path, populations=sizes, traces=[], dt=0.1, duration=steps * 0.1, resolved_config="", facts={}
    )
    with recorder:
        for name, rows in trains.items():
            recorder.append_spikes(name, rows[:, 0], rows[:, 1])
        recorder.close(True, steps * 0.1, {}, "{}")
    return path


# What is drawn


@pytest.mark.parametrize(
    "choice",
    [{}, {"start_ms": 30.0, "stop_ms": 71.3}, {"nodes": (20, 50)}, {"populations": ["inh"], "nodes": (3, 4)}],
    ids=str,
)
def test_the_raster_shows_the_selected_spikes(recording, choice) -> None:
    selection = select(recording, **choice)
    axes = raster_of(plot(recording, selection, kinds=["raster"]))
    bands = bands_of(selection.cells)
    lines = [line for line in axes.lines if line.get_linestyle() == "None"]
    assert len(lines) == len(selection.cells)
    for (name, cells), line in zip(selection.cells.items(), lines, strict=True):
        spikes = recording.spikes[name]
        steps = range(round(selection.start_ms / 0.1), round(selection.stop_ms / 0.1))
        chosen = np.isin(spikes.steps, steps) & np.isin(spikes.nodes, cells)
        band = bands[name]
        nodes = (line.get_ydata() - band.bottom) / (band.top - band.bottom) * len(cells) - 0.5 + cells.start
        assert np.array_equal(line.get_xdata(), spikes.times_ms[chosen])
        assert np.allclose(nodes, spikes.nodes[chosen], atol=1e-6)
    assert axes.get_title(loc="right").strip() == ""


def test_the_first_population_is_at_the_bottom_and_none_is_too_thin() -> None:
    bands = bands_of({"a": range(1_000_000), "b": range(5), "c": range(100, 200)})
    edges = [edge for band in bands.values() for edge in (band.bottom, band.top)]
    assert edges == sorted(edges)
    assert (edges[0], edges[-1]) == (0, pytest.approx(1))
    assert min(band.top - band.bottom for band in bands.values()) > 0.08


@pytest.mark.parametrize("choice", [{}, {"start_ms": 12.3, "stop_ms": 45.6}, {"nodes": (0, 17)}], ids=str)
@pytest.mark.parametrize("slab", [7, 1 << 16])
@pytest.mark.parametrize("bin_steps", [1, 7, 30, 333, 10_000])
def test_the_area_below_a_rate_is_the_spikes_of_a_cell(
    recording, choice, slab, bin_steps, monkeypatch
) -> None:
    monkeypatch.setattr("hhsim.recording.contents.SLAB", slab)
    view = view_of(recording, **choice)
    for name, cells in view.populations.items():
        edges, rate = rate_of(view, name, bin_steps)
        counts = np.rint(rate * np.diff(edges) / 1000 * len(cells))
        assert counts.sum() == view.spike_count(name) > 0
        assert (edges[0], edges[-1]) == pytest.approx((view.start_ms, view.stop_ms))
        times = np.concatenate([times for times, _ in view.spikes(name)])
        slow = np.diff(np.searchsorted(times, edges + 1e-6))  # a bin holds its end, but not its start
        assert np.array_equal(counts, slow)


def test_the_rates_drawn_are_those_of_all_cells(recording) -> None:
    axes = panel(plot(recording, kinds=["rate"]), "rate")
    for patch, (name, size) in zip(axes.patches, recording.populations.items(), strict=True):
        values, edges, _ = patch.get_data()
        spikes = np.sum(values * np.diff(edges)) / 1000 * size
        assert spikes == pytest.approx(len(recording.spikes[name]))


@given(
    px=st.tuples(st.integers(1, 300), st.integers(1, 300)),
    start=st.integers(0, 60),
    length=st.integers(1, 40),
    first=st.integers(0, 100),
    cells=st.integers(1, 60),
)
@settings(deadline=None, max_examples=60)
def test_the_density_counts_each_spike_once(recording, px, start, length, first, cells) -> None:
    view = view_of(recording, start_ms=start, stop_ms=start + length, nodes=(first, first + cells))
    bands = bands_of(view.populations)
    for name, band in bands.items():
        counts, column_ms, row_cells = density(view, name, band, px)
        assert counts.sum() == view.spike_count(name)
        slow = np.zeros_like(counts)
        for times, nodes in view.spikes(name):
            for t, node in zip(times, nodes, strict=True):
                step = round(t / 0.1) - 1 - round(view.start_ms / 0.1)
                slow[(node - band.cells.start) // row_cells, step // round(column_ms / 0.1)] += 1
        assert np.array_equal(counts, slow)


def test_where_points_would_hide_each_other_a_density_is_drawn(tmp_path) -> None:
    path = many_spikes(tmp_path / "many.h5", 300_000, {"exc": 800, "inh": 600})
    with open_recording(path) as recording:
        axes = raster_of(plot(recording))
        images = axes.images
        assert [int(image.get_array().sum()) for image in images] == [300_000, 300_000]
        assert not [line for line in axes.lines if line.get_linestyle() == "None"]
        assert axes.get_title(loc="right").startswith("density of all 600,000 spikes")
        for image, band in zip(images, bands_of(select(recording).cells).values(), strict=True):
            left, right, bottom, top = image.get_extent()
            assert (left, bottom) == (0, band.bottom)
            assert right == pytest.approx(100, rel=0.01)
            assert top == pytest.approx(band.top, rel=0.01)


def test_thinning_tells_what_it_leaves_out(tmp_path) -> None:
    path = many_spikes(tmp_path / "some.h5", 40_000, {"exc": 900, "inh": 700})
    with open_recording(path) as recording:
        axes = raster_of(plot(recording))
        note = axes.get_title(loc="right")
        found = re.fullmatch(r"every (\d)(?:nd|rd|th) cell: ([\d,]+) of 80,000 spikes", note)
        assert found, note
        every, shown = int(found[1]), int(found[2].replace(",", ""))
        lines = [line for line in axes.lines if line.get_linestyle() == "None"]
        assert sum(len(line.get_xdata()) for line in lines) == shown
        kept = [np.count_nonzero(spikes.nodes % every == 0) for spikes in recording.spikes.values()]
        assert [len(line.get_xdata()) for line in lines] == kept


@given(
    counts=st.lists(st.integers(0, 10**7), min_size=1, max_size=4),
    sizes=st.lists(st.integers(1, 10**6), min_size=4, max_size=4),
    most=st.floats(1, 1e5),
)
def test_thinning_shows_all_that_fits_and_never_too_much(counts, sizes, most) -> None:
    names = "abcd"[: len(counts)]
    counted = dict(zip(names, counts, strict=True))
    every = thinning(counted, {name: range(size) for name, size in zip(names, sizes, strict=False)}, most)
    if sum(counts) <= most:
        assert every == dict.fromkeys(names, 1)
    if every is not None:
        assert sum(counted[name] / every[name] for name in names) <= 2 * most
        assert all(1 <= number <= 10 for number in every.values())


def test_a_small_population_is_not_thinned() -> None:
    cells = {"few": range(20), "many": range(5000)}
    assert thinning({"few": 2000, "many": 50_000}, cells, 20_000) == {"few": 1, "many": 3}


@given(st.integers(1, 400), st.integers(0, 900), st.integers(1, 99), st.integers(1, 64))
@settings(deadline=None, max_examples=60)
def test_an_envelope_loses_no_peak_and_invents_nothing(bumpy, bins, start, length, piece) -> None:
    with open_recording(bumpy) as recording, pytest.MonkeyPatch.context() as patch:
        patch.setattr("hhsim.plotting.traces.PIECE", piece)
        view = view_of(recording, start_ms=start / 10, stop_ms=min(start / 10 + length, 100))
        for row in traced(view)["v"]:
            times, values = envelope(row, view, bins)
            inside = (row.trace.t_ms > view.start_ms - 0.01) & (row.trace.t_ms < view.stop_ms + 0.01)
            all_times, all_values = row.trace.t_ms[inside], row.trace.data[inside, row.column]
            places = np.searchsorted(all_times, times)
            assert np.array_equal(all_times[places], times)
            assert np.array_equal(all_values[places], values)
            assert np.all(np.diff(times) >= 0)
            assert (values.min(), values.max()) == (all_values.min(), all_values.max())
            assert len(values) <= 2 * bins or len(values) == len(all_values)
            per_bin = max(1, -(-len(all_values) // bins))
            for first in range(0, len(all_values), per_bin):  # each pixel shows its extremes
                one = all_values[first : first + per_bin]
                drawn = values[(places >= first) & (places < first + per_bin)]
                assert (drawn.min(), drawn.max()) == (one.min(), one.max())


@pytest.fixture(scope="module")
def bumpy(tmp_path_factory) -> Path:
    """Traces of three cells with single frames far above the others."""
    random = np.random.default_rng(3)
    frames = random.normal(-65, 3, (1000, 3)).astype(np.float32)
    frames[random.integers(0, 1000, 12), random.integers(0, 3, 12)] = 40
    return recordings.write(tmp_path_factory.mktemp("bumpy") / "bumpy.h5", {}, frames, every_ms=0.1)


def test_one_trace_has_an_axis_and_several_a_scale_bar(bumpy) -> None:
    with open_recording(bumpy) as recording:
        alone = panel(plot(recording, select(recording, nodes=(2, 3)), kinds=["trace"]), "v (mV)")
        trace = recording.trace("exc")
        assert np.array_equal(alone.lines[0].get_ydata(), trace.data[:, 1].astype(float))
        low, high = alone.get_ylim()
        assert low < trace.data[:, 1].min()
        assert trace.data[:, 1].max() < high
        stacked = panel(plot(recording, kinds=["trace"]), "v (mV)")
        assert [label.get_text() for label in stacked.get_yticklabels()] == ["exc 0", "exc 2", "exc 5"]
        bar = stacked.lines[-1].get_ydata()
        assert stacked.texts[0].get_text() == f"{bar[1] - bar[0]:g} mV"
        tops = [line.get_ydata().max() for line in stacked.lines[:-1]]
        bottoms = [line.get_ydata().min() for line in stacked.lines[:-1]]
        assert all(top < bottom for top, bottom in zip(tops, bottoms[1:], strict=False)), "rows overlap"


def test_each_variable_has_its_panel_and_unit(tmp_path) -> None:
    columns = [
        TraceColumns("exc", "na.m", range(2), 1.0, "1"),
        TraceColumns("exc", "v", range(40), 1.0),
        TraceColumns("inh", "v", range(2), 1.0),
        TraceColumns("exc", "g.exc", range(1), 0.5, "nS"),
    ]
    recorder = Recorder(
        tmp_path / "out.h5",
        populations={},
        traces=columns,
        dt=0.1,
        duration=10.0,
        resolved_config="",
        facts={},
    )
    with recorder:
        for i, column in enumerate(columns):
            recorder.append_frames(i, np.zeros((round(10 / column.every), len(column.nodes)), np.float32))
        recorder.close(True, 10.0, {}, "{}")
    with open_recording(tmp_path / "out.h5") as recording:
        figure = plot(recording)
        assert [axes.get_ylabel() for axes in figure.axes] == ["v (mV)", "na.m", "g.exc (nS)"]
        names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
        assert len(names) == 10
        assert names[-1].startswith("inh"), "each population is shown"
        assert figure.axes[0].get_title(loc="right") == "10 of 42 cells; frames every 1 ms miss peaks"


@given(st.lists(st.integers(1, 30), min_size=1, max_size=4), st.integers(1, 20))
def test_cells_are_spread_over_populations(sizes, most) -> None:
    from hhsim.plotting.traces import Row

    rows = [Row(f"p{i}", node, None, node) for i, size in enumerate(sizes) for node in range(size)]
    shown = spread(rows, most)
    assert len(shown) == len(set(shown)) == min(most, len(rows))
    assert len({row.population for row in shown}) == min(most, len(sizes))
    assert shown == sorted(shown, key=rows.index)


@pytest.mark.parametrize("slab", [5, 1 << 16])
def test_intervals_in_pieces_are_those_of_all_spikes(recording, slab, monkeypatch) -> None:
    monkeypatch.setattr("hhsim.recording.contents.SLAB", slab)
    view = view_of(recording)
    edges = edges_of(view)
    assert np.all(np.diff(edges) > 0.999 * view.dt_ms)
    for name in view.populations:
        spikes = recording.spikes[name]
        lengths, _ = intervals(spikes.times_ms, spikes.nodes)
        counts = interval_counts(view, name, edges)
        assert counts.sum() == len(lengths) > 0
        assert np.array_equal(counts, np.histogram(lengths, edges)[0])


def test_each_distribution_of_intervals_has_area_one(recording) -> None:
    axes = panel(plot(recording, kinds=["isi"]), "share")
    for patch in axes.patches:
        values, edges, _ = patch.get_data()
        assert np.sum(values * np.diff(np.log10(edges))) == pytest.approx(1)


def test_the_spectrum_is_that_of_the_rate(recording) -> None:
    axes = panel(plot(recording, kinds=["psd"]), "power")
    rate = hhsim.analysis.population_rate(recording.spikes["exc"].times_ms, 0, 100, 1.0, 160)[1]
    frequency, power = power_spectrum(rate, 1.0)
    x, y = axes.lines[0].get_data()
    assert np.allclose(x, frequency[1 : len(x) + 1])
    assert np.allclose(y, power[1 : len(x) + 1])
    assert len(x) >= len(frequency) - 2


# Which panels, and what is said around them


@pytest.mark.parametrize("kinds", KIND_SETS, ids=",".join)
def test_every_kind_alone_and_together(recording, kinds) -> None:
    figure = plot(recording, kinds=kinds)
    assert len(figure.axes) == len(kinds)
    over_time = [axes for axes in figure.axes if axes.get_xlim() == (0, 100)]
    assert len(over_time) == len(set(kinds) & {"raster", "rate", "trace"})
    figure.draw_without_rendering()
    boxes = [axes.get_tightbbox().padded(-1) for axes in figure.axes]
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2)), "panels overlap"
    for box in boxes:
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= figure.bbox.x1
        assert box.y1 <= figure.bbox.y1


def test_panels_are_aligned(recording) -> None:
    figure = plot(recording)
    figure.draw_without_rendering()
    raster, rate, trace = (axes.get_position() for axes in figure.axes)
    assert (raster.x0, raster.x1) == pytest.approx((rate.x0, rate.x1))
    assert (raster.y1, rate.y0) == pytest.approx((trace.y1, trace.y0), abs=1e-3)  # less than a pixel
    assert trace.x0 > raster.x1


def test_populations_have_their_name_and_colour_where_there_is_no_raster(recording) -> None:
    (legend,) = plot(recording, kinds=["rate"]).legends
    assert [text.get_text() for text in legend.get_texts()] == ["exc", "inh"]
    assert not plot(recording, kinds=["raster", "rate"]).legends


def test_the_figure_says_where_it_comes_from(recording, small_run) -> None:
    figure = plot(recording)
    foot = figure.get_supxlabel()
    assert figure.get_suptitle() == "COBAHH"
    for part in (
        "out.h5",
        "seed 2007",
        f"hhsim {hhsim.__version__}",
        "exponential_euler, dt 0.1 ms, float64",
        "complete, 100 ms",
        f"exc {small_run.spikes_sha256['exc'][:8]}",
    ):
        assert part in foot


def test_labels_name_cells(recording) -> None:
    said = texts_of(plot(recording))
    assert "exc\n160 cells" in said
    assert "inh\n40 cells" in said
    assert "v (mV)" in said
    part = texts_of(plot(recording, select(recording, nodes=(30, 40))))
    assert "cells 30 to 39" in part
    assert "time (ms)" in part


def test_a_long_window_has_an_axis_in_seconds(tmp_path) -> None:
    path = recordings.write(tmp_path / "out.h5", {"exc": [(599_999, 0)]}, duration_ms=60_000.0)
    with open_recording(path) as recording:
        figure = plot(recording)
        assert "time (s)" in texts_of(figure)
        assert raster_of(figure).get_xlim() == (0, 60)
        assert "complete, 60 s" in figure.get_supxlabel()


def test_names_are_taken_as_they_are(tmp_path) -> None:
    sizes = {"$a_1$": 4, "_b^{": 4, "a very long name of a population": 4, "%\\": 4}
    path = recordings.write(
        tmp_path / "$x_1$.h5", {}, sizes=sizes, facts={"title": r"$\frac{_^ \alpha & % #"}
    )
    for form in ("png", "pdf", "svg"):
        draw(path, tmp_path / f"out.{form}", kinds=["raster", "rate", "isi"])
    draw(path, tmp_path / "rate.png", kinds=["rate"])
    text = (tmp_path / "out.svg").read_text()
    assert r"$\frac{_^ \alpha &amp; % #" in text
    assert "$a_1$" in text
    assert "_b^{" in text
    assert "a very long name of a p…" in text


def test_a_hundred_populations_are_named_as_far_as_there_is_room(tmp_path) -> None:
    path = recordings.write(tmp_path / "out.h5", {}, sizes={f"p{i:03}": 3 for i in range(100)})
    with open_recording(path) as recording:
        figure = plot(recording)
        figure.draw_without_rendering()
        boxes = [label.get_window_extent() for label in raster_of(figure).get_yticklabels()]
        assert 20 < len(boxes) <= 100
        assert figure.get_supxlabel().endswith(", 96 more")
        assert not any(a.overlaps(b) for a, b in pairwise(boxes))


# Recordings of all kinds


@pytest.mark.parametrize("kinds", KIND_SETS[:5] + KIND_SETS[-1:], ids=",".join)
def test_silent_cells_are_drawn_without_a_warning(tmp_path, kinds) -> None:
    frames = np.full((100, 3), -65.0)
    path = recordings.write(tmp_path / "out.h5", {}, frames)
    draw(path, tmp_path / "out.png", kinds=kinds)
    with open_recording(path) as recording:
        said = texts_of(plot(recording, kinds=kinds))
    if set(kinds) & {"raster", "psd"}:
        assert "no spikes" in said
    if "isi" in kinds:
        assert "no cell fires twice" in said


def test_values_that_are_not_finite_leave_gaps(tmp_path) -> None:
    frames = np.full((100, 3), -65.0)
    frames[50:] = np.nan
    frames[20, 1] = np.inf
    frames[:, 2] = np.nan
    draw(recordings.write(tmp_path / "out.h5", {}, frames), kinds=["trace"])


def test_a_value_that_is_no_number_hides_no_peak(tmp_path) -> None:
    frames = np.full((1000, 1), -65.0)
    frames[500], frames[501] = np.nan, 40
    path = recordings.write(tmp_path / "out.h5", {}, frames, cells=(0,), every_ms=0.1)
    with open_recording(path) as recording:
        view = view_of(recording)
        assert np.nanmax(envelope(traced(view)["v"][0], view, 10)[1]) == 40


def test_a_recording_that_was_cut_off(tmp_path) -> None:
    spikes = {"exc": [(10, 0), (400, 3)], "inh": [(20, 1)]}
    path = recordings.write(tmp_path / "out.h5", spikes, np.zeros((50, 3)), cut_off=True)
    with open_recording(path) as recording:
        figure = plot(recording)
        assert "50 ms of 100 ms: still being written, or cut off" in figure.get_supxlabel()
        assert raster_of(figure).get_xlim() == (0, 50)


def test_a_recording_that_is_being_written(tmp_path) -> None:
    recorder = Recorder(
        tmp_path / "out.h5",
        populations={"exc": 5},
        traces=[],
        dt=0.1,
        duration=100.0,
        resolved_config="",
        facts={},
    )
    with recorder:
        with pytest.raises(SelectionRefused, match="nothing has been recorded yet"):
            draw(tmp_path / "out.h5")
        for k in range(1, 4):
            recorder.append_spikes("exc", np.array([k * 100 - 50]), np.array([k]))
            recorder.flush(k * 10.0)
            draw(tmp_path / "out.h5", overwrite=True)
            with open_recording(tmp_path / "out.h5") as recording:
                assert len(raster_of(plot(recording)).lines[0].get_xdata()) == k
        recorder.close(False, 30.0, {}, "{}")
    with open_recording(tmp_path / "out.h5") as recording:
        assert "cut off at 30 ms of 100 ms" in plot(recording).get_supxlabel()


def test_of_one_cell_raster_and_trace_stand_above_each_other(tmp_path) -> None:
    spikes = {"exc": [(100, 0), (500, 0)]}
    path = recordings.write(tmp_path / "out.h5", spikes, np.zeros((100, 1)), cells=(0,), sizes={"exc": 1})
    with open_recording(path) as recording:
        figure = plot(recording)
        figure.draw_without_rendering()
        raster, trace = (axes.get_position() for axes in figure.axes)
        assert (raster.x0, raster.x1) == pytest.approx((trace.x0, trace.x1))
        assert raster.y0 > trace.y1


# Files


def test_the_figure_goes_beside_the_recording(command, tmp_path) -> None:
    (tmp_path / "data").mkdir()
    recordings.write(tmp_path / "data" / "run.one.h5", {"exc": [(10, 0)]})
    result = command("plot", "data/run.one.h5")
    assert (result.code, result.out, result.err) == (0, "data/run.one.png\n", "")
    assert (tmp_path / "data" / "run.one.png").read_bytes().startswith(b"\x89PNG")
    assert command("plot", "data/run.one.h5").code == 5
    assert command("plot", "data/run.one.h5", "--force").code == 0
    assert {path.name for path in (tmp_path / "data").iterdir()} == {"run.one.h5", "run.one.png"}


@pytest.mark.parametrize(("form", "magic"), [("png", b"\x89PNG"), ("pdf", b"%PDF-"), ("SVG", b"<?xml")])
def test_the_same_recording_gives_the_same_file(recording, tmp_path, form, magic) -> None:
    """Drawn once more, or saved once more."""
    first, second, again = (tmp_path / f"{name}.{form}" for name in ("a", "b", "again"))
    figure = plot(recording, kinds=KINDS)
    save(figure, first)
    save(plot(recording, kinds=KINDS), second)
    save(figure, again)
    assert first.read_bytes() == second.read_bytes() == again.read_bytes()
    assert first.read_bytes().startswith(magic)


def test_text_stays_text(recording, tmp_path) -> None:
    save(plot(recording), tmp_path / "out.svg")
    text = (tmp_path / "out.svg").read_text()
    assert "COBAHH" in text
    assert "rate (Hz)" in text
    save(plot(recording), tmp_path / "out.pdf")
    assert b"/FontFile2" in (tmp_path / "out.pdf").read_bytes(), "TrueType, not Type 3"


def test_many_points_do_not_swell_a_vector_file(tmp_path) -> None:
    path = many_spikes(tmp_path / "many.h5", 60_000, {"exc": 5000})
    draw(path, tmp_path / "out.svg", kinds=["raster"])
    assert "<image" in (tmp_path / "out.svg").read_text()
    assert (tmp_path / "out.svg").stat().st_size < 1_500_000


def test_a_failed_save_leaves_what_was_there(recording, tmp_path, monkeypatch) -> None:
    figure = plot(recording, kinds=["rate"])
    place = tmp_path / "out.png"
    place.write_text("mine")

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(figure, "savefig", fail)
    with pytest.raises(FileFailed, match="no space"):
        save(figure, place, overwrite=True)
    assert place.read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["out.png"]


def test_styles(recording, tmp_path) -> None:
    dark = plot(recording, style="dark_background")
    assert dark.get_facecolor()[:3] == (0, 0, 0)
    sheet = tmp_path / "mine.mplstyle"
    sheet.write_text(
        "figure.figsize: 4, 3\nfigure.dpi: 50\naxes.prop_cycle: cycler(color=['000000', 'ff0000'])\n"
    )
    mine = plot(recording, style=str(sheet), kinds=["raster", "rate"])
    assert (mine.get_size_inches() * mine.dpi).tolist() == [200, 150]
    assert [label.get_color() for label in raster_of(mine).get_yticklabels()] == ["#000000", "#ff0000"]


def test_settings_of_the_user_do_not_leak(recording, tmp_path) -> None:
    import matplotlib

    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red"}):
        before = dict(matplotlib.rcParams)
        save(plot(recording), tmp_path / "a.png")
        assert dict(matplotlib.rcParams) == before
    save(plot(recording), tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


# Refusals


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--kind", "raster,foo"], 2, "no kind of panel 'foo': choose of raster, rate, trace, isi, psd"),
        (["--kind", "raster,"], 2, "no kind of panel ''"),
        (["--style", "foo"], 2, "'foo' is neither a style of matplotlib nor a file; styles are"),
        (["--style", "https://example.org/x.mplstyle"], 2, "neither a style"),
        (["--style", "out.h5"], 2, "out.h5 is no style of matplotlib"),
        (["--style", "keys.mplstyle"], 2, "keys.mplstyle is no style of matplotlib: Bad key"),
        (["--style", "values.mplstyle"], 2, "values.mplstyle is no style of matplotlib: Bad value"),
        (["-o", "out.jpg"], 2, "ends with .png, .pdf, .svg"),
        (["-o", "out"], 2, "ends with .png, .pdf, .svg"),
        (["-o", "there.png"], 5, "there.png: the file exists already"),
        (["-o", "nowhere/out.png"], 5, "the folder nowhere does not exist"),
        (["-o", "folder.png"], 5, "is a folder"),
        (["--start", "200 ms"], 2, "after the end of the recording"),
        (["--population", "esc"], 2, "no population 'esc'"),
        (["--kind", "psd", "--stop", "7 ms"], 2, "a window of 7 ms is too short for a spectrum"),
        (["--kind", "trace"], 2, "no traces of the selected cells were recorded"),
        (["--start", "5 nS"], 2, "5 nS"),
    ],
    ids=str,
)
def test_refusals(command, tmp_path, arguments, code, message) -> None:
    recordings.write(tmp_path / "out.h5", {"exc": [(10, 0)]})
    (tmp_path / "there.png").write_text("mine")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "keys.mplstyle").write_text("no.such.key: 1\n")
    (tmp_path / "values.mplstyle").write_text("font.size: large and round\n")
    before = {path.name for path in tmp_path.iterdir()}
    result = command("plot", "out.h5", *arguments)
    assert result.code == code, result.err
    assert message in result.err
    assert not result.out
    assert {path.name for path in tmp_path.iterdir()} == before
    assert (tmp_path / "there.png").read_text() == "mine"


def test_a_recording_is_never_written_over(tmp_path) -> None:
    path = recordings.write(tmp_path / "run.png", {"exc": [(10, 0)]})
    before = path.read_bytes()
    with pytest.raises(PlotRefused, match="is the recording itself"):
        draw(path, path, overwrite=True)
    assert path.read_bytes() == before


def test_nothing_to_draw(tmp_path) -> None:
    empty = recordings.write(tmp_path / "empty.h5", {}, sizes={})
    with pytest.raises(SelectionRefused, match="neither spikes nor traces"):
        draw(empty)
    traces = recordings.write(tmp_path / "traces.h5", {}, np.zeros((100, 3)), sizes={})
    with pytest.raises(SelectionRefused, match="no spikes were recorded, as rate needs"):
        draw(traces, kinds=["rate"])
    with pytest.raises(FileFailed, match="there is no such file"):
        draw(tmp_path / "nowhere.h5")
    (tmp_path / "traces.png").touch()
    with pytest.raises(OutputExists):
        draw(traces)


# Windows

FAKE = """
from matplotlib.backend_bases import FigureManagerBase
from matplotlib.backends.backend_agg import FigureCanvasAgg

class FigureManager(FigureManagerBase):
    @classmethod
    def pyplot_show(cls, *, block=None):
        from matplotlib import pyplot
        print("shown", len(pyplot.gcf().axes), block)

class FigureCanvas(FigureCanvasAgg):
    manager_class = FigureManager
"""


def shown(tmp_path: Path, backend: str) -> subprocess.CompletedProcess[str]:
    recordings.write(tmp_path / "out.h5", {"exc": [(10, 0)]})
    (tmp_path / "fake_backend.py").write_text(FAKE)
    code = (
        f"import os, sys; os.environ['MPLBACKEND'] = {backend!r}; sys.path.insert(0, {str(tmp_path)!r}); "
        f"from hhsim.cli import main; sys.exit(main(['plot', {str(tmp_path / 'out.h5')!r}, '--show']))"
    )
    root = ROOT
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, timeout=60)


def test_a_window_shows_the_figure_and_no_file_is_written(tmp_path) -> None:
    run = shown(tmp_path, "module://fake_backend")
    assert (run.returncode, run.stdout) == (0, "shown 2 True\n"), run.stderr
    assert not (tmp_path / "out.png").exists()


def test_where_no_window_can_be_opened_that_is_said(tmp_path) -> None:
    run = shown(tmp_path, "agg")
    assert run.returncode == exit_code_of(NoSuchDevice())
    assert "no window can be opened: matplotlib draws with agg" in run.stderr


def test_pyplot_is_left_alone(tmp_path) -> None:
    path = recordings.write(tmp_path / "out.h5", {"exc": [(10, 0)]})
    code = (
        f"import sys; from hhsim.cli import main; code = main(['plot', {str(path)!r}]); "
        "sys.exit(code or 'matplotlib.pyplot' in sys.modules or 'numba' in sys.modules)"
    )
    root = ROOT
    assert subprocess.run([sys.executable, "-c", code], cwd=root, timeout=60, check=False).returncode == 0


# Colours

# What those without one kind of cone see, linear RGB: Machado, Oliveira & Fernandes (2009), IEEE Trans Vis
# Comput Graph 15:1291, severity 1.
SEEN = {
    "all cones": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
}


def lab(colour: str, seen: object) -> np.ndarray:
    """CIELAB (D65) of a colour as it is seen; a distance of 2.3 is just noticed."""
    srgb = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(np.asarray(seen) @ linear, 0, 1)
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ linear
    f = [x ** (1 / 3) if x > 0.008856 else 7.787 * x + 16 / 116 for x in xyz / [0.9505, 1.0, 1.089]]
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("seen", SEEN, ids=str)
def test_the_colour_blind_tell_populations_apart(seen) -> None:
    def apart(a: str, b: str) -> float:
        return float(np.linalg.norm(lab(a, SEEN[seen]) - lab(b, SEEN[seen])))

    assert min(apart(a, b) for a, b in combinations(OKABE_ITO[:2], 2)) > 60
    assert min(apart(a, b) for a, b in combinations(OKABE_ITO[:3], 2)) > 25
    assert min(apart(a, b) for a, b in combinations(OKABE_ITO, 2)) > 12
    for colour in OKABE_ITO:
        assert apart(colour, "#FFFFFF") > 30, "on white"
        assert apart(colour, "#000000") > 30, "of the axes"
        assert apart(colour, "#666666") > 12, "grey, of notes"


def test_lines_of_many_populations_differ_in_colour_or_dashes() -> None:
    found = list(pens(f"p{i}" for i in range(18)).values())
    assert len(set(found)) == 18
