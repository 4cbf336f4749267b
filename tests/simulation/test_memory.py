"""Memory: what a run is expected to need, what there is, and that it does not grow with the duration."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from places import ROOT

from hhsim.config import load
from hhsim.errors import NotEnoughMemory, TooManyCells
from hhsim.simulation import memory

MAIN = "import sys; from hhsim.cli import main; sys.exit(main())"
CONFIGS = ROOT / "configs"

GROWTH = (
    8 << 20
)  # bytes that peaks may differ by from run to run: the allocator, buffers that were never full


def peak(config: Path, folder: Path, duration: str, *overrides: str) -> int:
    """The most memory of a run in a process of its own."""
    trace = 'record.trace=[{population="exc", variable="v", nodes=[0, 50], every="0.1 ms"}]'
    line = [sys.executable, "-c", MAIN, "run", str(config), "--json", "-q", "--force", "--threads", "1"]
    run = subprocess.run(
        [*line, "--duration", duration, *(word for each in (trace, *overrides) for word in ("--set", each))],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    return int(json.loads(run.stdout)["peak_rss_bytes"])


def test_memory_does_not_grow_with_the_duration(small, tmp_path) -> None:
    """20 s write 36 MB of traces and 2 MB of spikes more than 2 s; were they kept, it would show."""
    peak(small, tmp_path, "1 ms")  # compiles what is not compiled yet
    short, long = peak(small, tmp_path, "2 s"), peak(small, tmp_path, "20 s")
    assert (tmp_path / "out.h5").stat().st_size > 40e6
    assert long - short < GROWTH


@pytest.mark.parametrize("size", [100_000, 1_000_000_000, 2_000_000_000])
def test_the_estimate_grows_in_step_with_the_network(size) -> None:
    model = load(CONFIGS / "coba_100k.toml", [f"population.exc.size={size}"]).model
    synapses = 80 * (size + 20_000)
    needed = memory.needed(model, 2).total
    assert 2 * synapses < needed < 5 * synapses + 400 * (size + 20_000) + memory.OVERHEAD


def test_a_large_network_takes_as_much_more_than_a_small_one_as_was_estimated(small, tmp_path) -> None:
    """25 million synapses more: the program's own memory is in both peaks, and goes out."""
    dense = ("population.exc.size=24900", "projection.0.rule={fixed_outdegree=1000}")
    peaks = [peak(small, tmp_path, "1 ms", *more) for more in ((), dense)]
    told = [memory.needed(load(small, more).model, 1).total for more in ((), dense)]
    assert told[1] - told[0] > 50e6
    assert 0.7 * (told[1] - told[0]) < peaks[1] - peaks[0] < 1.1 * (told[1] - told[0])


def test_what_does_not_fit_is_refused_with_both_numbers(small, monkeypatch) -> None:
    model = load(small).model
    memory.require(model, 2)
    monkeypatch.setattr(memory, "available_bytes", lambda: 1_000_000)
    with pytest.raises(NotEnoughMemory, match=r"this network of 200 cells needs .* GB .* 0.00 GB are free"):
        memory.require(model, 2)


def test_more_cells_than_can_be_numbered_are_refused(small, monkeypatch) -> None:
    model = load(small, ["population.exc.size=2147483647"]).model
    monkeypatch.setattr(memory, "available_bytes", lambda: 1 << 60)
    with pytest.raises(TooManyCells, match="2,147,483,687 cells"):
        memory.require(model, 2)


@pytest.mark.parametrize(
    ("groups", "files", "left"),
    [
        (
            "0::/\n",
            {"memory.max": "1000", "memory.current": "700", "memory.stat": "anon 1\ninactive_file 200\n"},
            500,
        ),
        ("0::/\n", {"memory.max": "max", "memory.current": "700"}, None),
        (
            "0::/job/step\n",
            {"job/memory.max": "900", "job/memory.current": "100", "job/step/memory.max": "max"},
            800,
        ),
        (
            "5:cpu:/\n4:memory:/box\n",
            {"memory/box/memory.limit_in_bytes": "600", "memory/box/memory.usage_in_bytes": "100"},
            500,
        ),
        ("4:memory:/gone\n", {}, None),
        ("", {}, None),
    ],
)
def test_the_limits_of_groups_count(monkeypatch, groups, files, left) -> None:
    """Control groups of version 2 and 1, of a container and of a job within; cached files give way."""
    there = {Path("/sys/fs/cgroup") / name: text for name, text in files.items()}
    there |= {Path("/proc/self/cgroup"): groups, Path("/proc/meminfo"): "MemAvailable: 2000 kB\n"}
    monkeypatch.setattr(memory, "_read", lambda path: there.get(path, ""))
    assert memory.available_bytes() == (2_048_000 if left is None else left)


def test_the_memory_of_this_machine_is_what_the_system_says() -> None:
    """Between what is free and all that there is, as sysconf tells them, but for the limits of groups."""
    page = os.sysconf("SC_PAGE_SIZE")
    free, whole = (os.sysconf(name) * page for name in ("SC_AVPHYS_PAGES", "SC_PHYS_PAGES"))
    groups = min(memory._left_to_groups(), default=whole)
    assert min(0.8 * free, 0.8 * groups) < memory.available_bytes() <= whole
