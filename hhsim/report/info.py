"""What is in a recording."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from hhsim.report.words import number, seconds, shares, show_rows, show_texts

FRESH_S = 10.0  # a file that changed so lately may still be written from another machine


def show_info(told: Mapping[str, Any]) -> None:
    """Print what `hhsim.comparing.info.inspect` tells, on stdout."""
    title = told["title"]
    click.echo(f"{told['file']}: {title}" if title else told["file"])
    click.echo()
    rows = [("holds", _extent(told))]
    for name, population in told["populations"].items():
        rows.append((name, _spikes(population)))
    rows += [(f"{trace['variable']} of {trace['population']}", _trace(trace)) for trace in told["traces"]]
    for i, text in enumerate(_checksums(told["state"], told["populations"], told["traces"])):
        rows.append(("checksums" if i == 0 else "", text))
    settings = ", ".join(_settings(told))
    if settings:
        rows.append(("run", settings))
    if told["source"]:
        rows.append(("config", told["source"]))
    if told["timings_s"]:
        since = f"{told['timings_from_ms']:g} ms"
        part = f" (the last part, from {since} on)" if told["timings_from_ms"] else ""
        rows.append(("took", _timings(told["timings_s"]) + part))
    machine = told["machine"]
    if machine:
        rows.append(("on", ", ".join(str(machine[key]) for key in sorted(machine, key=_machine_order))))
    if told["versions"]:
        ordered = sorted(told["versions"].items(), key=lambda item: item[0] != "hhsim")
        rows.append(("with", ", ".join(f"{name} {version}" for name, version in ordered)))
    rows += [("file" if i == 0 else "", _file(file)) for i, file in enumerate(told["files"])]
    show_rows(rows)
    show_texts(_notes(told))


def faults(told: Mapping[str, Any]) -> Iterator[str]:
    """In words, where spikes and traces are not what was written."""
    for name, population in told["populations"].items():
        if population["fault"]:
            yield f"the spikes of {name} are damaged: {population['fault']}"
        elif population["agrees"] is False:
            yield f"the spikes of {name} are not those that were written: their checksum differs"
    for trace in told["traces"]:
        if not trace["fault"] and trace["agrees"] is False:
            what = f"{trace['variable']} of {trace['population']}"
            yield f"the trace of {what} is not what was written: its checksum differs"


def _extent(told: Mapping[str, Any]) -> str:
    whole, there = (seconds(told[key] / 1000) for key in ("duration_ms", "stopped_at_ms"))
    steps = f"steps of {told['dt_ms']:g} ms"
    if told["state"] == "complete":
        return f"{whole} in {steps}; complete"
    if told["state"] == "damaged":
        extent = whole if told["stopped_at_ms"] >= told["duration_ms"] else f"{there} of {whole}"
        return f"{extent} in {steps}; damaged: not all is there as it was written"
    if told["state"] == "foreign":
        return f"{whole} in {steps}; not written by hhsim, so whether it is complete is not known"
    if told["state"] == "being written":
        return f"{there} of {whole} in {steps}; being written by process {told['written_by']}"
    how = "stopped before its end" if told["state"] == "stopped" else "cut off: the run was not closed"
    return f"{there} of {whole} in {steps}; {how}"


def _spikes(population: Mapping[str, Any]) -> str:
    return (
        f"{number(population['spikes'])} spikes of {number(population['cells'])} cells, "
        f"{population['rate_hz']:.2f} Hz"
    )


def _trace(trace: Mapping[str, Any]) -> str:
    if trace["fault"]:
        return f"{trace['file']} {trace['fault']}"
    first, last, cells = trace["first_cell"], trace["last_cell"], trace["cells"]
    which = f"cell {first}" if cells == 1 else f"{number(cells)} cells ({first} to {last})"
    unit = "" if trace["unit"] == "1" else f", in {trace['unit']}"
    return f"{number(trace['frames'])} frames of {which}, every {trace['every_ms']:g} ms{unit}"


def _checksums(
    state: str, populations: Mapping[str, Mapping[str, Any]], traces: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    wrong = [name for name, one in populations.items() if one["agrees"] is False or one["fault"]]
    changed = [trace for trace in traces if not trace["fault"] and trace["agrees"] is False]
    unread = [trace for trace in traces if trace["fault"]]
    if wrong:
        yield f"the spikes of {' and '.join(wrong)} are NOT those that were written"
    for trace in changed:
        yield f"{trace['variable']} of {trace['population']} is NOT what was written"
    for trace in unread:
        yield f"{trace['variable']} of {trace['population']} could not be read"
    if not populations:
        yield "none: no spikes were recorded"
    elif all(one["stored_checksum"] is None for one in populations.values()):
        yield (
            "none are in a file that hhsim did not write; now"
            if state == "foreign"
            else "none yet; now"
            if state == "being written"
            else "none were stored, as the run was not closed; now"
        )
        yield from (f"{name} {one['checksum']}" for name, one in populations.items())
    elif not (wrong or changed):
        what = "the spikes" if unread or not traces else "spikes and traces"
        yield f"the same as those stored: {what} are as they were written"


def _settings(told: Mapping[str, Any]) -> Iterator[str]:
    if told["neurons"] is not None:
        yield f"{number(told['neurons'])} cells"
    if told["synapses"] is not None:
        yield f"{number(told['synapses'])} synapses"
    yield from (told[key] for key in ("method", "precision") if told[key] is not None)
    if told["seed"] is not None:
        yield f"seed {told['seed']}"
    threads = told["threads"]
    if threads is not None:
        yield shares(told["ranks"] or 1, threads)
    if told["device"] is not None:
        yield told["device"]


def _timings(timings: Mapping[str, float]) -> str:
    parts = ", ".join(f"{name} {value:.2f}" for name, value in _in_order(timings) if name != "total")
    return f"{timings['total']:.2f} s: {parts}" if "total" in timings else f"{parts} s"


def _in_order(timings: Mapping[str, float]) -> Sequence[tuple[str, float]]:
    order = ("startup", "build", "compile", "simulate", "write")
    return sorted(timings.items(), key=lambda item: order.index(item[0]) if item[0] in order else len(order))


def _machine_order(key: str) -> int:
    return {"node": 0, "processor": 1}.get(key, 2)


def _file(file: Mapping[str, Any]) -> str:
    size = float(file["bytes"])
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            break
        size /= 1000
    return f"{file['file']}, {size:.3g} {unit}" if unit != "bytes" else f"{file['file']}, {size:.0f} bytes"


def _notes(told: Mapping[str, Any]) -> Iterator[str]:
    ago = told["changed_s_ago"]
    if told["state"] == "cut off" and ago < FRESH_S:
        yield (
            f"no process here writes to the file, but it changed {seconds(ago)} ago: "
            "another machine, or another user, may still write it"
        )
