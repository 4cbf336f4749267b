"""Each output has checkpoints of its own, and all commands say the same of a file that somebody changed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

import hhsim
from hhsim.errors import FileFailed, OutOfTime
from hhsim.recording import Recorder, open_recording
from hhsim.simulation.checkpoint import store

TRACE = 'record.trace=[{population="exc", variable="na.m", nodes=[0, 5], every="1 ms"}]'


@pytest.fixture(scope="module")
def finished(small, tmp_path_factory) -> Path:
    """A finished recording with a trace in the file beside it, and a checkpoint of its end."""
    folder = tmp_path_factory.mktemp("finished")
    hhsim.run(small, output=folder / "out.h5", overrides=[TRACE], duration="50 ms", checkpoint_every_s=3600)
    return folder


def shift_a_time(folder: Path) -> None:
    """By less than half a step: the order stays, and so does the step to which the time is nearest."""
    with h5py.File(folder / "out.h5", "r+") as file:
        times = file["spikes/exc/timestamps"]
        times[int(np.flatnonzero(np.diff(times[:]) > 0)[3])] += 0.04


def exchange_cells(folder: Path) -> None:
    """Another cell that could have fired: only the checksum tells."""
    with h5py.File(folder / "out.h5", "r+") as file:
        times, nodes = (file[f"spikes/exc/{name}"] for name in ("timestamps", "node_ids"))
        alone = np.flatnonzero((np.diff(times[:-1]) > 0) & (np.diff(times[1:]) > 0))[0] + 1
        nodes[alone] = (int(nodes[alone]) + 1) % 160


def change_a_frame(folder: Path) -> None:
    with h5py.File(folder / "out.na.m.h5", "r+") as file:
        file["report/exc/data"][3, 2] = 0.5


def change_the_seed(folder: Path) -> None:
    with h5py.File(folder / "out.h5", "r+") as file:
        file["hhsim"].attrs.modify("seed", np.int64(8))


def change_a_cell_of_the_trace(folder: Path) -> None:
    with h5py.File(folder / "out.na.m.h5", "r+") as file:
        file["report/exc/mapping/node_ids"][4] = 7


CHANGES = (shift_a_time, exchange_cells, change_a_frame, change_the_seed, change_a_cell_of_the_trace)
OF_ROWS = (shift_a_time, exchange_cells)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_what_one_command_notices_the_others_do(command, finished, small, change) -> None:
    shutil.copytree(finished, ".", dirs_exist_ok=True)
    for words in (("info", "out.h5"), ("recover", "out.h5"), ("diff", "out.h5", "out.h5")):
        assert command(*words).code == 0
    change(Path())
    before = Path("out.h5").read_bytes()
    for words in (("info", "out.h5"), ("recover", "out.h5"), ("diff", "out.h5", "out.h5")):
        result = command(*words)
        assert result.code in (5, 7), (words, result)
        assert "whole" not in result.out
    longer = command("run", small, "--set", TRACE, "--resume", "--duration", "60 ms", "-q")
    done = command("run", small, "--set", TRACE, "--resume", "--duration", "50 ms", "-q")
    assert (longer.code, done.code) == (5, 5), (longer, done)
    if change in OF_ROWS:
        for words in (("stats", "out.h5"), ("export-spikes", "out.h5", "-o", "x.csv", "--format", "csv")):
            assert command(*words).code == 5
        assert not Path("x.csv").exists()
    assert Path("out.h5").read_bytes() == before


def test_outputs_of_one_stem_go_on_each_from_its_own_checkpoint(small, tmp_path) -> None:
    names = ("out.h5", "out.hdf5", "out")
    whole = hhsim.run(small, output=tmp_path / "whole.h5", overrides=[TRACE])
    for name in names:
        with pytest.raises(OutOfTime):
            hhsim.run(small, output=tmp_path / name, overrides=[TRACE], max_wall_s=0.01)
    assert len({store.checkpoint_path(tmp_path / name) for name in names}) == len(names)
    for name in names:
        ended = hhsim.run(small, output=tmp_path / name, overrides=[TRACE], resume=True)
        assert ended.spikes_sha256 == whole.spikes_sha256
        with open_recording(tmp_path / name) as recording:
            recording.verify()


def test_a_checkpoint_whose_output_was_moved_is_not_taken_away(command, small) -> None:
    assert command("run", small, "--max-wall", "0.01s", "-q").code == 75
    os.rename("out.h5", "kept.h5")
    checkpoint = Path("out.checkpoint").read_bytes()
    refused = command("run", small, "-q")
    assert refused.code == 5
    assert "out.checkpoint: is the checkpoint of an earlier run, whose output out.h5 is gone" in refused.err
    assert Path("out.checkpoint").read_bytes() == checkpoint
    assert not Path("out.h5").exists()
    assert command("run", small, "-q", "--force").code == 0


@pytest.mark.parametrize("output", [".", "/", "", "folder", "folder/", ".."])
@pytest.mark.parametrize("more", [(), ("--dry-run",), ("--resume",)], ids=" ".join)
def test_a_folder_is_no_output(command, small, output, more) -> None:
    Path("folder").mkdir()
    result = command("run", small, "-o", output, "-q", "--set", TRACE, *more)
    assert result.code == 5, result
    assert "is a folder" in result.err


def cut_to_nothing(path: Path) -> None:
    os.truncate(path, 0)


def cut_a_little(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 100)


def append_something(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"x")


def overwrite_the_beginning(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"another program was here")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (cut_to_nothing, "was cut off by someone"),
        (cut_a_little, "was cut off by someone"),
        (append_something, "was written to by someone"),
        (overwrite_the_beginning, "was overwritten by someone"),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_an_output_that_is_changed_while_it_is_written_is_noticed(tmp_path, change, words) -> None:
    """At the next flush, before anything is appended to what is left of it."""
    path = tmp_path / "out.h5"
    about = {"dt": 0.1, "duration": 1000.0, "resolved_config": "", "facts": {}}
    writer = Recorder(path, populations={"exc": 20}, traces=[], **about)  # type: ignore[arg-type]
    writer.append_spikes("exc", np.arange(1000), np.zeros(1000, np.int64))
    writer.flush(100.0)
    change(path)
    left = path.read_bytes()
    with pytest.raises(FileFailed, match=words):  # more than is held back until the next flush
        writer.append_spikes("exc", np.arange(1000, 200_000), np.zeros(199_000, np.int64))
    with pytest.raises(FileFailed, match=words):
        writer.close(True, 20_000.0)
    assert path.read_bytes() == left


def test_a_run_whose_output_is_cut_off_ends_and_tells_of_its_checkpoint(small, tmp_path) -> None:
    def cut(progress) -> None:
        if progress.phase == "simulate" and store.exists(tmp_path / "out.h5"):
            os.truncate(tmp_path / "out.h5", 0)

    with pytest.raises(FileFailed, match=r"was cut off by someone .*out\.checkpoint is as it was"):
        hhsim.run(
            small,
            output=tmp_path / "out.h5",
            duration="600 s",
            overrides=['record.spikes=["exc"]'],
            checkpoint_every_s=0.01,
            watch=cut,
        )
    saved, note = store.load(tmp_path / "out.h5")
    assert (saved.snapshot.step > 0, note) == (True, "")
