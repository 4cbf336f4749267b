"""What the kernels become on CUDA devices: registers, spills and shared memory, without a device or a driver.

Compiles every kernel of the shipped configs to PTX (NVVM) and on to machine code (nvJitLink) for several
compute capabilities, as `hhsim run --device cuda` does on a device:

    python scripts/cuda_code.py                # a table in Markdown
    python scripts/cuda_code.py --archs 70,90
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from hhsim.channels.structure import Structure, structure_of
from hhsim.config import load
from hhsim.inputs.poisson import Trains
from hhsim.kernels.cuda.arrays import Arrays
from hhsim.kernels.cuda.compiling import cuda
from hhsim.kernels.cuda.poisson import bring_trains
from hhsim.kernels.cuda.scatter import scatter
from hhsim.kernels.render import load as load_module
from hhsim.kernels.render.device import render_for_device

ARCHITECTURES = (75, 80, 90, 100)
CONFIGS = Path(__file__).parents[1] / "configs"


@dataclass(frozen=True)
class Kernel:
    name: str
    function: Any
    types: tuple[Any, ...]


@dataclass(frozen=True)
class Code:
    """What the linker says of a kernel."""

    registers: int
    stack: int  # bytes of local memory for each thread, spills among them
    spills: int  # bytes
    shared: int  # bytes for each block
    cubin_bytes: int


def kernels(precisions: tuple[str, ...] = ("float32", "float64")) -> Iterator[Kernel]:
    """Every kernel that runs the shipped configs, with each precision, method and width of targets."""
    from numba.cuda import types as numba_types

    def array(kind: str, dimensions: int = 1) -> Any:
        return numba_types.Array(getattr(numba_types, kind), dimensions, "C")

    def arrays(precision: str, targets: str) -> Any:
        kinds = Arrays(
            state=precision,
            numbers=precision,
            tables="int64",
            ledger="int64",
            targets=targets,
            row_starts="uint32",
            lags="uint16",
            weights="int32" if precision == "float32" else "int64",
            counts="uint32",
            sums="int64",
            spikes="int32",
            frames="float32",
        )
        return numba_types.NamedTuple([array(kind) for kind in kinds], Arrays)

    for precision in precisions:
        for text, about in _modules(precision):
            yield Kernel(f"update, {about}", load_module(text).update, (arrays(precision, "uint16"),))
        for targets in ("uint16", "uint32"):
            name = f"scatter, {precision}, {targets} targets"
            yield Kernel(name, scatter, (arrays(precision, targets),))
    kinds = ("int64", "uint64", "float64", "int64", "float64", "int64", "int64")
    trains = [array(kind, 2 if i < 2 else 1) for i, kind in enumerate(kinds)]
    types = (arrays("float32", "uint16"), numba_types.NamedTuple(trains, Trains))
    yield Kernel("bring_trains", bring_trains, types)


def _modules(precision: str) -> Iterable[tuple[str, str]]:
    """The distinct rendered modules of the shipped configs, and what they are."""
    found: dict[str, str] = {}
    for config in sorted(CONFIGS.glob("*.toml")):
        for method in ("exponential_euler", "staggered"):
            model = load(config, run={"precision": precision, "method": method, "seed": 1}).model
            structures: list[Structure] = []
            for cell in model.cells.values():
                if (structure := structure_of(model, cell)) not in structures:
                    structures.append(structure)
            about = f"{config.stem}, {method}, {precision}"
            found.setdefault(render_for_device(structures), about)
    return found.items()


@contextmanager
def _asked(capability: tuple[int, int]) -> Iterator[None]:
    """Numba asks the driver for the compute capability of the device; this answers in its place."""
    from numba.cuda import dispatcher

    real = dispatcher.get_current_device
    dispatcher.get_current_device = lambda: SimpleNamespace(compute_capability=capability)
    try:
        yield
    finally:
        dispatcher.get_current_device = real


def compiled(kernel: Kernel, architecture: int, output: str = "ptx") -> bytes:
    """The kernel as "ptx" or as "ltoir", the form for optimisation by the linker that Numba prefers."""
    capability = divmod(architecture, 10)
    with _asked(capability):
        code, _ = cuda.compile(
            kernel.function.py_func, kernel.types, device=False, abi="numba", cc=capability, output=output
        )
    return code.encode() if isinstance(code, str) else bytes(code)


def to_machine_code(data: bytes, architecture: int, output: str = "ptx") -> Code:
    """What nvJitLink makes of it."""
    from cuda.bindings import nvjitlink

    options = [f"-arch=sm_{architecture}", "-verbose", *(["-lto"] if output == "ltoir" else [])]
    kind = nvjitlink.InputType.PTX if output == "ptx" else nvjitlink.InputType.LTOIR
    handle = nvjitlink.create(len(options), options)
    try:
        nvjitlink.add_data(handle, kind, data, len(data), "kernel")
        nvjitlink.complete(handle)
        log = bytearray(nvjitlink.get_info_log_size(handle))
        nvjitlink.get_info_log(handle, log)
        size = nvjitlink.get_linked_cubin_size(handle)
    finally:
        nvjitlink.destroy(handle)
    return _read(log.decode(), size)


def _read(log: str, size: int) -> Code:
    def number(pattern: str) -> int:
        (found,) = re.findall(pattern, log)
        return int(found)

    shared = re.findall(r"(\d+) bytes smem", log)
    return Code(
        number(r"Used (\d+) registers"),
        number(r"(\d+) bytes stack frame"),
        number(r"(\d+) bytes spill stores") + number(r"(\d+) bytes spill loads"),
        int(shared[0]) if shared else 0,
        size,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--archs", default=",".join(map(str, ARCHITECTURES)))
    archs = [int(each) for each in parser.parse_args().archs.split(",")]
    print("| kernel | " + " | ".join(f"sm_{arch}" for arch in archs) + " |")
    print("|---" * (len(archs) + 1) + "|")
    for kernel in kernels():
        cells = []
        for arch in archs:
            code = to_machine_code(compiled(kernel, arch), arch)
            cells.append(f"{code.registers} / {code.stack} / {code.spills} / {code.shared}")
        print(f"| {kernel.name} | " + " | ".join(cells) + " |", flush=True)
    print("\nregisters of a thread / bytes of local memory / bytes of spills / bytes of shared memory")


if __name__ == "__main__":
    main()
