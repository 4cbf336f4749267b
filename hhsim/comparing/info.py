"""What is in a recording, and whether it still is what was written."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hhsim.errors import FileFailed
from hhsim.recording import Recording, Trace, open_any
from hhsim.recording.files import output_paths


def inspect(path: str | os.PathLike[str], **given: Any) -> dict[str, Any]:
    """Everything that the recording at `path` tells of itself, as plain data; spikes and traces are checked.

    `state` is "complete", "stopped" (closed before its end), "being written", "cut off", "foreign" for a
    file of another program, which does not say, or "damaged" where a closed one is not all there as it was
    written. `given` is as for `open_any`. Of each population, `agrees` says whether the checksum of its
    spikes is the one that was stored at the end of the run (None if none was), and `fault` what no run of
    hhsim would have written. So it is with traces, whose file may also be missing. Raises FileFailed if the
    main file cannot be read.
    """
    place = Path(path)
    with open_any(place, **given) as recording:
        main = place.stat()
        closed = bool(recording.complete or recording.checksums or recording.timings or recording.summary)
        writer = None if closed else _writer(main)
        variables = [] if recording.foreign else [variable for _, variable in recording.traces]
        files = output_paths(place, variables).values()
        populations = {name: _population(recording, name) for name in recording.populations}
        traces = [_trace(recording, *key) for key in recording.traces]
        state = _state(recording, closed, writer)
        if state in ("complete", "stopped") and any(map(_is_wrong, (*populations.values(), *traces))):
            state = "damaged"
        return {
            "file": str(place),
            "title": str(recording.facts.get("title", "")),
            "source": str(recording.facts.get("source", "")),
            "state": state,
            "written_by": writer,
            "changed_s_ago": max(0.0, round(time.time() - main.st_mtime, 3)),
            "duration_ms": recording.duration_ms,
            "stopped_at_ms": recording.stopped_at_ms,
            "dt_ms": recording.dt_ms,
            "seed": recording.seed,
            **{
                key: recording.facts.get(key) for key in ("method", "precision", "device", "threads", "ranks")
            },
            "neurons": recording.summary.get("neurons"),
            "synapses": recording.summary.get("synapses"),
            "populations": populations,
            "traces": traces,
            "versions": dict(recording.versions),
            "machine": _group(recording.facts, "machine"),
            "timings_s": dict(recording.timings),
            "timings_from_ms": recording.summary.get("resumed_at_ms") or 0.0,  # timings are of the last part
            "files": [
                {"file": str(file), "bytes": file.stat().st_size}
                for file in dict.fromkeys(files)
                if file.exists()
            ],
            "config": recording.config,
        }


def _population(recording: Recording, name: str) -> dict[str, Any]:
    spikes, size = recording.spikes[name], recording.populations[name]
    seconds = recording.stopped_at_ms / 1000
    fault: str | None = None
    checksum: str | None = None
    try:
        checksum = recording.sha256(name)
    except FileFailed as error:
        fault = error.reason
    stored = recording.checksums.get(name)
    return {
        "cells": size,
        "spikes": len(spikes),
        "rate_hz": len(spikes) / size / seconds if size and seconds else 0.0,
        "checksum": checksum,
        "stored_checksum": stored,
        "agrees": None if stored is None else checksum == stored,
        "fault": fault,
    }


def _trace(recording: Recording, population: str, variable: str) -> dict[str, Any]:
    own = recording.path if recording.foreign else output_paths(recording.path, [variable])[variable]
    file = str(own)
    about: dict[str, Any] = {"population": population, "variable": variable, "file": file, "fault": None}
    stored = recording.trace_checksums.get((population, variable))
    try:
        trace: Trace = recording.trace(population, variable)
        checksum = trace.sha256()
    except FileFailed as error:
        return about | {"fault": error.reason}
    return about | {
        "unit": trace.units,
        "cells": len(trace.nodes),
        "first_cell": int(trace.nodes[0]),
        "last_cell": int(trace.nodes[-1]),
        "frames": trace.frames,
        "every_ms": trace.every_ms,
        "agrees": None if stored is None else checksum == stored,
    }


def _is_wrong(part: Mapping[str, Any]) -> bool:
    """Is a train or trace missing, damaged or another than was written?"""
    return bool(part["fault"]) or part["agrees"] is False


def _state(recording: Recording, closed: bool, writer: int | None) -> str:
    if recording.foreign:
        return "foreign"
    if closed:
        return "complete" if recording.complete else "stopped"
    return "cut off" if writer is None else "being written"


def _group(facts: Mapping[str, Any], group: str) -> dict[str, Any]:
    """The facts `group.key` by `key`."""
    return {key.partition(".")[2]: value for key, value in facts.items() if key.startswith(f"{group}.")}


def _writer(file: os.stat_result) -> int | None:
    """The process of this machine that has `file` open for writing, as far as we may see (Linux)."""
    for folder in Path("/proc").glob("[0-9]*/fd"):
        try:
            for descriptor in folder.iterdir():
                about = descriptor.stat()
                if (about.st_dev, about.st_ino) != (file.st_dev, file.st_ino):
                    continue
                text = (folder.parent / "fdinfo" / descriptor.name).read_text()
                flags = int(text.split("flags:")[1].split()[0], 8)
                if flags & os.O_ACCMODE != os.O_RDONLY:
                    return int(folder.parent.name)
        except (OSError, IndexError, ValueError):
            continue  # another user's process, or one that has ended meanwhile
    return None
