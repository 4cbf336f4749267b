"""Figures of any number of populations, with any names, of windows however short: all can be read."""

from __future__ import annotations

from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest
import recordings

from hhsim.plotting import KINDS, plot, save
from hhsim.plotting.maps import MOST_LINES
from hhsim.plotting.rates import rate_of
from hhsim.plotting.view import View
from hhsim.recording import Recorder, open_recording, select

OF_SPIKES = [
    ("rate",),
    ("isi",),
    ("psd",),
    ("isi", "psd"),
    ("raster", "rate"),
    ("raster", "rate", "isi", "psd"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("many")


def crowd(folder: Path, count: int, name: str = "population {} of a long name") -> Path:
    path = folder / f"{count}.h5"
    if path.exists():
        return path
    random = np.random.default_rng(count)
    sizes = {name.format(i): 4 for i in range(count)}
    recorder = Recorder(
        path, populations=sizes, traces=[], dt=0.1, duration=200.0, resolved_config="", facts={}
    )
    with recorder:
        for each in sizes:
            places = np.sort(random.choice(2000 * 4, 60, replace=False))
            recorder.append_spikes(each, places // 4, places % 4)
        recorder.close(True, 200.0, {}, "{}")
    return path


def map_of(axes) -> np.ndarray:
    (mesh,) = axes.collections
    return np.ma.filled(mesh.get_array(), np.nan)


@pytest.mark.parametrize(
    ("kinds", "count"),
    [
        *((kinds, count) for kinds in OF_SPIKES for count in (1, 6, 30)),
        *((kinds, 60) for kinds in OF_SPIKES[:-1]),
        (OF_SPIKES[-1], 120),
    ],
    ids=lambda value: value if isinstance(value, int) else ",".join(value),
)
def test_panels_keep_their_width_and_nothing_is_cut_off(folder, kinds, count) -> None:
    with open_recording(crowd(folder, count)) as recording:
        figure = plot(recording, kinds=kinds)
        figure.draw_without_rendering()
        for axes in figure.axes:
            alone = (
                len([kind for kind in kinds if kind in ("isi", "psd")]) < 2 or axes.get_position().width > 0.6
            )
            assert axes.get_position().width > (0.45 if alone else 0.22)
            assert axes.bbox.height > 0.2 * figure.dpi
        boxes = [axes.get_tightbbox().padded(-1) for axes in figure.axes]
        boxes += [legend.get_window_extent() for legend in figure.legends]
        boxes += [text.get_window_extent() for text in (figure._suptitle, figure._supxlabel)]
        assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
        for box in boxes:
            assert box.x0 >= 0
            assert box.y0 >= 0
            assert box.x1 <= figure.bbox.x1
            assert box.y1 <= figure.bbox.y1
        for axes in figure.axes:
            if axes.collections:
                labels = [label.get_window_extent() for label in axes.get_yticklabels()]
                assert not any(a.overlaps(b) for a, b in pairwise(labels))


def test_beyond_some_populations_rates_are_rows_of_one_scale(folder) -> None:
    with open_recording(crowd(folder, MOST_LINES + 1)) as recording:
        (axes,) = plot(recording, kinds=["rate"]).axes
        chosen = select(recording)
        view = View(recording, chosen, {})
        shown = map_of(axes)
        width = round(200 / shown.shape[1] / 0.1)
        for row, name in zip(shown, view.populations, strict=True):
            assert np.allclose(row, rate_of(view, name, width)[1])
        assert np.sum(shown) * width * 0.1 / 1000 * 4 == pytest.approx(60 * (MOST_LINES + 1))
    with open_recording(crowd(folder, MOST_LINES)) as recording:
        (axes,) = (figure := plot(recording, kinds=["rate"])).axes
        assert not axes.collections
        assert len(axes.patches) == MOST_LINES
        assert len(figure.legends[0].get_texts()) == MOST_LINES


def test_each_row_of_intervals_has_area_one(folder) -> None:
    with open_recording(crowd(folder, 30)) as recording:
        (axes,) = plot(recording, kinds=["isi"]).axes
        (mesh,) = axes.collections
        edges = mesh.get_coordinates()[0, :, 0]
        assert np.allclose(np.sum(map_of(axes) * np.diff(np.log10(edges)), axis=1), 1)


def test_silent_crowds_are_said_to_be_silent(tmp_path) -> None:
    path = recordings.write(tmp_path / "out.h5", {}, sizes={f"p{i}": 3 for i in range(9)})
    with open_recording(path) as recording:
        figure = plot(recording, kinds=["raster", "rate", "isi", "psd"])
        said = [text.get_text() for axes in figure.axes for text in axes.texts]
        assert said == ["no spikes", "no spikes", "no cell fires twice", "no spikes"]


@pytest.mark.parametrize("sizes", [{"a": 1}, {"a": 3, "b": 3}, {"a": 3, "b": 3, "c": 90}], ids=len)
def test_no_border_goes_through_no_spikes(tmp_path, sizes) -> None:
    path = recordings.write(tmp_path / "out.h5", {}, sizes=sizes)
    with open_recording(path) as recording:
        axes = plot(recording, kinds=["raster"]).axes[0]
        axes.figure.draw_without_rendering()
        (said,) = axes.texts
        box = said.get_window_extent()
        borders = [
            axes.transData.transform((0, line.get_ydata()[0]))[1]
            for line in axes.lines
            if len(line.get_xdata()) == 2
        ]
        assert not any(box.y0 <= border <= box.y1 for border in borders)


def test_names_of_any_letters_are_in_the_legend_and_warn_of_nothing(tmp_path) -> None:
    sizes = {"_hidden": 4, "$x$ %": 4, "皮質": 4, "two\nlines": 4}
    path = recordings.write(tmp_path / "out.h5", {"_hidden": [(10, 0)]}, sizes=sizes)
    with open_recording(path) as recording:
        figure = plot(recording, kinds=["rate"])
        (legend,) = figure.legends
        assert [text.get_text() for text in legend.get_texts()] == [
            "$x$ %",
            "_hidden",
            "two\ufffdlines",
            "皮質",
        ]
        save(figure, tmp_path / "out.png")


def trace_axes(recording, **choice):
    figure = plot(recording, select(recording, **choice))
    return next(axes for axes in figure.axes if axes.get_ylabel().startswith("v"))


def test_a_window_of_one_frame_has_dots_and_one_of_none_says_so(tmp_path) -> None:
    frames = np.linspace(-70, -10, 300).reshape(100, 3)
    path = recordings.write(tmp_path / "out.h5", {}, frames, every_ms=1.0)
    with open_recording(path) as recording:
        axes = trace_axes(recording, start_ms=10.0, stop_ms=10.3)
        dots = [line for line in axes.lines if line.get_marker() == "o"]
        assert [line.get_xdata().tolist() for line in dots] == [[10.0]] * 3
        pitch = 3 * np.ptp(frames[10].astype(np.float32).astype(float))
        values = [line.get_ydata()[0] - i * pitch for i, line in enumerate(dots)]
        assert np.allclose(values, frames[10], rtol=1e-5)
        assert [text.get_text() for text in trace_axes(recording, start_ms=10.1, stop_ms=10.4).texts] == [
            "no frames"
        ]


@pytest.mark.parametrize(("every_ms", "marked"), [(1.0, True), (0.1, False)])
def test_spikes_are_marked_where_frames_miss_their_peaks(tmp_path, every_ms, marked) -> None:
    spikes = {"exc": [(104, 0), (301, 1), (505, 2), (777, 2)]}
    path = recordings.write(
        tmp_path / "out.h5", spikes, np.full((round(100 / every_ms), 3), -65.0), every_ms=every_ms
    )
    with open_recording(path) as recording:
        axes = trace_axes(recording)
        ticks = [line for line in axes.lines if line.get_marker() == "|"]
        note = axes.get_title(loc="right")
        assert ("frames every 1 ms miss peaks; ticks: spikes" in note) == marked
        times = sorted(np.concatenate([line.get_xdata() for line in ticks])) if ticks else []
        assert times == (pytest.approx([10.5, 50.6, 77.8]) if marked else [])


def test_a_crowd_gives_the_same_bytes(folder, tmp_path) -> None:
    with open_recording(crowd(folder, MOST_LINES + 1)) as recording:
        for form in ("png", "pdf", "svg"):
            for name in "ab":
                save(
                    plot(recording, kinds=[kind for kind in KINDS if kind != "trace"]),
                    tmp_path / f"{name}.{form}",
                )
            assert (tmp_path / f"a.{form}").read_bytes() == (tmp_path / f"b.{form}").read_bytes()


def test_nodes_may_be_one_cell(command, tmp_path) -> None:
    recordings.write(tmp_path / "out.h5", {"exc": [(10, 5), (20, 1), (30, 5)]})
    for name in ("stats", "diff"):
        files = ["out.h5"] * (2 if name == "diff" else 1)
        one = command(name, *files, "--nodes", "5", "--population", "exc", "--json")
        same = command(name, *files, "--nodes", "5:6", "--population", "exc", "--json")
        assert one.out == same.out
        assert one.code == same.code == 0, one.err
    assert command("plot", "out.h5", "--nodes", "5", "-o", "one.png").code == 0
    assert command("plot", "out.h5", "--nodes", "5:6", "-o", "same.png").code == 0
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "same.png").read_bytes()
    refused = command("plot", "out.h5", "--nodes", "5-6", "-o", "no.png")
    assert refused.code == 2
    assert "neither a cell such as 5 nor a range of cells such as 0:50" in refused.err
