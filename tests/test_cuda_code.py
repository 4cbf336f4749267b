"""The kernels as PTX and as machine code of several generations of devices, without a device or a driver."""

from __future__ import annotations

import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    find_spec("numba_cuda") is None, reason="numba-cuda is not installed (pip install 'hhsim[cuda]')"
)

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

ARCHITECTURES = (75, 80, 90, 100)
MOST_REGISTERS = {"float32": 80, "float64": 112}  # 6 and 4 blocks of 128 threads for each multiprocessor


@cache
def kernels():
    import cuda_code

    return list(cuda_code.kernels())


@cache
def code(number: int, architecture: int):
    import cuda_code

    kernel = kernels()[number]
    ptx = cuda_code.to_ptx(kernel, architecture)
    assert f".target sm_{architecture}" in ptx
    return ptx, cuda_code.to_machine_code(ptx, architecture)


def cases():
    """COBAHH, a scatter and the inputs for every architecture; other widths of targets and weights, and the
    other shipped cells, which have the same channels, for one each."""
    if find_spec("numba_cuda") is None:
        return []
    found = []
    for number, kernel in enumerate(kernels()):
        every = "coba," in kernel.name or kernel.name in ("scatter, float32, uint16 targets", "bring_trains")
        archs = ARCHITECTURES if every else ARCHITECTURES[number % 4 :][:1]
        found += [pytest.param(number, arch, id=f"{kernel.name}, sm_{arch}") for arch in archs]
    return found


@pytest.mark.parametrize(("number", "architecture"), cases())
def test_kernels_become_machine_code_without_local_memory(number, architecture):
    name = kernels()[number].name
    _, found = code(number, architecture)
    assert found.cubin_bytes > 1000
    assert found.stack == found.spills == 0
    assert found.shared == 0
    assert 0 < found.registers <= MOST_REGISTERS["float64" if "float64" in name else "float32"]


def test_float32_kernels_compute_in_float32():
    """A literal that promotes would make the update many times slower; only what a spike or the beginning of
    a chunk costs may be in float64."""
    number = next(i for i, each in enumerate(kernels()) if "coba, exponential_euler, float32" in each.name)
    ptx, _ = code(number, 80)
    lines = [line.split() for line in ptx.splitlines()]
    operations = [
        line[0] for line in lines if line and line[0].split(".")[0] in {"fma", "mul", "add", "sub", "div"}
    ]
    single = sum(".f32" in each for each in operations)
    double = sum(".f64" in each for each in operations)
    assert single > 150
    assert double <= 2
    assert not any("call" in line[0] for line in lines if line)


def test_counts_and_sums_are_added_atomically():
    number = next(i for i, each in enumerate(kernels()) if each.name.startswith("scatter"))
    ptx, _ = code(number, 80)
    added = [
        line.split()[0]
        for line in ptx.splitlines()
        if ".add." in line and line.split()[0].startswith(("atom", "red"))
    ]
    assert any(each.endswith("u32") for each in added)
    assert any(each.endswith("u64") for each in added)
