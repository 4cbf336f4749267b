"""What a config describes, and what is odd about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from hhsim.report.words import number, seconds, show_rows, show_texts

if TYPE_CHECKING:
    from hhsim.config import Loaded


def show_notes(loaded: Loaded) -> None:
    """Print what is odd about a config, on stderr."""
    show_texts(loaded.advice, err=True)


def show_note(text: str) -> None:
    """Print what is odd, on stderr."""
    show_texts([text], err=True)


def show_description(source: str, description: Mapping[str, Any]) -> None:
    """Print what a config describes, on stdout."""
    about = description
    click.echo(f"{source}: {about['title']}" if about["title"] else source)
    click.echo()
    known = "" if about["synapses_known"] else ", and those of the edges files"
    rows = [
        ("network", f"{number(about['neurons'])} cells, about {number(about['synapses'])} synapses{known}"),
        (
            "run",
            f"{seconds(about['duration_ms'] / 1000)} in {number(about['steps'])} steps of "
            f"{about['dt_ms']:g} ms, {about['method']}, {about['precision']}, seed {about['seed']}",
        ),
    ]
    for name, population in about["populations"].items():
        states = ", ".join(
            f"{state} ({unit})" if unit != "1" else state for state, unit in population["states"].items()
        )
        rows.append((name, f"{number(population['size'])} cells of type {population['cell']}: {states}"))
    for projection in about["projections"]:
        count = projection["synapses"]
        synapses = "the synapses of a file" if count is None else f"about {number(count)} synapses"
        targets = " and ".join(projection["target"])
        joins = f"{projection['source']} to {targets}, {projection['receptor']}"
        rows.append(("projection", f"{joins}: {synapses}"))
    if about["inputs"]:
        rows.append(("inputs", str(about["inputs"])))
    rows.append(("records", ", ".join(_recorded(about)) or "nothing"))
    show_rows(rows)
    show_texts(about["warnings"])


def _recorded(about: Mapping[str, Any]) -> Iterator[str]:
    if about["record_spikes"]:
        yield f"the spikes of {' and '.join(about['record_spikes'])}"
    for trace in about["traces"]:
        cells = "1 cell" if trace["nodes"] == 1 else f"{number(trace['nodes'])} cells"
        yield f"{trace['variable']} of {cells} of {trace['population']} ({number(trace['frames'])} frames)"
