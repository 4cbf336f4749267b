"""Damaged files through every command that reads them: refused, read to the same result, or unknown as such.

    python scripts/damage_study.py --copies 5000
    python scripts/damage_study.py --first NUMBER --copies 1 --show     # one copy again

Bits and bytes are changed, ranges zeroed, ends cut off, blocks swapped and copied over others: in recordings
that are complete, stopped and killed, the files beside them, journals and checkpoints, edges, nodes, and
spikes of other programs. A fault is an exit code that is not meant for this, a traceback, a crash, 20 s, half
a gigabyte, or another result than that of the undamaged file with nothing said. The result of a file that has
no checksum (another program's, or one whose run was killed) may be another one: "unknown".
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import matplotlib.pyplot  # noqa: F401  (loaded before any fork)
from damaged_files import WORK, damage, prepare
from fuzz_configs import answer
from stoppable_runs import Apart, warm

from hhsim.errors import HhsimError
from hhsim.recording import open_recording

SECONDS, MEGABYTES, ROOM = 20, 500, 3 << 30  # at most: of a command, of memory, of addresses
COPIES_PER_PROCESS = 200
COSTLY = ("plot", "rerun")  # asked in every eighth round alone
SHOWN = 3  # of each kind of fault
VOLATILE = {  # what differs from run to run, or tells of the file and not of its content
    *("changed_s_ago", "files", "written_by", "wall_s", "startup_s", "peak_rss_bytes", "timings_s"),
    *("realtime_factor", "ns_per_neuron_step", "resumed_at_ms", "timings_from_ms"),
}
HOW = ("-q", "--threads", "1")
RESUME = ("run", "net.toml", *HOW, "--json", "--resume", "-o", "out.h5")
RERUN = ("rerun", "out.h5", "--verify", *HOW)
RECOVER = ("recover", "out.h5", "--json")
READ = [
    ("info", "out.h5", "--json"),
    ("stats", "out.h5", "--json"),
    ("export-spikes", "out.h5", "--format", "csv", "-o", "spikes.csv"),
    ("diff", "out.h5", "whole.h5"),
    ("plot", "out.h5", "-o", "drawn.png"),
]
RUN = ("run", "edges.toml", *HOW, "--json", "-o", "out.h5")


class Family(NamedTuple):
    """Files that belong together, of which one is damaged, and what is asked of them on fresh copies."""

    damaged: tuple[str, ...]
    commands: list[tuple[str, ...]]
    signed: bool  # are there checksums of all that is read?
    share: int = 1  # of the copies


OUTPUT, SAVED = ("out.h5", "out.na.m.h5"), ("out.checkpoint", "out.checkpoint.previous")
FAMILIES = {
    "complete": Family(OUTPUT, [*READ, RECOVER, RESUME, RERUN], True, 6),
    "stopped": Family((*OUTPUT, *SAVED), [*READ[:2], RECOVER, RESUME], True, 4),
    "killed": Family((*OUTPUT, *SAVED, ".out.h5.journal"), [*READ[:2], RECOVER, RESUME], False, 3),
    "unsaved": Family((*OUTPUT, ".out.h5.journal"), [READ[0], RECOVER, RESUME], False),
    "network": Family(("edges.h5", "nodes.h5"), [RUN], False),
    "begun": Family(("edges.h5", "nodes.h5"), [(*RUN, "--resume")], True),
    "foreign": Family(("out.h5",), READ, False, 4),
}


def content() -> Any:
    """All that `out.h5` says, as it is; in words why not where it is refused."""
    try:
        with open_recording("out.h5") as recording:
            spikes = {name: recording.sha256(name) for name in recording.spikes}
            traces = {
                "/".join(key): [trace.sha256(), trace.nodes.tolist(), trace.t_ms.tolist(), trace.units]
                for key, trace in recording.traces.items()
            }
            return [spikes, traces, recording.populations, recording.dt_ms, recording.stopped_at_ms]
    except HhsimError as error:
        return str(error)


def meaning(value: Any) -> Any:
    """JSON without what is volatile."""
    if isinstance(value, dict):
        return {key: meaning(each) for key, each in value.items() if key not in VOLATILE}
    return [meaning(each) for each in value] if isinstance(value, list) else value


def ask(family: str, command: tuple[str, ...], files: dict[str, bytes], stamp: int) -> dict[str, Any]:
    """Ask one command of fresh files, in the current folder: exit code, what it means, words, and memory."""
    for old in Path().iterdir():
        old.unlink()
    for name, data in files.items():
        Path(name).write_bytes(data)
        os.utime(name, (stamp + 1, stamp + 1))  # long ago: nobody waits for a writer
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(SECONDS)
    told = answer(*command)
    what: Any = meaning(json.loads(told.out)) if "--json" in command and told.code == 0 else told.out
    if command[0] == "export-spikes" and told.code == 0:
        what = Path("spikes.csv").read_text()
    is_run = command[0] == "run" and told.code == 0
    looks = family != "foreign" and (is_run or command[0] in ("info", "diff", "recover"))
    rows = content() if looks else None
    signal.alarm(0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    picture = command[0] == "plot"  # of traces, which are too long to be verified
    return {"code": told.code, "what": None if picture else [what, rows], "err": told.err, "peak": peak}


def verdict(family: str, command: tuple[str, ...], told: dict[str, Any], truth: dict[str, Any]) -> str:
    """ "right", "refused", "unknown", or what is wrong with it."""
    code, (what, rows) = told["code"], told["what"] or (None, None)
    if told["peak"] > MEGABYTES:
        return f"fault: {told['peak']:.0f} MB"
    for word in ("Traceback", "Warning:", "mistake in hhsim"):
        if word in told["err"]:
            return f"fault: {word}"
    refusals = {"network": (3, 4, 5, 6), "begun": (3, 4, 5, 6)}.get(family, (3, 5, 7))
    if code in refusals and (code != 3 or command[0] == "run"):
        return "refused" if code == 3 or told["err"].startswith("hhsim: ") else "fault: refused without words"
    if code != truth["code"] and (code or FAMILIES[family].signed or command[0] == "run"):
        return f"fault: exit code {code}"
    if told["what"] == truth["what"]:
        return "right"
    is_run = command[0] == "run" and family != "network"
    if not FAMILIES[family].signed and not is_run:
        return "unknown"
    return "fault: another result" if what != truth["what"][0] else f"fault: other rows, {str(rows)[:80]}"


def copies(folder: Path, numbers: range, seed: int, most: int, pipe: TextIO) -> None:
    """Damage copies and ask; tells before each command what is asked, and afterwards what came of it."""
    names = [name for name, family in FAMILIES.items() for _ in range(family.share)]
    room = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() + ROOM
    resource.setrlimit(resource.RLIMIT_AS, (room, room))
    for number in numbers:
        chooser = random.Random(f"{seed}/{number}")
        name = names[number % len(names)] if number >= 0 else list(FAMILIES)[number]
        family = FAMILIES[name]
        files = {path.name: path.read_bytes() for path in (folder / name).iterdir()}
        victim = chooser.choice(family.damaged)
        while number >= 0 and (damaged := damage(files[victim], chooser)) == files[victim]:
            pass
        if number >= 0:
            files[victim] = damaged
        commands = family.commands
        if number >= 0:
            cheap = number // len(names) % 8 > 0
            commands = [each for each in commands if not (cheap and each[0] in COSTLY)]
            commands = chooser.sample(commands, min(most, len(commands)))
        for command in commands:
            print(json.dumps([number, name, victim, command]), file=pipe, flush=True)
            print(json.dumps(ask(name, command, files, max(number, 0))), file=pipe, flush=True)


def asked(folder: Path, numbers: range, seed: int, most: int) -> Iterator[tuple[list[Any], dict[str, Any]]]:
    """What was asked and answered, in forked processes one after the other; a death is an answer, too."""
    while numbers:
        end, start = os.pipe()
        sys.stdout.flush()
        process = os.fork()
        if process == 0:
            os.close(end)
            with os.fdopen(start, "w") as pipe:
                os.chdir(folder / WORK)
                copies(folder, numbers[:COPIES_PER_PROCESS], seed, most, pipe)
            os._exit(0)
        os.close(start)
        with os.fdopen(end) as pipe:
            lines = [json.loads(line) for line in pipe]
        _, status = os.waitpid(process, 0)
        if status and len(lines) % 2:
            death = "20 seconds" if os.WTERMSIG(status) == signal.SIGALRM else f"death, status {status}"
            lines.append({"code": death, "what": None, "err": "", "peak": 0})
        elif status:
            raise ChildProcessError(f"the study itself failed after {lines[-2:]}")
        yield from zip(lines[::2], lines[1::2], strict=True)
        numbers = range(lines[-2][0] + 1, numbers.stop)


def study(folder: Path, numbers: range, seed: int, most: int, show: bool) -> int:
    """Ask everything of so many copies, and print a table; returns how many faults there are."""
    files = {path.name: path.read_bytes() for path in (folder / "complete").iterdir()}
    os.chdir(folder / WORK)
    for command in FAMILIES["complete"].commands[:-2]:
        ask("complete", command, files, 0)  # so that all is imported before any fork
    truths = {(a[1], *a[3]): told for a, told in asked(folder, range(-len(FAMILIES), 0), seed, most)}
    table: dict[tuple[str, str], Counter[str]] = {}
    faults: Counter[str] = Counter()
    peak, begin, seen = 0.0, time.monotonic(), set()
    for (number, kind, victim, command), told in asked(folder, numbers, seed, most):
        found = verdict(kind, tuple(command), told, truths[kind, *command])
        peak = max(peak, told["peak"])
        seen.add((number, victim))
        for row in ((kind, victim), ("all", command[0])):
            table.setdefault(row, Counter())[found.partition(":")[0]] += 1
        if show:
            print(f"{' '.join(command)}: {found}\n{told['err']}{told['what']}")
        if found.startswith("fault"):
            key = f"{kind}, {victim}: {command[0]}: {found}"
            if faults[key] < SHOWN:
                print(f"copy {number}: {key} | {' '.join(told['err'].splitlines()[-2:])[:200]}", flush=True)
            faults[key] += 1
    print(f"\n{len(seen)} copies in {time.monotonic() - begin:.0f} s, {peak:.0f} MB at most")
    print(f"{'files':10} {'damaged, or command':24} {'right':>7} {'refused':>8} {'unknown':>8} {'faults':>7}")
    for (kind, name), counts in sorted(table.items(), key=lambda row: (row[0][0] == "all", row[0])):
        outcomes = (counts[each] for each in ("right", "refused", "unknown", "fault"))
        print("{:10} {:24} {:7} {:8} {:8} {:7}".format(kind, name, *outcomes))
    return sum(faults.values())


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--first", type=int, default=0, help="number of the first copy (0)")
    parser.add_argument("--copies", type=int, default=5000, help="how many (5000)")
    parser.add_argument("--seed", type=int, default=2007, help="decides about all damage (2007)")
    parser.add_argument("--commands", type=int, default=99, help="at most so many of each copy (all)")
    parser.add_argument("--show", action="store_true", help="print each answer")
    options = parser.parse_args()
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as name:
        folder = Path(name)
        Apart(partial(prepare, folder)).result()
        warm(folder / "complete/net.toml")
        warm(folder / "network/edges.toml")
        numbers = range(options.first, options.first + options.copies)
        given = (folder, numbers, options.seed, options.commands, options.show)
        return 1 if Apart(partial(study, *given)).result() else 0  # see stoppable_runs about grandchildren


if __name__ == "__main__":
    sys.exit(main())
