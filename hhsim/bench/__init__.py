"""How fast a network runs here: by threads, by size, by phase, and against what the machine can do."""

from __future__ import annotations

from hhsim.bench.baseline import Baseline, Comparison, compare, read_baseline
from hhsim.bench.benchmark import benchmark_config
from hhsim.bench.measure import Progress, bench, plan
from hhsim.bench.results import Bench, Row, Series, save
from hhsim.recording.files import check_output

__all__ = [
    "Baseline",
    "Bench",
    "Comparison",
    "Progress",
    "Row",
    "Series",
    "bench",
    "benchmark_config",
    "check_output",
    "compare",
    "plan",
    "read_baseline",
    "save",
]
