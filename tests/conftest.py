"""One small network for all tests that run something, so that it is compiled once: COBAHH with 200 cells."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

CONFIGS = Path(__file__).parents[1] / "configs"
DURATION_MS = 100.0


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The config of the small network: cells, channels and method of coba.toml."""
    text = (CONFIGS / "coba.toml").read_text()
    for old, new in (
        ('duration  = "1 s"', f'duration  = "{DURATION_MS:g} ms"'),
        ("size = 3200", "size = 160"),
        ("size = 800", "size = 40"),
        ("pairwise_bernoulli = 0.02", "pairwise_bernoulli = 0.2"),
    ):
        assert old in text
        text = text.replace(old, new)
    path = tmp_path_factory.mktemp("small") / "small.toml"
    path.write_text(text)
    return path


@pytest.fixture(scope="session")
def small_run(small: Path, tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    """The summary of a whole run of the small network; its output stays."""
    import hhsim

    return hhsim.run(small, output=tmp_path_factory.mktemp("run") / "out.h5", threads=2)


def estimated(loaded, output: str | Path = "out.h5", **asked):  # type: ignore[no-untyped-def]
    """What a run of a loaded config would take; `asked` are further fields of a request."""
    from hhsim.simulation.estimate import estimate
    from hhsim.simulation.prepare import prepare
    from hhsim.simulation.request import ConfigChoice, Request

    return estimate(prepare(Request(ConfigChoice(loaded), Path(output), **asked)))


@pytest.fixture
def fast(tmp_path: Path) -> Iterator[Path]:
    """An empty folder, in memory if there is one: a disk may take 5 ms for each of thousands of waits."""
    with in_memory(tmp_path) as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def fast_of_module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The same for all tests of a module, as examples of Hypothesis need it."""
    with in_memory(tmp_path_factory.mktemp("module")) as folder:
        yield Path(folder)


def in_memory(otherwise: Path) -> tempfile.TemporaryDirectory[str]:
    memory = Path("/dev/shm")
    return tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else otherwise)


@pytest.fixture(autouse=True)
def _h5py_stays_free() -> Iterator[None]:
    """No test leaves the lock of h5py behind, on which other threads would wait for ever."""
    yield
    if "h5py" in sys.modules:
        from h5py._objects import phil

        def take() -> None:
            free.append(phil.acquire(blocking=False))
            if free[0]:
                phil.release()

        free: list[bool] = []
        other = threading.Thread(target=take)
        other.start()
        other.join()
        assert free == [True]


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Result]:
    """`hhsim ARGUMENTS` in an empty folder, within this process."""
    from hhsim.cli import main

    monkeypatch.chdir(tmp_path)
    for name in ("HHSIM_THREADS", "HHSIM_SEED", "HHSIM_PRECISION"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: object) -> Result:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return run
