"""Faults, each caused by a test: what disks, other programs, the cache, threads and signals do to a run."""

from __future__ import annotations

import ast
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections import namedtuple
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import h5py
import pytest
from conftest import CONFIGS
from processes import ENVIRONMENT, MAIN, names, on_a_small_disk, python, start

import hhsim
from hhsim.errors import FileFailed
from hhsim.recording import Recorder
from hhsim.simulation import loop
from hhsim.simulation.checkpoint import container
from hhsim.simulation.simulation import Simulation

PACKAGE = CONFIGS.parent / "hhsim"


@pytest.fixture
def eagerly(monkeypatch) -> None:
    """Chunks of at most 50 steps, each flushed."""
    advance = Simulation.advance
    monkeypatch.setattr(Simulation, "advance", lambda self, most=None: advance(self, min(most or 50, 50)))
    monkeypatch.setattr(loop, "FLUSH_SECONDS", 0.0)


ALL_V = 'record.trace=[{population="exc", variable="v", nodes=[0, 160], every="0.1 ms"}]'


def test_a_disk_that_fills_up_ends_the_run_and_more_room_lets_it_go_on(small, small_run, tmp_path) -> None:
    code = """
from hhsim.simulation.simulation import Simulation
advance = Simulation.advance
def filling(self, most=None):
    if self.step >= 300:
        fill()
    return advance(self, min(most or 50, 50))
mount("-o", "size=8m")
Simulation.advance = filling
tell(run("--set", sys.argv[1], "--checkpoint-every", "0s"), sorted(os.listdir(disk)))
tell(main(["info", "disk/out.h5", "--json"]))
Simulation.advance = advance
mount("-o", "remount,size=64m")
tell(run("--set", sys.argv[1], "--resume"), sha())
"""
    (full, _, after), err = on_a_small_disk(tmp_path, code, ALL_V, small)
    assert full[0] == 5
    assert "No space left on device" in err
    assert full[1] == ["ballast", "out.checkpoint", "out.checkpoint.previous", "out.h5"]
    assert after == [0, dict(small_run.spikes_sha256)]


def test_a_disk_that_is_full_when_a_checkpoint_is_due_keeps_the_one_before(
    small, small_run, tmp_path
) -> None:
    code = """
mount("-o", "size=8m")
write, calls = container.write, []
def full(*arguments):
    calls.append(1)
    if len(calls) == 3:
        fill()
    write(*arguments)
container.write = full
before = lambda: (disk / "out.checkpoint").read_bytes()
tell(run("--checkpoint-every", "0s"), sorted(os.listdir(disk)))
os.unlink("disk/ballast")
container.write = write
tell(main(["info", "disk/out.h5", "--json"]))
tell(run("--resume"), sha())
"""
    (full, _, after), err = on_a_small_disk(tmp_path, code, small)
    assert full == [5, ["ballast", "out.checkpoint", "out.checkpoint.previous", "out.h5"]]
    assert "out.checkpoint: the checkpoint cannot be written (No space left on device)" in err
    assert after == [0, dict(small_run.spikes_sha256)]


def test_a_disk_that_is_full_or_read_only_is_refused_before_any_work(small, tmp_path) -> None:
    code = """
from hhsim.simulation.simulation import Simulation
def build(*arguments):
    raise AssertionError("the network was built")
Simulation.__init__ = build
mount("-o", "size=600k")
tell(run("--set", sys.argv[1]), os.listdir(disk))
fill()
tell(run(), os.listdir(disk))
os.unlink("disk/ballast")
mount("-o", "remount,ro")
tell(run(), os.listdir(disk))
"""
    told, err = on_a_small_disk(tmp_path, code, ALL_V, small)
    assert told == [[6, []], [5, ["ballast"]], [5, []]]
    assert "a recording of 0.1 s would take 0.00 GB of disk" in err
    assert "no space is left in the folder disk" in err
    assert "it cannot be written in the folder disk (Read-only file system)" in err


@pytest.mark.parametrize("number", [1, 4])
def test_a_checkpoint_that_is_cut_short_leaves_the_one_before(
    command, small, small_run, monkeypatch, number
) -> None:
    """By a limit on the size of files, which every system has."""
    write, calls = container.write, []
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def cut_short(*arguments: object) -> None:
        calls.append(1)
        if len(calls) < number:
            return write(*arguments)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
        try:
            return write(*arguments)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    with monkeypatch.context() as patch:
        patch.setattr(container, "write", cut_short)
        result = command("run", small, "-q", "--checkpoint-every", "0s")
    assert (result.code, result.out) == (5, "")
    assert result.err == "hhsim: out.checkpoint: the checkpoint cannot be written (File too large)\n"
    left = ["out.checkpoint", "out.checkpoint.previous", "out.h5"]
    assert names(Path()) == (left if number == 4 else left[2:])
    with hhsim.open("out.h5") as recording:
        assert 0 < recording.stopped_at_ms < 100
        assert recording.checksums == {name: recording.sha256(name) for name in recording.spikes}
    if number == 4:
        again = command("run", small, "-q", "--json", "--resume")
        assert json.loads(again.out)["spikes_sha256"] == small_run.spikes_sha256


Usage = namedtuple("Usage", "total used free")


def test_a_run_whose_traces_cannot_fit_the_disk_is_refused_before_any_work(
    command, small, monkeypatch
) -> None:
    """700 kB of them; what of the output is there already counts as room, as it is replaced or goes on."""
    trace = ("--set", ALL_V)
    halves = ("--checkpoint-every", "1h", "--duration")
    assert command("run", small, "-q", *trace, *halves, "50 ms").code == 0
    assert Path("out.h5").stat().st_size > 300_000
    free = Usage(1 << 40, 0, 500_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: free)
    with monkeypatch.context() as nothing:
        nothing.setattr("hhsim.simulation.execute.Simulation", None)
        refused = command("run", small, "-q", *trace, "-o", "other.h5")
        longer = command("run", small, "-q", *trace, "--resume", "--duration", "1 s")
    for result in (refused, longer):
        assert (result.code, result.out) == (6, "")
        assert "GB of disk, but only 0.00 GB are free in the folder" in result.err
    assert names(Path()) == ["out.checkpoint", "out.h5"]
    assert command("run", small, "-q", *trace, "--resume").code == 0
    assert command("run", small, "-q", *trace, "--force", "--duration", "1 ms").code == 0
    free = Usage(0, 0, 0)  # as file systems say that do not know
    assert command("run", small, "-q", *trace, "-o", "other.h5", "--duration", "1 ms").code == 0


# Other people's hands on the output


def at_step(step: int, monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    advance, acts = Simulation.advance, [act]

    def once(self: Simulation, most: int | None = None):
        if self.step >= step and acts:
            acts.pop()()
        return advance(self, most)

    monkeypatch.setattr(Simulation, "advance", once)


NA_M = 'record.trace=[{population="exc", variable="na.m", nodes=[0, 5], every="1 ms"}]'


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("file", ["out.h5", "out.na.m.h5"])
@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda path: path.unlink(), "was deleted or replaced"),
        (lambda path: path.rename("elsewhere.h5"), "was deleted or replaced"),
        (lambda path: Path("other").rename(path), "was deleted or replaced"),
        (lambda path: os.truncate(path, 100), "was cut off by someone"),
    ],
    ids=["deleted", "renamed", "replaced", "truncated"],
)
def test_a_run_whose_output_is_taken_away_ends_at_the_next_flush(
    command, small, monkeypatch, file, act, words
) -> None:
    """An open file lives on without a name: the run would compute for days into nothing."""
    steps: list[int] = []
    Path("other").write_text("precious")
    at_step(300, monkeypatch, lambda: (act(Path(file)), at_step(0, monkeypatch, lambda: steps.append(1))))
    result = command("run", small, "-q", "--set", NA_M)
    assert (result.code, result.out) == (5, "")
    assert result.err == f"hhsim: {file}: {words} while the run was writing it\n"
    assert "precious" in [path.read_text(errors="replace") for path in Path().iterdir()]
    assert not [name for name in names(Path()) if name.startswith(".")]


def test_an_output_that_is_deleted_at_the_very_end_is_noticed(command, small, monkeypatch) -> None:
    close = Recorder.close

    def late(self: Recorder, *arguments: object, **settings: object) -> None:
        self.path.unlink(missing_ok=True)
        close(self, *arguments, **settings)

    monkeypatch.setattr(Recorder, "close", late)
    result = command("run", small, "-q")
    assert (result.code, result.out) == (5, "")
    assert "was deleted or replaced" in result.err
    assert names(Path()) == []


def test_an_output_whose_folder_is_deleted_is_noticed(small, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(loop, "FLUSH_SECONDS", 0.0)
    folder = tmp_path / "folder"
    folder.mkdir()
    at_step(10, monkeypatch, lambda: [[path.unlink() for path in folder.iterdir()], folder.rmdir()])
    with pytest.raises(FileFailed, match="deleted"):
        hhsim.run(small, output=folder / "out.h5")


def test_two_runs_on_one_output_are_one_too_many(command, small, tmp_path) -> None:
    """The second is refused whatever it asks for, and the first does not notice."""
    options = ("run", small, "-q", "--duration", "1000 s", "--threads", "1")
    with start(MAIN, *options, "--checkpoint-every", "0s", cwd=tmp_path) as first:
        try:
            deadline = time.monotonic() + 60
            while not (tmp_path / "out.checkpoint").exists() and time.monotonic() < deadline:
                time.sleep(0.02)
            for second in ((*options, "--force"), (*options, "--resume"), ("recover", "out.h5")):
                refused = command(*second)
                assert refused.code == 5, refused.err
                assert "another run is writing it at this moment" in refused.err
            first.send_signal(signal.SIGTERM)
            _, err = first.communicate(timeout=60)
        finally:
            first.kill()
    assert first.returncode == 143, err
    assert set(names(tmp_path)) <= {"out.h5", "out.checkpoint", "out.checkpoint.previous"}
    with hhsim.open(tmp_path / "out.h5") as recording:
        assert recording.checksums == {name: recording.sha256(name) for name in recording.spikes}


def test_a_drawing_backend_that_is_not_there_is_told(tmp_path) -> None:
    done = python(MAIN, "plot", "out.h5", cwd=tmp_path, MPLBACKEND="nothing")
    assert done.returncode == 2
    assert done.stderr == "hhsim: MPLBACKEND=nothing: 'nothing' is not a valid value for backend\n"


# Clocks


@pytest.mark.parametrize("jump", [1e9, -1e9])
def test_a_clock_that_is_set_changes_neither_timings_nor_the_wall_time_left(
    command, small, small_run, monkeypatch, jump
) -> None:
    now, jumps = time.time, []

    def jumping() -> float:
        jumps.append(1)
        return now() + len(jumps) * jump

    monkeypatch.setattr(time, "time", jumping)
    result = command("run", small, "-q", "--json", "--max-wall", "10h", "--checkpoint-every", "0s")
    assert result.code == 0, result.err
    told = json.loads(result.out)
    assert told["spikes_sha256"] == small_run.spikes_sha256
    assert all(
        0 <= seconds < 50 for key, seconds in told["wall_s"].items() if key not in ("startup", "total")
    )
    with pytest.raises(hhsim.errors.OutOfTime):
        hhsim.run(small, output="short.h5", max_wall_s=0.01)


# Threads

NO_OPENMP = """
import sys
class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "numba.np.ufunc.omppool":
            raise ImportError("libgomp.so.1: cannot open shared object file")
sys.meta_path.insert(0, Finder)
"""


def test_without_openmp_a_run_warns_and_is_the_same(small, small_run, tmp_path) -> None:
    done = python(NO_OPENMP + MAIN, "run", small, "-q", "--json", "--threads", 2, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["spikes_sha256"] == small_run.spikes_sha256
    (line,) = done.stderr.splitlines()
    assert line.startswith("hhsim: warning: OpenMP is not used (is libgomp installed?)")
    assert "layer 'workqueue'" in line or "layer 'tbb'" in line
    assert "2 ms instead of 2 µs" in line


def test_a_threading_layer_that_is_not_there_is_told(small, tmp_path) -> None:
    options = ("run", small, "-q", "--threads", 2)
    done = python(NO_OPENMP + MAIN, *options, cwd=tmp_path, NUMBA_THREADING_LAYER="omp")
    assert (done.returncode, done.stdout) == (6, "")
    assert done.stderr == "hhsim: NUMBA_THREADING_LAYER=omp, but Numba cannot load this layer\n"
    assert names(tmp_path) == []


FORK = """
import multiprocessing, os, sys
import hhsim
from hhsim.errors import HhsimError
def run(name):
    try:
        return dict(hhsim.run(sys.argv[1], output=name, threads=2).spikes_sha256)
    except HhsimError as error:
        return f"{type(error).__name__}: {error}"
if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(1) as pool:
        before = pool.apply(run, ["before.h5"])
    wanted = run("parent.h5")
    print(before == wanted)
    with multiprocessing.get_context("fork").Pool(1) as pool:
        print(pool.apply(run, ["forked.h5"]))
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        print(pool.map(run, ["a.h5", "b.h5"]) == [wanted] * 2)
    print(run("again.h5") == wanted)
"""


def test_a_forked_process_says_that_it_cannot_and_a_spawned_one_can(small, tmp_path) -> None:
    """GNU OpenMP would end a forked process with a signal, or let it wait for ever."""
    (tmp_path / "forking.py").write_text(FORK)
    line = [sys.executable, "forking.py", str(small)]
    done = subprocess.run(
        line, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, timeout=120, check=True
    )
    before, forked, spawned, again = done.stdout.splitlines()
    assert before == "True", "a fork before the first run"
    assert forked.startswith("NoThreads: this process was forked from one that had run a network already")
    assert (spawned, again) == ("True", "True")


THREADS = """
import sys, threading
import hhsim
results = {}
def run(i):
    results[i] = dict(hhsim.run(sys.argv[1], output=f"{i}.h5", threads=1 + i % 2).spikes_sha256)
threads = [threading.Thread(target=run, args=[i]) for i in range(3)]
for each in threads: each.start()
for each in threads: each.join()
print(len(results) == 3 and all(each == results[0] for each in results.values()))
"""


@pytest.mark.parametrize("layer", ["omp", "workqueue"])
def test_runs_in_several_threads_of_a_process_take_turns(small, tmp_path, layer) -> None:
    """Numba's workqueue layer would end the process."""
    done = python(THREADS, small, cwd=tmp_path, NUMBA_THREADING_LAYER=layer)
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr


# Signals

INTERRUPTED = "import os, signal; signal.signal(signal.SIGINT, lambda *_: os._exit(130)); " + MAIN


def interrupt(config: Path, folder: Path, begun: bool, after: float) -> tuple[int, str]:
    """A run with checkpoints all the time; Ctrl-C some seconds after its start or its first checkpoint."""
    checkpoint = folder / "out.checkpoint"
    before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else None
    line = ("run", config, "-q", "--resume", "--duration", "1000 s", "--checkpoint-every", "0s")
    with start(INTERRUPTED, *line, "--threads", "1", cwd=folder) as run:
        deadline = time.monotonic() + 30
        while begun and time.monotonic() < deadline:
            with suppress(FileNotFoundError):
                begun = checkpoint.stat().st_mtime_ns == before
            time.sleep(0.005)
        time.sleep(after)
        run.send_signal(signal.SIGINT)
        _, err = run.communicate(timeout=60)
    return run.returncode, err


LOSES = """
import signal
from hhsim.engines import host
build = host.build_cells
class Lost:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)
def losing(*arguments):
    Lost()
    return build(*arguments)
host.build_cells = losing
"""


def test_an_interrupt_that_a_library_swallows_stops_the_run_all_the_same(small, tmp_path) -> None:
    """Python prints and forgets what is raised where an object is destroyed, or in a callback of C code."""
    done = python(LOSES + MAIN, "run", small, "-q", "--duration", "1000 s", "--threads", 1, cwd=tmp_path)
    assert done.returncode == 130, done.stderr
    assert "Exception ignored in" in done.stderr
    assert "hhsim: interrupted at t = " in done.stderr
    with hhsim.open(tmp_path / "out.h5") as recording:
        assert 0 < recording.stopped_at_ms < 1e5


def test_an_interrupt_at_any_moment_leaves_things_in_order(small, fast) -> None:
    """Ctrl-C at 8 moments: in runs that start, that simulate and save, and that go on."""
    moments = [(i % 2 == 1, (0.15 + 0.16 * i) if i % 2 == 0 else 0.038 * i) for i in range(8)]
    folders = [fast / str(i) for i in range(2)]

    def four(folder: Path) -> list[tuple[int, str, list[str], bool]]:
        """In one folder, so that most of them go on."""
        folder.mkdir()
        told = []
        for begun, after in moments[4 * folders.index(folder) :][:4]:
            code, err = interrupt(small, folder, begun, after)
            complete = False
            if (folder / "out.h5").exists():
                # closed at once: HDF5 shares an open file with whoever opens it later in this process
                with hhsim.open(folder / "out.h5") as recording:
                    complete = recording.complete
            told.append((code, err, names(folder), complete))
        return told

    with ThreadPoolExecutor(2) as pool:
        for folder, runs in zip(folders, pool.map(four, folders), strict=True):
            for code, err, left, complete in runs:
                assert (code, complete) == (130, False), err
                assert "Traceback" not in err, err
                assert set(left) <= {"out.h5", "out.checkpoint", "out.checkpoint.previous"}, folder
    saved = [folder for folder in folders if (folder / "out.checkpoint").exists()]
    assert saved
    with hhsim.open(saved[-1] / "out.h5") as recording:
        duration = f"{round(recording.stopped_at_ms) + 10} ms"
    again = hhsim.run(small, output=saved[-1] / "out.h5", duration=duration, resume=True)
    whole = hhsim.run(small, output=fast / "whole.h5", duration=duration)
    assert again.spikes_sha256 == whole.spikes_sha256


# What is read from files


DESERIALISERS = {
    "pickle",
    "cPickle",
    "dill",
    "cloudpickle",
    "joblib",
    "marshal",
    "shelve",
    "jsonpickle",
    "yaml",
}
RUNNERS = {"eval", "exec", "execfile", "__import__"}
# Expressions of our own source text, and checked formulas, in a name space without builtins; and channels of
# the user's own, which `--channels` says are executed.
OWN_EXPRESSIONS = {"formulas/linker.py", "formulas/evaluate.py", "bench/operations.py", "channels/files.py"}
OWN_MODULES = {"kernels/render/program.py"}  # kernels that we rendered


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_nothing_that_is_read_is_ever_executed(path) -> None:
    name = str(path.relative_to(PACKAGE))
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import | ast.ImportFrom):
            known = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            assert not {each.split(".")[0] for each in known} & DESERIALISERS
        if isinstance(node, ast.Call):
            called = node.func
            word = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            assert word not in RUNNERS or name in OWN_EXPRESSIONS
            assert word not in ("exec_module", "run_path") or name in OWN_MODULES
            assert not any(each.arg == "allow_pickle" for each in node.keywords)
            assert word != "load" or getattr(getattr(called, "value", None), "id", "") not in ("np", "numpy")


@pytest.mark.parametrize("name", ["../x", "a/b", "..", ".", "/abs", "", "a b", "x\\u0000"])
def test_no_name_in_a_config_leads_out_of_the_folder(command, small, name) -> None:
    text = small.read_text()
    populations = text.replace("[population.inh", f'[population."{name}"').replace('"inh"', f'"{name}"')
    receptors = text.replace("receptor.exc]", f'receptor."{name}"]').replace('"g.exc"', f'"g.{name}"')
    trace = f'[[record.trace]]\npopulation = "exc"\nvariable = "{name}"\nnodes = [0, 1]\n'
    for changed in (
        populations,
        receptors,
        f"{text}\n{trace}",
        f"{text}\n{trace.replace(name, f'g.{name}')}",
    ):
        Path("config.toml").write_text(changed)
        result = command("run", "config.toml", "-q")
        assert result.code == 3, result.err
    assert names(Path()) == ["config.toml"]


def test_an_older_output_that_names_files_elsewhere_removes_none(command, small) -> None:
    """`--force` removes what belongs to the older recording; the names stand in a file, and may be forged."""
    Path("folder").mkdir()
    assert command("run", small, "-q", "-o", "folder/out.h5", "--duration", "1 ms").code == 0
    with h5py.File("folder/out.h5", "r+") as file:
        file["hhsim"].attrs["traces"] = ["exc/../../precious", "exc/x/../../../precious"]
    Path("precious.h5").write_text("precious")
    assert command("run", small, "-q", "-o", "folder/out.h5", "--duration", "1 ms", "--force").code == 0
    assert Path("precious.h5").read_text() == "precious"
