"""Figures in files and windows."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.backends import BackendFilter, backend_registry
from matplotlib.figure import Figure

from hhsim.errors import NoSuchDevice, PlotRefused
from hhsim.plotting.figure import plot
from hhsim.plotting.panels import check_kinds
from hhsim.plotting.style import ALWAYS, styled
from hhsim.recording import open_any, select
from hhsim.recording.files import check_output, named_after
from hhsim.system.whole import written_whole

NO_DATE: dict[str, dict[str, None]] = {".png": {}, ".pdf": {"CreationDate": None}, ".svg": {"Date": None}}
PASSES = 3  # of the solver, each of which leaves about a thousandth of the error: 4e-5, 5e-8, 6e-11
PLACES = 6  # decimals of a share of the figure: much less than a pixel
LEAST_DPI = 300  # of what is rasterised in PDF and SVG


def draw(
    path: str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    *,
    kinds: Sequence[str] = (),
    style: str | None = None,
    show: bool = False,
    overwrite: bool = False,
    given: Mapping[str, Any] | None = None,
    **choice: Any,
) -> Path | None:
    """Draw the recording at `path` into a file, in a window, or both; returns the file.

    Parameters
    ----------
    output : a .png, .pdf or .svg file; default: the name of the recording with .png, beside it, or no file
        at all if `show`
    show : open a window, and wait until it is closed
    overwrite : replace a file that exists
    given : what a file of another program does not say, as for `hhsim.recording.open_any`
    choice : as for `hhsim.recording.select`

    The other parameters are those of `plot`. Raises what `plot`, `select` and `save` raise, and NoSuchDevice
    if no window can be opened; all that can be told beforehand, before the recording is read.
    """
    check_kinds(kinds)
    target = None if show and output is None else Path(output or named_after(Path(path), "png"))
    with styled(style), open_any(path, **(given or {})) as recording:
        if target is not None:
            _check_target(target, recording.path, overwrite)
        window = _window() if show else None
        figure = plot(recording, select(recording, **choice), kinds=kinds, style=style, figure=window)
        if target is not None:
            save(figure, target, overwrite=overwrite)
        if window is not None:
            from matplotlib import pyplot

            pyplot.show(block=True)
    return target


def save(figure: Figure, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Write a figure as PNG, PDF or SVG; the same figure gives the same bytes.

    The file appears under its name only when it is complete. Raises PlotRefused for another ending,
    OutputExists for a file that is there unless `overwrite`, and FileFailed if it cannot be written.
    """
    place = Path(path)
    form = _form(place)
    check_output(place, (), overwrite)
    dpi = "figure" if form == ".png" else max(LEAST_DPI, figure.dpi)
    with (
        written_whole(place, overwrite) as hidden,
        matplotlib.rc_context(ALWAYS),
        _any_letters(),
        _settled(figure),
    ):
        figure.savefig(hidden, format=form[1:], dpi=dpi, metadata=NO_DATE[form])


@contextmanager
def _any_letters() -> Iterator[None]:
    """Draw a box for a letter that no font has, without a word: titles and names are in any script."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph", category=UserWarning)
        yield


@contextmanager
def _settled(figure: Figure) -> Iterator[None]:
    """Hold the layout as it is, rounded: the solver's last bits differ from one time to the next."""
    engine = figure.get_layout_engine()
    if engine is None:
        yield
        return
    for _ in range(PASSES):
        engine.execute(figure)
    figure.set_layout_engine("none")
    for axes in figure.axes:
        axes.set_position(np.round(axes.get_position().bounds, PLACES).tolist())
        axes.set_in_layout(True)  # of which the position takes it out
    for text in figure.texts:
        text.set_position(np.round(text.get_position(), PLACES).tolist())
    yield
    figure.set_layout_engine(engine)


def _form(path: Path) -> str:
    form = path.suffix.lower()
    if form not in NO_DATE:
        raise PlotRefused(f"{path}: the name of a figure ends with {', '.join(NO_DATE)}")
    return form


def _check_target(target: Path, recording: Path, overwrite: bool) -> None:
    _form(target)
    check_output(target, (), overwrite)
    if target.exists() and target.samefile(recording):
        raise PlotRefused(f"{target} is the recording itself: name the figure with -o")


def _window() -> Figure:
    """An empty figure of pyplot, which can be shown."""
    try:
        from matplotlib import pyplot

        figure: Figure = pyplot.figure()
    except (ImportError, ValueError, RuntimeError) as error:
        raise NoSuchDevice(f"no window can be opened: {error}") from error
    backend = matplotlib.get_backend()
    if backend.lower() in backend_registry.list_builtin(BackendFilter.NON_INTERACTIVE):
        pyplot.close(figure)
        raise NoSuchDevice(
            f"no window can be opened: matplotlib draws with {backend}, which has none; "
            "there is no display here, or no toolkit such as tkinter or PyQt6"
        )
    return figure
