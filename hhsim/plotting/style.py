"""How figures look: a style of our own, and one that the user names on top of it."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.style
from matplotlib.rcsetup import cycler

from hhsim.errors import PlotRefused
from hhsim.plotting.colours import OKABE_ITO

SMALL = 6.0  # pt, of notes; the least that journals print
SHOWN_STYLES = 8  # named in a refusal

BASE: dict[str, Any] = {
    "figure.dpi": 200,
    "font.size": 7,
    "axes.titlesize": SMALL,
    "axes.labelsize": 7,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "legend.fontsize": SMALL,
    "legend.frameon": False,
    "figure.titlesize": 8.5,
    "figure.titleweight": "bold",
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlepad": 3,
    "axes.labelpad": 3,
    "axes.prop_cycle": cycler(color=OKABE_ITO),
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.size": 1.5,
    "ytick.minor.size": 1.5,
    "xtick.major.pad": 2,
    "ytick.major.pad": 2,
    "lines.linewidth": 0.8,
}

# Beyond any style: names of files and populations may hold any character, and text stays text in SVG and PDF.
ALWAYS: dict[str, Any] = {
    "text.usetex": False,
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
    "svg.hashsalt": "hhsim",  # the same figure gives the same file
}


@contextmanager
def styled(style: str | None = None) -> Iterator[None]:
    """Draw in our style, and in `style` on top: a name that matplotlib knows, or an .mplstyle file.

    The settings of the user's matplotlibrc do not count: the same recording gives the same figure anywhere.
    Raises PlotRefused for a style that is not there or says what matplotlib does not know.
    """
    layers = [BASE, _settings(style) if style else {}, ALWAYS]
    with ExitStack() as stack:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", UserWarning
            )  # it says that it leaves out what is no matter of style
            stack.enter_context(matplotlib.style.context(layers, after_reset=True))
        yield


def is_set(style: str | None, key: str) -> bool:
    """Does the user's style say anything of `key`?"""
    return style is not None and key in _settings(style)


def _settings(style: str) -> dict[str, Any]:
    if style == "default":
        return {}
    library = matplotlib.style.library
    if style in library:
        return dict(library[style])
    if Path(style).is_file():
        return _from_file(style)
    names = [name for name in matplotlib.style.available if not name.startswith("_")]
    shown = ", ".join(names[:SHOWN_STYLES])
    raise PlotRefused(
        f"{style!r} is neither a style of matplotlib nor a file; styles are {shown} "
        f"and {len(names) - SHOWN_STYLES} more"
    )


def _from_file(path: str) -> dict[str, Any]:
    log = logging.getLogger("matplotlib")
    complaints = _Complaints(logging.WARNING)
    spread, log.propagate = log.propagate, False
    log.addHandler(complaints)
    try:
        settings = dict(matplotlib.rc_params_from_file(path, use_default_template=False))
    except (OSError, ValueError) as error:
        raise PlotRefused(f"{path} is no style of matplotlib: {' '.join(str(error).split())}") from error
    finally:
        log.removeHandler(complaints)
        log.propagate = spread
    if complaints.texts:
        raise PlotRefused(f"{path} is no style of matplotlib: {complaints.texts[0]}")
    return settings


class _Complaints(logging.Handler):
    """Keeps what matplotlib would only log: keys that it does not know, values that it cannot read."""

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage().strip().splitlines()[0])
