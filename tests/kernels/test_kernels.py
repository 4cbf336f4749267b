"""What is compiled: vector code, once for each structure, the same in plain Python, and watchful."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from assembly import has_avx2, innermost_loops
from diverging import ABSURD, DIVERGING, diverging
from places import ROOT, SUPPORT
from runs import COBA_CELL, run

import hhsim
from hhsim.config import load, parse
from hhsim.errors import Diverged
from hhsim.kernels.render import load as load_kernel
from hhsim.kernels.render import render
from hhsim.recording import open_recording
from hhsim.simulation.simulation import Simulation

CONFIGS = ROOT / "configs"
SMALL = ("population.exc.size=130", "population.inh.size=20")


def text_of(config: str, *overrides: str, **settings: str | int) -> str:
    model = load(CONFIGS / config, (*SMALL, *overrides), run=settings).model
    return render(Simulation(model).structures)


# Vector code

ARITHMETIC = re.compile(r"^\s+v?(add|sub|mul|div|max|min|fn?madd\d*|fn?msub\d*)([sp])([sd])\s.*")


@pytest.mark.skipif(not has_avx2(), reason="vector code is looked for on x86-64 with AVX2 alone")
@pytest.mark.parametrize("method", ["exponential_euler", "staggered"])
@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_loops_over_lanes_are_vector_code(precision, method):
    """Two of the rates, two forms of the membrane, two of the gates: each has a form in whole vectors.

    The membrane's have a scalar form beside it, for the case (that never is) that `marks` is part of `state`.
    """
    module = load_kernel(text_of("coba.toml", precision=precision, method=method))
    real = np.dtype(precision).type
    state, marks, p = np.zeros(16 * 128, precision), np.zeros(256, np.uint8), np.ones(24, precision)
    fresh = type(module.step_0)(
        module.step_0.py_func, targetoptions=module.step_0.targetoptions
    )  # not cached
    fresh(state, np.uint64(0), marks, p, real(0), real(0.1))
    (assembly,) = fresh.inspect_asm().values()
    vectors = scalars = 0
    for body in innermost_loops(assembly):
        arithmetic = [found for line in body if (found := ARITHMETIC.match(line))]
        if len(arithmetic) < 10:
            continue
        kinds = {found.group(2) for found in arithmetic}
        assert kinds in ({"p"}, {"s"}), [found.group() for found in arithmetic]
        assert {found.group(3) for found in arithmetic} == {"d" if precision == "float64" else "s"}
        if kinds == {"p"}:
            vectors += 1
            assert all(re.search("%[yz]mm", found.group()) for found in arithmetic)
        else:
            scalars += 1
    assert vectors == 6
    assert scalars <= 2
    assert not re.search(r"\bcall\w*\s.*\b(exp|pow|expm1)", assembly)


# Rendered text


def test_values_of_parameters_are_not_part_of_the_text():
    plain = text_of("coba.toml")
    assert (
        text_of("coba.toml", 'cell.hh.channel.na.g_max="77 mS/cm^2"', 'cell.hh.capacitance="2 uF/cm^2"')
        == plain
    )
    assert text_of("coba.toml", 'cell.hh.spike.threshold="-10 mV"', "population.exc.size=500") == plain
    assert text_of("coba.toml", dt="0.05 ms", duration="3 s", seed=9) == plain
    assert text_of("coba.toml", 'projection.0.weight="1 nS"', 'projection.1.delay="2 ms"') == plain


@pytest.mark.parametrize(
    "change",
    ['cell.hh.spike.rule="crossing"', 'cell.hh.channel.na.g_max={uniform=["90 mS/cm^2", "110 mS/cm^2"]}'],
)
def test_what_decides_the_computation_is_part_of_the_text(change):
    assert text_of("coba.toml", change) != text_of("coba.toml")
    assert text_of("coba.toml", precision="float32") != text_of("coba.toml")
    assert text_of("coba.toml", method="staggered") != text_of("coba.toml")


def test_another_value_compiles_nothing():
    first = Simulation(load(CONFIGS / "coba.toml", SMALL).model)
    first.compile()
    before = len(first.engine._advance.signatures)
    second = Simulation(
        load(CONFIGS / "coba.toml", (*SMALL, 'cell.hh.channel.na.g_max="77 mS/cm^2"')).model, 2
    )
    second.compile()
    assert second.engine._advance is first.engine._advance
    assert len(second.engine._advance.signatures) == before == 1
    assert second.engine._steps.tolist() == first.engine._steps.tolist()
    assert second.engine._loop == first.engine._loop


# Plain Python

TINY = """
[run]
duration = "20 ms"
seed = 4
CELL
[population.exc]
cell = "hh"
size = 3
initial = { v = { uniform = ["-60 mV", "-50 mV"] }, g.exc = "50 nS" }
[[projection]]
source = "exc"
target = "exc"
receptor = "exc"
rule = "all_to_all"
weight = { uniform = ["0 nS", "9 nS"] }
delay = { uniform = ["0 ms", "1 ms"] }
[[input]]
model = "poisson"
target = "exc"
rate = "3000 Hz"
weight = "3 nS"
receptor = "exc"
[[input]]
model = "step_current"
target = "exc"
amplitude = "300 pA"
start = "5 ms"
""".replace("CELL", COBA_CELL)

SCRIPT = """
import json, sys
sys.path.insert(0, sys.argv[1])
from runs import run
from hhsim.config import parse
outcome = run(parse(sys.argv[2]).model)
print(json.dumps([outcome.spikes["exc"], outcome.state("exc", "v").tolist()]))
"""


def test_plain_python_computes_the_same():
    """The same rendered text without a compiler: for a debugger, and as a check of the compiler."""
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    answer = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(SUPPORT), TINY],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    spikes, v = json.loads(answer.stdout)
    compiled = run(parse(TINY).model)
    assert [tuple(spike) for spike in spikes] == compiled.spikes["exc"]
    assert len(spikes) >= 3
    np.testing.assert_allclose(v, compiled.state("exc", "v"), rtol=0, atol=1e-9)


# Divergence


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("at_once", [None, 1])
def test_divergence_names_the_first_cell_and_keeps_earlier_spikes(precision, threads, at_once):
    stopped = run(diverging(ABSURD[precision], precision), threads, at_once=at_once)
    assert isinstance(stopped.diverged, Diverged)
    assert (stopped.diverged.population, stopped.diverged.node) == ("inh", 133)
    assert stopped.diverged.t_ms == pytest.approx(20.0, abs=1.0)
    steps = round(stopped.diverged.t_ms / 0.1)
    whole = run(diverging("0 nA", precision))
    assert whole.diverged is None
    expected = [spike for spike in whole.spikes["exc"] if spike[0] < steps]
    assert len(expected) > 100
    assert stopped.spikes["exc"] == expected
    assert stopped.spikes["inh"] == [spike for spike in whole.spikes["inh"] if spike[0] < steps]


def test_a_diverging_run_leaves_a_readable_file(tmp_path):
    config = tmp_path / "config.toml"
    config.write_text(DIVERGING.replace("AMPLITUDE", ABSURD["float32"]))
    with pytest.raises(Diverged) as raised:
        hhsim.run(config, output=tmp_path / "out.h5", precision="float32")
    assert raised.value.node == 133
    with open_recording(tmp_path / "out.h5") as found:
        spikes = found.spikes["exc"]
        assert len(spikes.nodes) > 100
        assert spikes.times_ms.max() <= raised.value.t_ms + 0.1
