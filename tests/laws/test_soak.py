"""A short soak and a few kills: the scripts of the long ones, and that they notice what they should."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from places import ROOT

from hhsim.config import parse

SCRIPTS = ROOT / "scripts"
sys.path.insert(0, str(SCRIPTS))

from drawn_networks import COMPOSITIONS, draw  # noqa: E402
from kill_study import Rows, mistakes, with_h5py, with_hhsim, with_libsonata, write_config  # noqa: E402
from stoppable_runs import Apart, differences, spread  # noqa: E402


def script(name: str, *arguments: str, folder: Path) -> str:
    line = [sys.executable, str(SCRIPTS / name), *arguments, "--folder", str(folder)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(line, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_networks_that_are_stopped_go_on_to_the_same_bits(fast) -> None:
    """Cells as in coba.toml, so that nothing new is compiled."""
    numbers = [str(len(COMPOSITIONS) * i) for i in range(3)]
    told = script("soak.py", "--seed", "2", "--network", *numbers, folder=fast)
    assert "networks 3, mismatches 0" in told
    stops, resumes = re.search(r"stops (\d+)", told), re.search(r"resumes (\d+)", told)
    assert stops
    assert int(stops[1]) > 3
    assert resumes
    assert int(resumes[1]) > 3
    assert not list(fast.iterdir())


@pytest.mark.parametrize("checkpoints", [False, True])
def test_nothing_flushed_is_lost_by_a_kill(fast, checkpoints) -> None:
    told = script("kill_study.py", "--kills", "3", *(["--checkpoints"] if checkpoints else []), folder=fast)
    whole = re.search(r"^all +(\d+) +(\d+) +(\d+) +(\d+)$", told, re.MULTILINE)
    assert whole
    runs, at_once, recovered, lost = (int(number) for number in whole.groups())
    assert runs == 3
    assert at_once + recovered == runs
    assert lost == 0
    assert not list(fast.iterdir())


def test_drawn_networks_are_valid_and_depend_on_their_seed_alone() -> None:
    for number in range(30):
        drawn = draw(random.Random(number))
        assert parse(drawn.config).model.run.steps == drawn.steps
        assert draw(random.Random(number)) == drawn


@pytest.fixture(scope="module")
def recording(tmp_path_factory) -> Path:
    from hhsim import run

    folder = tmp_path_factory.mktemp("recorded")
    write_config(folder / "network.toml")
    run(folder / "network.toml", output=folder / "out.h5", threads=1)
    return folder


def copied(recording: Path, tmp_path: Path) -> Path:
    shutil.copytree(recording, tmp_path / "copy")
    return tmp_path / "copy" / "out.h5"


@pytest.mark.parametrize(
    ("file", "dataset", "words"),
    [
        ("out.h5", "spikes/exc/timestamps", "spikes of exc"),
        ("out.h5", "spikes/inh/node_ids", "spikes of inh"),
        ("out.h5", "report/inh/data", "trace of v of inh"),
        ("out.na.m.h5", "report/exc/data", "trace of na.m of exc"),
    ],
)
def test_a_changed_value_is_noticed(recording, tmp_path, file, dataset, words) -> None:
    output = copied(recording, tmp_path)
    assert differences(output, recording / "out.h5") == []
    truth = with_hhsim(recording / "out.h5")
    readers = (with_h5py, with_libsonata, with_hhsim)
    assert [mistakes(reader(output), truth, 200.0, exactly=True) for reader in readers] == [[], [], []]
    with h5py.File(output.with_name(file), "r+") as opened:
        values = opened[dataset][:]
        # a step later, or the cell beside it: what a run might have written, or it would not be read at all
        values.flat[-1] = values.flat[-1] ^ 1 if values.dtype.kind == "u" else values.flat[-1] + 0.1
        opened[dataset][...] = values
    assert [found for found in differences(output, recording / "out.h5") if found.startswith(words)]
    assert all(mistakes(reader(output), truth, 200.0) for reader in readers)


def test_lost_rows_are_noticed(recording) -> None:
    truth = with_hhsim(recording / "out.h5")
    times, cells = truth.spikes["exc"]
    shorter = Rows(truth.spikes | {"exc": (times[:-1], cells[:-1])}, truth.frames)
    last = float(times[-1])
    assert mistakes(shorter, truth, last)
    assert not mistakes(shorter, truth, last - 0.1) or times[-2] > last - 0.1
    key = ("exc", "na.m")
    fewer = Rows(truth.spikes, truth.frames | {key: truth.frames[key][:-3]})
    assert mistakes(fewer, truth, 200.0)
    assert not mistakes(fewer, truth, 199.7)
    assert mistakes(truth, truth, 100.0, exactly=True)
    uneven = Rows(truth.spikes | {"exc": (times, cells[:-1])}, truth.frames)
    assert mistakes(uneven, truth, 50.0)


def test_work_apart_cannot_harm() -> None:
    assert list(spread((lambda i=i: i * i for i in range(7)), 3)) == [i * i for i in range(7)]
    with pytest.raises(ChildProcessError, match=str(-signal.SIGKILL.value)):
        Apart(lambda: signal.raise_signal(signal.SIGKILL)).result()
    assert np.isfinite(Apart(lambda: 1.5).result())
