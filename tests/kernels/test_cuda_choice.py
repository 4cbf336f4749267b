"""Asking for a CUDA device where there is none, and what is known of one without it."""

from __future__ import annotations

import json
from importlib.util import find_spec

import numpy as np
import pytest
from cuda_device import why_not
from hypothesis import given, settings
from hypothesis import strategies as st
from places import ROOT
from runs import COBA_CELL
from test_cuda_laws import EVERYTHING

from hhsim.config import parse
from hhsim.errors import NoSuchDevice
from hhsim.inputs.build import build_inputs
from hhsim.kernels.cuda import tables as t
from hhsim.network.build import connect
from hhsim.network.connections import IN_DEGREE_MAX
from hhsim.network.layout import lay_out

CONFIGS = ROOT / "configs"
NONE = pytest.mark.skipif(why_not() is None, reason="there is a CUDA device")
COMMANDS = [("run",), ("run", "--dry-run"), ("run", "--resume"), ("bench", "-q")]

SILENT = (
    '[run]\nduration = "5 ms"\n'
    + COBA_CELL
    + '[population.cells]\ncell = "hh"\nsize = 2\ninitial = { v = "-65 mV" }\n'
)


@NONE
@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_device_that_is_not_there_is_refused_before_any_work(command, tmp_path, arguments):
    name, *rest = arguments
    refused = command(name, CONFIGS / "coba.toml", "--device", "cuda", *rest)
    assert refused.code == 6
    assert not refused.out
    assert refused.err.count("\n") == 1
    told = "there is no CUDA device here" if find_spec("numba_cuda") else "pip install 'hhsim[cuda]'"
    assert told in refused.err
    assert not list(tmp_path.iterdir())


def test_without_numba_cuda_the_line_that_installs_it_is_named(command, monkeypatch):
    from hhsim.kernels.cuda import devices

    monkeypatch.setattr(devices, "find_spec", lambda name: None)
    refused = command("run", CONFIGS / "coba.toml", "--device", "cuda:1")
    assert refused.code == 6
    assert refused.err == "hhsim: this needs numba-cuda: python -m pip install 'hhsim[cuda]'\n"


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:-1", "cuda:one", "CUDA", "cpu:0", "", "cuda:1234"])
def test_other_devices_are_a_mistake_in_the_command(command, device):
    refused = command("run", CONFIGS / "coba.toml", "--device", device)
    assert refused.code == 2
    assert "cuda:1" in refused.err


@pytest.mark.parametrize("name", ["run", "bench", "kernel"])
def test_help_names_cuda_as_a_device_alone(command, name):
    told = command(name, "--help").out
    assert told.count("cuda") == 1
    assert "--device cpu|cuda[:INDEX]" in told


def test_kernel_prints_what_a_device_would_compile(command):
    told = command("kernel", CONFIGS / "coba.toml", "--device", "cuda", "--precision", "float32")
    assert told.code == 0
    compile(told.out, "kernel", "exec")
    for expected in (
        "def update(",
        "def na_tm1991(",
        "def step_0(state, at, numbers, p, now, gate_dt)",
        "np.float32",
    ):
        assert expected in told.out
    on_processor = command("kernel", CONFIGS / "coba.toml", "--precision", "float32").out
    formula = on_processor[on_processor.index("def na_tm1991(") :].split("\n\n")[0]
    assert formula in told.out


def test_a_config_that_names_no_precision_has_float32_on_a_device(command, tmp_path):
    config = tmp_path / "config.toml"
    config.write_text(SILENT)
    assert "np.float32" in command("kernel", config, "--device", "cuda").out
    assert "np.float64" in command("kernel", config, "--device", "cuda", "--precision", "float64").out
    assert "np.float64" in command("kernel", config).out
    config.write_text(SILENT.replace("[run]\n", '[run]\nprecision = "float64"\n'))
    assert "np.float64" in command("kernel", config, "--device", "cuda").out
    assert json.loads(command("validate", config, "--json").out)["precision"] == "float64"


def test_an_input_that_devices_have_no_kernel_for_is_refused(monkeypatch):
    from hhsim.engines.cuda import Cuda

    monkeypatch.setattr(t, "INPUT_KINDS", ())
    model = parse(EVERYTHING.replace("DELAY", "0 ms")).model
    with pytest.raises(NoSuchDevice, match=r"no device computes the \w+ input of"):
        Cuda(model, lay_out(model), 1, 1)


def built(precision: str):
    model = parse(EVERYTHING.replace("DELAY", "0 ms"), run={"precision": precision}).model
    layout = lay_out(model)
    connections = connect(model, layout, [0, layout.blocks], np.dtype(precision), 1)
    return connections, build_inputs(model, layout).poisson


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_sums_of_weights_are_exact_and_near(precision):
    """A unit is a power of two; all synapses of a cell together have fewer than 2⁵² of them; a weight is off
    by half of one."""
    connections, trains = built(precision)
    units = t.units_of(connections, trains)
    individual = np.flatnonzero(np.isnan(connections.uniform_weights))
    assert len(individual) == 2
    for number in individual:
        weights, unit = t.weights_of(connections, number), units[number]
        assert np.log2(unit) % 1 == 0
        whole = t.whole(weights, unit)
        most = int(np.abs(whole).max()) * int(connections.projections[number, IN_DEGREE_MAX])
        assert most < 2**52
        assert np.abs(whole * unit - weights).max() <= unit / 2
        assert unit / 2 <= {"float64": 1e-12, "float32": 1e-7}[precision]
        if precision == "float32":
            assert np.abs(whole).max() < 2**31
    uniform = np.setdiff1d(np.arange(len(connections.projections)), individual)
    assert (units[uniform] == 1).all()


@given(
    st.lists(st.floats(-1e6, 1e6, allow_subnormal=False), min_size=1, max_size=20),
    st.randoms(use_true_random=False),
)
@settings(max_examples=50, deadline=None)
def test_whole_units_add_up_to_the_same_in_any_order(weights, random):
    array = np.array(weights)
    unit = t._unit(array, len(weights), False)
    whole = t.whole(array, unit).tolist()
    total = sum(whole)
    random.shuffle(whole)
    assert sum(whole) == total
    assert float(np.float64(total)) == total  # exact in float64
    assert abs(total * unit - sum(weights)) <= len(weights) * unit
