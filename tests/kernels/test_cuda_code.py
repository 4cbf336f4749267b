"""The kernels as PTX and as machine code of several generations of devices, without a device or a driver."""

from __future__ import annotations

import sys
from functools import cache
from importlib.util import find_spec

import pytest
from places import ROOT

pytestmark = pytest.mark.skipif(
    find_spec("numba_cuda") is None, reason="numba-cuda is not installed (pip install 'hhsim[cuda]')"
)

sys.path.insert(0, str(ROOT / "scripts"))

ARCHITECTURES = (75, 80, 90, 100)
MOST_REGISTERS = {"float32": 72, "float64": 104}  # 7 and 4 blocks of 128 threads for each multiprocessor


@cache
def kernels():
    import cuda_code

    return list(cuda_code.kernels())


@cache
def code(number: int, architecture: int):
    import cuda_code

    kernel = kernels()[number]
    ptx = cuda_code.compiled(kernel, architecture)
    assert f".target sm_{architecture}".encode() in ptx
    return ptx.decode(), cuda_code.to_machine_code(ptx, architecture)


def cases():
    """COBAHH, a scatter and the inputs for every architecture; other widths of targets and weights for one
    each; and of the other shipped cells, which have the same channels, each method and each precision once.
    """
    if find_spec("numba_cuda") is None:
        return []
    found = []
    for number, kernel in enumerate(kernels()):
        every = "coba," in kernel.name or kernel.name in ("scatter, float32, uint16 targets", "bring_trains")
        others = {"exponential_euler, float32", "staggered, float64"}
        if kernel.name.startswith("update") and not every and kernel.name.split(", ", 2)[2] not in others:
            continue
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


@pytest.mark.parametrize("start", ["update, coba, exponential_euler, float32", "scatter", "bring_trains"])
def test_optimisation_by_the_linker_spills_nothing_either(start):
    """The way that Numba takes on a device where nvJitLink is installed."""
    import cuda_code

    kernel = next(each for each in kernels() if each.name.startswith(start))
    found = cuda_code.to_machine_code(cuda_code.compiled(kernel, 90, "ltoir"), 90, "ltoir")
    assert found.stack == found.spills == found.shared == 0
    assert 0 < found.registers <= MOST_REGISTERS["float32"]


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
