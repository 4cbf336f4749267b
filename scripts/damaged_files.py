"""Small files of all kinds that hhsim reads, and ways to damage them; for damage_study.py."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
from functools import partial
from pathlib import Path

import h5py
import numpy as np
from fuzz_configs import answer
from stoppable_runs import Apart, restless

import hhsim
from hhsim.recording.journal import Journal
from hhsim.recording.storage import Storage

COBA = Path(__file__).parents[1] / "configs" / "coba.toml"
KINDS = ("complete", "stopped", "killed", "unsaved", "network", "begun", "foreign")
WORK = "work"  # where commands are asked, beside the folders of all kinds
STRUCTURES = re.compile(rb"TREE|SNOD|HEAP|GCOL|hhsimjr2|hhsimck1|\x89HDF")


def damage(whole: bytes, chooser: random.Random) -> bytes:
    """A copy that is damaged in one way, or in several, mostly near what a format lives by."""
    data, size = bytearray(whole), len(whole)
    structures = [match.start() for match in STRUCTURES.finditer(whole)] or [0]

    def place() -> int:
        near = chooser.random() < 0.6
        at = chooser.choice(structures) + chooser.randrange(-64, 800) if near else chooser.randrange(size)
        return min(max(at, 0), size - 1)

    for _ in range(chooser.choice([1, 1, 1, 2, 4])):
        at, other, length = place(), place(), chooser.choice([1, 2, 4, 8, 16, 64, 512, 4096])
        kind = chooser.choice(["bit", "bit", "byte", "byte", "zeros", "cut", "swap", "copy"])
        if kind == "bit":
            data[at] ^= 1 << chooser.randrange(8)
        elif kind == "byte":
            data[at] = chooser.choice([0, 255, chooser.randrange(256)])
        elif kind == "zeros":
            data[at : at + length] = bytes(len(data[at : at + length]))
        elif kind == "cut" and len(data) == size and chooser.random() < 0.5:
            return bytes(data[: chooser.choice([at, size - length])])
        else:
            length = min(length, size - at, size - other)
            first, second = data[at : at + length], data[other : other + length]
            data[at : at + length] = second
            if kind == "swap":
                data[other : other + length] = first
    return bytes(data)


def prepare(folder: Path) -> None:
    """The undamaged files: a folder of each family. In a process of its own, as runs are cut off in it."""
    text = COBA.read_text()
    for old, new in (
        ('duration  = "1 s"', 'duration  = "20 ms"'),
        ("size = 3200", "size = 16"),
        ("size = 800", "size = 4"),
        ('"40 nS", "15 nS"', '"90 nS", "15 nS"'),
        ('normal = ["200 nS"', 'normal = ["20 nS"'),
        ("pairwise_bernoulli = 0.02", "pairwise_bernoulli = 0.3"),
    ):
        assert old in text, old
        text = text.replace(old, new)
    text += '\n[[record.trace]]\npopulation = "exc"\nvariable = "na.m"\nnodes = [3, 10]\nevery = "1 ms"\n'
    for name in KINDS:
        (folder / name).mkdir()
        (folder / name / "net.toml").write_text(text)
    config, whole, half = folder / "complete/net.toml", folder / "complete/out.h5", {"duration": "10 ms"}
    for name, every_s in (("killed", 0.0), ("unsaved", 1e6)):
        run = partial(killed, config, folder / name / "out.h5", every_s)
        try:
            Apart(run).result()
        except ChildProcessError:
            assert (folder / name / ".out.h5.journal").stat().st_size, name
    hhsim.run(config, output=whole, threads=1)
    hhsim.run(config, output=folder / "complete/whole.h5", threads=1)
    hhsim.run(config, output=folder / "stopped/out.h5", threads=1, checkpoint_every_s=0, **half)
    for name in ("network", "begun"):
        lines = ["export", str(config), "-o", str(folder / name), "--set", 'projection.0.weight="5 nS"']
        assert answer(*lines, "--set", 'projection.0.delay={uniform=["0 ms", "2 ms"]}', "--force").code == 0
        (folder / name / "config.toml").rename(folder / name / "edges.toml")
        in_groups(folder / name / "edges.h5")
    place = (folder / "begun").rename(folder / WORK)  # a checkpoint names the files that its config names
    hhsim.run(place / "edges.toml", output=place / "out.h5", threads=1, checkpoint_every_s=0, **half)
    shutil.copytree(place, folder / "begun")
    foreign(whole, folder / "foreign/out.h5")
    for name in ("stopped", "killed", "unsaved", "foreign"):
        (folder / name / "whole.h5").write_bytes(whole.read_bytes())


def killed(config: Path, output: Path, every_s: float) -> None:
    """A run that dies in the middle of a commit of its main file, as by SIGKILL."""
    write, put, commits = Journal.write, Storage._put, iter([0] * 5)
    left = [-1]

    def counted(self: Journal, file: int, size: int, changes: list[tuple[int, bytes]]) -> None:
        write(self, file, size, changes)
        if self.path.name == ".out.h5.journal" and len(changes) > 2 and next(commits, None) is None:
            left[0] = 2

    def last(self: Storage, data: bytes, address: int) -> None:
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1
        put(self, data, address)

    Journal.write, Storage._put = counted, last  # type: ignore[method-assign]
    restless("killed", 10)
    hhsim.run(config, output=output, threads=1, checkpoint_every_s=every_s)


def in_groups(path: Path) -> None:
    """Part the columns of each edge population into two groups, in another order."""
    with h5py.File(path, "r+") as file:
        for population in file["edges"].values():
            count = len(population["source_node_id"])
            columns = {name: each[:] for name, each in population["0"].items()}
            if not columns:
                continue
            del population["0"]
            for name in ("edge_group_id", "edge_group_index"):
                if name in population:
                    del population[name]
            ids = np.arange(count) % 2
            population["edge_group_id"], population["edge_group_index"] = ids, np.arange(count) // 2
            for group in (0, 1):
                for name, values in columns.items():
                    population[f"{group}/{name}"] = values[ids == group]


def foreign(whole: Path, path: Path) -> None:
    """The spikes and potentials of a recording as another program would write them."""
    with hhsim.open(whole) as recording, h5py.File(path, "w") as file:
        for name, spikes in recording.spikes.items():
            file[f"spikes/{name}/timestamps"], file[f"spikes/{name}/node_ids"] = spikes.times_ms, spikes.nodes
            file[f"spikes/{name}/timestamps"].attrs["units"] = "ms"
        trace = recording.trace("exc")
        file["report/exc/data"] = trace.data
        file["report/exc/data"].attrs["units"] = "mV"
        file["report/exc/mapping/node_ids"] = trace.nodes
        file["report/exc/mapping/index_pointers"] = np.arange(len(trace.nodes) + 1)
        file["report/exc/mapping/time"] = [0.0, 20.0, trace.every_ms]
