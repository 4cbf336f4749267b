"""What is left of a recording whose run is killed: SIGKILL at random moments while it flushes all the time.

    python scripts/kill_study.py --kills 1000                  # some minutes; each begins anew with --resume
    python scripts/kill_study.py --kills 1000 --checkpoints    # each goes on from its checkpoint
    python scripts/kill_study.py --folder /dev/shm             # no disk to wait for: more kills in commits

Each run is a `hhsim run` of 200 cells with four traces in three files. After its death the files
are looked at as they lie, with h5py, libsonata and hhsim, and once more after `hhsim recover`, and held
against an uninterrupted run. "Flushed" are the rows of which the run had been told that they are safe.
"""

from __future__ import annotations

import argparse
import collections
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import libsonata
import numpy as np
from stoppable_runs import Apart, Beacon, Run, differences, restless, same, spread, warm

import hhsim
from hhsim.recording import layout

COBA = Path(__file__).parents[1] / "configs" / "coba.toml"
TRACES = [("exc", "v"), ("inh", "v"), ("exc", "na.m"), ("inh", "g.exc")]
FILES = ("out.h5", "out.na.m.h5", "out.g.exc.h5")
DT, DURATION_MS = 0.1, 200.0
LONGEST_CHUNK = 60  # steps
SMALL_CHUNKS = 16  # rows of HDF5's chunks in every other run, so that there are many and its trees grow
AIMED_S = 0.0003  # as long as a file's commit takes, more or less

Spikes = dict[str, tuple[np.ndarray, np.ndarray]]  # times in ms, cells
Frames = dict[tuple[str, str], np.ndarray]


class Rows(NamedTuple):
    """What a recording holds."""

    spikes: Spikes
    frames: Frames


def write_config(path: Path) -> None:
    text = COBA.read_text()
    for old, new in (
        ('duration  = "1 s"', f'duration  = "{DURATION_MS:g} ms"'),
        ("size = 3200", "size = 160"),
        ("size = 800", "size = 40"),
        ("pairwise_bernoulli = 0.02", "pairwise_bernoulli = 0.2"),
    ):
        assert old in text
        text = text.replace(old, new)
    text = text[: text.index("[[record.trace]]")] if "[[record.trace]]" in text else text
    for population, variable in TRACES:
        text += f'\n[[record.trace]]\npopulation = "{population}"\nvariable = "{variable}"\n'
        text += f'nodes = [3, 10]\nevery = "{DT} ms"\n'
    path.write_text(text)


def with_hhsim(path: Path) -> Rows:
    with hhsim.open(path) as recording:
        spikes = {
            name: (each.times_ms, each.nodes.astype(np.uint64)) for name, each in recording.spikes.items()
        }
        return Rows(spikes, {key: trace.data for key, trace in recording.traces.items()})


def with_h5py(path: Path) -> Rows:
    spikes: Spikes = {}
    frames: Frames = {}
    for file_name in FILES:
        with h5py.File(path.with_name(file_name), "r", locking=False) as file:
            variable = file_name.removeprefix("out").removesuffix("h5").strip(".") or "v"
            for name, group in file["report"].items():
                frames[name, variable] = group["data"][:]
            if file_name == path.name:
                for name, group in file["spikes"].items():
                    spikes[name] = group["timestamps"][:], group["node_ids"][:]
    return Rows(spikes, frames)


def with_libsonata(path: Path) -> Rows:
    spikes: Spikes = {}
    frames: Frames = {}
    reader = libsonata.SpikeReader(str(path))
    for name in reader.get_population_names():
        found = reader[name].get_dict()
        spikes[name] = found["timestamps"], found["node_ids"].astype(np.uint64)
    for file_name in FILES:
        variable = file_name.removeprefix("out").removesuffix("h5").strip(".") or "v"
        report = libsonata.ElementReportReader(str(path.with_name(file_name)))
        for name in report.get_population_names():
            start, stop, _ = report[name].times
            data = report[name].get().data if stop > start else np.zeros((0, 7), np.float32)
            frames[name, variable] = data
    return Rows(spikes, frames)


READERS: dict[str, Callable[[Path], Rows]] = {
    "h5py": with_h5py,
    "libsonata": with_libsonata,
    "hhsim": with_hhsim,
}


def mistakes(found: Rows, truth: Rows, from_ms: float, exactly: bool = False) -> list[str]:
    """What is wrong with rows that should be those of `truth` at least up to `from_ms`; or `exactly` so many,
    in the main file: those beside it may be one flush ahead, as files are committed one after the other."""
    wrong = []
    for name, (times, cells) in truth.spikes.items():
        own_times, own_cells = found.spikes[name]
        count, least = len(own_times), int(np.searchsorted(times, from_ms + DT / 2))
        if not (same(own_times, times[:count]) and same(own_cells, cells[: len(own_cells)])):
            wrong.append(f"spikes of {name} are not those of the run")
        elif count != len(own_cells):
            wrong.append(f"{count} times of spikes of {name}, and {len(own_cells)} cells")
        elif count < least or (exactly and count > least):
            wrong.append(f"{count} spikes of {name} where {least} were flushed")
    for key, values in truth.frames.items():
        count, least = len(found.frames[key]), round(from_ms / DT)
        if not same(found.frames[key], values[:count]):
            wrong.append(f"{key[1]} of {key[0]} is not that of the run")
        elif count < least or (exactly and key[1] == "v" and count > least):
            wrong.append(f"{count} frames of {key[1]} of {key[0]} where {least} were flushed")
    return wrong


def look(path: Path, truth: Rows, flushed_ms: float) -> dict[str, str]:
    """For each reader "right", or why not: the file is unreadable, or holds wrong rows."""

    def read(names: Iterable[str]) -> dict[str, str]:
        return {name: _look_with(READERS[name], path, truth, flushed_ms) for name in names}

    try:
        return Apart(partial(read, READERS)).result()
    except ChildProcessError:  # a library crashed
        found = {}
        for name in READERS:
            try:
                found |= Apart(partial(read, [name])).result()
            except ChildProcessError as error:
                found[name] = f"unreadable: the reader {error}"
        return found


def _look_with(reader: Callable[[Path], Rows], path: Path, truth: Rows, flushed_ms: float) -> str:
    try:
        rows = reader(path)
    except Exception as error:
        return f"unreadable: {str(error)[:200]}"
    return "; ".join(mistakes(rows, truth, flushed_ms)) or "right"


class Study(NamedTuple):
    """What all kills have in common."""

    folder: Path
    config: Path
    truth: Rows
    seed: int
    wall_s: float  # of a run that is left alone
    aimed: float  # share of the kills that wait for a commit
    checkpoints: bool


def kill(study: Study, number: int) -> dict[str, Any]:
    """Kill run `number`, and tell what was left of it."""
    chooser = random.Random(f"{study.seed}/{number}")
    folder = study.folder / str(number)
    folder.mkdir()
    beacon = Beacon()

    def prepare() -> None:
        if number % 2:
            layout.SPIKE_CHUNK = layout.FRAME_CHUNK_ROWS = SMALL_CHUNKS
        restless(f"{study.seed}/{number}", LONGEST_CHUNK)
        beacon.attach()

    arguments: list[object] = ["run", study.config, "-q", "--threads", 1]
    arguments += ["--checkpoint-every", "0s"] if study.checkpoints else []
    run = Run(arguments, folder, prepare)
    time.sleep(chooser.uniform(0, study.wall_s))
    if chooser.random() < study.aimed:
        run.until(lambda: beacon.commits, pause_s=0)
        deadline = time.perf_counter() + chooser.uniform(0, AIMED_S)
        while time.perf_counter() < deadline:
            pass
    run.send(signal.SIGKILL)
    code = run.wait()
    told: dict[str, Any] = {"number": number, "wrong": []}
    output = folder / "out.h5"
    if code >= 0:
        told["fate"] = "ended before" if code == 0 else "failed"
        told["wrong"] = [] if code == 0 else [f"exit code {code}: {run.words()}"]
    elif not output.exists():
        told["fate"] = "no file yet"
    else:
        try:
            told |= autopsy(study, folder, beacon, chooser)
        except Exception as error:  # whatever it is, it should not have happened
            told |= {"fate": "lost", "moment": beacon.moment, "readers": {}, "wrong": [repr(error)]}
    if not told["wrong"]:
        shutil.rmtree(folder)
    return told


def autopsy(study: Study, folder: Path, beacon: Beacon, chooser: random.Random) -> dict[str, Any]:
    """Look at what a killed run left, before and after `hhsim recover`; and go on with it, or anew."""
    output = folder / "out.h5"
    told: dict[str, Any] = {"moment": beacon.moment, "wrong": []}
    told["readers"] = look(output, study.truth, beacon.flushed_ms)
    at_once = set(told["readers"].values()) == {"right"}
    ours = told["readers"]["hhsim"]
    if ours != "right" and "hhsim recover" not in ours:  # what is refused needs a word of what to do
        told["wrong"].append(f"hhsim before recovery: {ours}")
    told["fate"] = "at once" if at_once else "recovered"
    if chooser.random() < 0.5:
        recovery = Run(["recover", "out.h5"], folder)
        if recovery.wait():
            told["wrong"].append(f"not recovered: {recovery.words()}")
        else:
            told["wrong"] += after_recovery(output, study.truth, beacon.flushed_ms)
    resume = Run(
        ["run", study.config, "-q", "--resume", "--threads", chooser.choice([1, 2, 3])],
        folder,
        partial(restless, f"{study.seed}", 10 * LONGEST_CHUNK),
    )
    if resume.wait():
        told["wrong"].append(f"not gone on with: {resume.words()}")
    else:
        told["wrong"] += differences(output, study.folder / "whole" / "out.h5")
    if told["wrong"]:
        told["fate"] = "lost"
    return told


def after_recovery(output: Path, truth: Rows, flushed_ms: float) -> list[str]:
    with hhsim.open(output) as recording:
        stopped_at_ms = recording.stopped_at_ms
    wrong = mistakes(with_hhsim(output), truth, stopped_at_ms, exactly=True)
    if stopped_at_ms < flushed_ms - DT / 2:
        wrong.append(f"{flushed_ms:g} ms were flushed, and {stopped_at_ms:g} ms are there")
    wrong += [
        f"{name} after recovery: {why}"
        for name, why in look(output, truth, stopped_at_ms).items()
        if why != "right"
    ]
    leftovers = [path.name for path in output.parent.glob(".*.journal")]
    return wrong + [f"{name} is left" for name in leftovers]


def show(results: list[dict[str, Any]]) -> None:
    """A table of what became of the recordings, by what their runs were doing."""
    fates = ["at once", "recovered", "lost"]
    rows = collections.defaultdict(collections.Counter)
    readers: collections.Counter[str] = collections.Counter()
    for each in results:
        if "moment" not in each:
            continue
        rows[each["moment"]][each["fate"]] += 1
        rows["all"][each["fate"]] += 1
        for name, why in each["readers"].items():
            if why != "right":
                readers[f"{name}: {'unreadable' if why.startswith('unreadable') else 'wrong rows'}"] += 1
    print(f"{'killed':40} {'runs':>7} {'readable':>10} {'only after':>11} {'lost':>6}")
    print(f"{'':40} {'':7} {'at once':>10} {'recover':>11} {'':6}")
    for row in sorted(rows, key=lambda row: (row == "all", row)):
        counts = [rows[row][fate] for fate in fates]
        print(f"{row:40} {sum(counts):7} {counts[0]:10} {counts[1]:11} {counts[2]:6}")
    others = collections.Counter(each["fate"] for each in results if "moment" not in each)
    print(f"\nkilled before there was a file: {others['no file yet']}; ended before the kill: ", end="")
    print(f"{others['ended before']}; ended with --resume in the same bits: ", end="")
    print(sum("moment" in each and not each["wrong"] for each in results))
    for what, count in sorted(readers.items()):
        print(f"before recovery, {what}: {count}")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=1000, help="kills of runs that have an output (1000)")
    parser.add_argument("--seed", type=int, default=2007, help="decides about the moments, but for chance")
    parser.add_argument(
        "--aimed", type=float, default=0.5, help="share of kills that wait for a commit (0.5)"
    )
    parser.add_argument("--checkpoints", action="store_true", help="save all the time")
    parser.add_argument("--folder", type=Path, help="where to write; default: the folder for temporary files")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time (2)")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="hhsim-kills-", dir=options.folder))
    config = folder / "killed.toml"
    write_config(config)
    warm(config)
    wall_s = Apart(partial(leave_alone, config, folder, options.checkpoints)).result()
    study = Study(
        folder,
        config,
        with_hhsim(folder / "whole" / "out.h5"),
        options.seed,
        wall_s,
        options.aimed,
        options.checkpoints,
    )
    begin = time.monotonic()
    results: list[dict[str, Any]] = []
    useful = 0
    numbers = iter(range(10 * options.kills))
    while useful < options.kills:
        batch = [partial(kill, study, next(numbers)) for _ in range(min(200, options.kills - useful))]
        for told in spread(batch, options.jobs):
            results.append(told)
            useful += "moment" in told
            for wrong in told["wrong"]:
                print(f"run {told['number']}: {wrong} (kept in {folder / str(told['number'])})")
        print(f"{useful} kills after {time.monotonic() - begin:.0f} s", file=sys.stderr)
    show(results)
    failed = any(each["wrong"] for each in results)
    if not failed:
        shutil.rmtree(folder)
    return 1 if failed else 0


def leave_alone(config: Path, folder: Path, checkpoints: bool) -> float:
    """Make the recording that all others are held against; seconds of a run that flushes all the time."""
    for name, options, prepare in (
        ("whole", ["--threads", 2], lambda: None),
        ("timed", ["--threads", 1] + ["--checkpoint-every", "0s"] * checkpoints, hurried),
    ):
        (folder / name).mkdir()
        begin = time.perf_counter()
        run = Run(["run", config, "-q", *options], folder / name, prepare)
        if run.wait():
            raise SystemExit(f"a run without a kill failed: {run.words()}")
    return time.perf_counter() - begin


def hurried() -> None:
    restless("timed", LONGEST_CHUNK)


if __name__ == "__main__":
    sys.exit(main())
