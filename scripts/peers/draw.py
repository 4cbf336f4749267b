"""The figure and the tables of the README files, made from what `side_by_side.py` measured."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe & Ito's colours, which the colour-blind can tell apart; hhsim's own is the strongest.
COLOURS = {
    "hhsim": "#D55E00",
    "Brian2": "#0072B2",
    "braincell": "#009E73",
    "NEST": "#CC79A7",
    "NEURON": "#56B4E9",
}
STYLE = {"float64": ("o", "-"), "float32": ("s", "--")}
BEGIN, END = "<!-- {}: made by scripts/side_by_side.py -->", "<!-- end of {} -->"


def draw(kept: dict[str, Any], path: Path) -> None:
    """Time against size and accuracy against cost, as far as they were measured."""
    parts = [(name, panel) for name, panel in (("speed", _speed), ("accuracy", _accuracy)) if name in kept]
    if not parts:
        return
    figure = Figure(figsize=(5.4 * len(parts), 4.0), dpi=150, layout="constrained")
    for axes, (name, panel) in zip(figure.subplots(1, len(parts), squeeze=False)[0], parts, strict=True):
        panel(axes, kept[name]["rows"])
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25, linewidth=0.5)
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, metadata={"Software": None})


def _speed(axes: Axes, rows: list[dict[str, Any]]) -> None:
    for (program, precision), line in _grouped(rows, "program", "precision"):
        marker, style = STYLE[precision]
        cells, seconds = [row["cells"] for row in line], [row["wall_s_per_s"] for row in line]
        axes.loglog(
            cells,
            seconds,
            marker=marker,
            linestyle=style,
            color=COLOURS[program],
            markersize=4,
            label=f"{program}, {precision}" if precision == "float32" else program,
        )
    axes.axhline(1.0, color="0.5", linewidth=0.8, zorder=0)
    axes.annotate(
        "real time",
        (0.99, 1.0),
        xycoords=("axes fraction", "data"),
        va="bottom",
        ha="right",
        color="0.4",
        size=8,
    )
    axes.set(xlabel="cells (80 synapses each)", ylabel="wall seconds per biological second")
    axes.set_title("Speed, COBAHH", loc="left", size=10)
    axes.legend(frameon=False, fontsize=7.5)


def _accuracy(axes: Axes, rows: list[dict[str, Any]]) -> None:
    for (label,), line in _grouped(rows, "label"):
        program = line[0]["program"]
        precision = line[0]["precision"]
        marker = "^" if any(word in label for word in ("staggered", "rk4", "CVODE")) else "o"
        axes.loglog(
            [row["wall_s_per_s"] for row in line],
            [row["error_ms"] for row in line],
            marker=marker,
            linestyle=STYLE[precision][1],
            color=COLOURS[program],
            markersize=4,
            label=label.replace("exponential_euler", "exp. Euler"),
        )
    axes.set(
        xlabel="wall seconds per biological second, 4000 cells", ylabel="mean error of a spike's time, ms"
    )
    axes.set_title("Accuracy against cost", loc="left", size=10)
    axes.legend(frameon=False, fontsize=7, loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _grouped(
    rows: list[dict[str, Any]], *keys: str
) -> Iterator[tuple[tuple[Any, ...], list[dict[str, Any]]]]:
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in keys), []).append(row)
    yield from groups.items()


def tables(kept: dict[str, Any]) -> dict[str, str]:
    """The tables, each as Markdown, by the part they show."""
    made = {
        "exact": _exact_table,
        "speed": _speed_table,
        "similarity": _similarity_table,
        "accuracy": _accuracy_table,
    }
    texts = {}
    for name, make in made.items():
        if name in kept:
            machine = kept[name]["machine"]
            what = f"Measured on {kept[name]['date']}, {machine['processor']}, {machine['threads']} threads."
            texts[name] = f"{make(kept[name]['rows'])}\n\n{what}"
    return texts


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _exact_table(rows: list[dict[str, Any]]) -> str:
    return _table(
        ["first 100 ms of", "spikes in hhsim", "in the other", "the same in both"],
        [
            [
                f"`{row['config']}` against {row['peer']} {row['version']}",
                str(row["hhsim"]),
                str(row["theirs"]),
                str(row["common"]),
            ]
            for row in rows
        ],
    )


def _speed_table(rows: list[dict[str, Any]]) -> str:
    sizes = sorted({row["cells"] for row in rows})
    lines = []
    for (program, version, precision), group in _grouped(rows, "program", "version", "precision"):
        found = {row["cells"]: row for row in group}
        seconds = [f"{found[size]['wall_s_per_s']:.2g}" if size in found else "" for size in sizes]
        before = f"{found[4000]['before_s']:.1f}" if 4000 in found else ""
        name = f"**{program}** {version}" if program == "hhsim" else f"{program} {version}"
        lines.append([f"{name}, {precision}", *seconds, before])
    header = ["wall seconds per biological second", *[f"{size:,} cells" for size in sizes]]
    return _table([*header, "seconds before the first step"], lines)


def _similarity_table(rows: list[dict[str, Any]]) -> str:
    lines = [
        [
            f"{row['peer']} {row['version']}: {row['statistic']}",
            f"{row['mean_a']:.3g}",
            f"{row['mean_b']:.3g}",
            f"{row['effect']:.2f} ({row['low']:.2f} to {row['high']:.2f})",
        ]
        for row in rows
    ]
    return _table(["", "hhsim", "the other", "effect size d (95 % interval)"], lines)


def _accuracy_table(rows: list[dict[str, Any]]) -> str:
    lines = []
    for (label,), group in _grouped(rows, "label"):
        each = [f"{row['error_ms']:.2g} at {row['wall_s_per_s']:.2g} s" for row in group]
        adaptive = [f"{row['tolerance']:g}" for row in group if row["tolerance"] is not None]
        settings = adaptive or [f"{row['dt_ms']:g} ms" for row in group]
        lines.append([label, ", ".join(settings), ", ".join(each)])
    return _table(["", "steps, or tolerances", "mean error of a spike's time (ms) at wall seconds"], lines)


def write_readme(kept: dict[str, Any], path: Path) -> None:
    """Put the tables between their marks in a README; a table without marks is left out."""
    text = path.read_text()
    for name, table in tables(kept).items():
        begin, end = BEGIN.format(name), END.format(name)
        pattern = re.compile(re.escape(begin) + r"\n.*?" + re.escape(end), re.DOTALL)
        text = pattern.sub(lambda _, t=f"{begin}\n{table}\n{end}": t, text)
    path.write_text(text)
