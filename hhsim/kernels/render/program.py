"""Puts a rendered module together, keeps it in the cache folder and imports it."""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import os
import re
import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from hhsim.channels import Channel, Receptor
from hhsim.channels.checks import is_own, shown, title
from hhsim.channels.structure import Structure
from hhsim.errors import ChannelRefused, FileFailed
from hhsim.formulas.linker import Linker
from hhsim.kernels.cpu import loop_text
from hhsim.kernels.render.inputs import render_inputs
from hhsim.kernels.render.step import render_step
from hhsim.system import trust

MOST_WORDS = 200  # characters of a compiler's message

HEADER = '''"""{title}

Rendered by hhsim from its channels and methods; edit those instead.
"""

import numpy as np

from hhsim.jit.intrinsics import local, scale
from hhsim.jit.options import inline, kernel

real = np.{precision}
byte = np.uint8
index = np.uint64
'''

LOOP_HEADER = '''"""The loop over steps and blocks, for cells of every structure.

Rendered by hhsim from hhsim.kernels.cpu.loop_text; edit that instead.
"""

import numpy as np

from hhsim.kernels.cpu.delivery import receive
from hhsim.kernels.cpu.meeting import claim, finish, settle, wait
from hhsim.kernels.cpu.parts import begin, clear_currents, collect, prepare
from hhsim.jit.options import kernel, kernel_parallel, prange
from hhsim.jit.structs import call
'''

TIMED_HEADER = """
from hhsim.kernels.cpu.stopwatch import DELIVERY, DETECTION, RECEPTION, UPDATE, WAITING, lap
from hhsim.jit.intrinsics import read_ticks
"""


def render(structures: Sequence[Structure], timed: bool = False) -> str:
    """All that runs cells of these structures on the processor: their steps, and the loop that calls them."""
    return "\n\n".join([render_steps(structures), render_loop(timed)])


def render_steps(structures: Sequence[Structure]) -> str:
    """The text of a module with the functions step_0, step_1 ... of these structures."""
    precision = structures[0].precision
    linker = Linker(precision)
    steps = [render_step(structure, f"step_{kind}", linker) for kind, structure in enumerate(structures)]
    header = HEADER.format(title=title_of(structures), precision=precision)
    return "\n\n".join([header, linker.text(), *steps])


def render_loop(timed: bool = False) -> str:
    """The text of the module with the loops over steps and blocks, those of `hhsim.kernels.cpu.loop_text`.

    With `timed`, they count how long each phase of a step takes (`Work.ticks`).
    """
    return "\n\n".join(
        [
            LOOP_HEADER + (TIMED_HEADER if timed else ""),
            render_inputs(),
            f"@kernel\n{source(loop_text.advance_parts, timed)}",
            f"@kernel_parallel\n{source(loop_text.advance, timed)}",
        ]
    )


def source(function: Callable[..., Any], timed: bool = False) -> str:
    """The text of a function without remarks for the tools that check ours, and lines `# timed` as asked."""
    text = re.sub(r"  # (type: ignore|noqa).*", "", inspect.getsource(function))
    return re.sub(r"  # timed$" if timed else r".*  # timed\n", "", text, flags=re.MULTILINE)


def title_of(structures: Sequence[Structure]) -> str:
    """What a module is rendered for, in a line."""
    return f"{structures[0].method}, {structures[0].precision}: " + "; ".join(map(_title, structures))


def _title(structure: Structure) -> str:
    models = [channel.name for _, channel in structure.channels]
    models += [receptor.name for _, receptor in structure.receptors]
    return " + ".join(models) + f", spikes by {structure.rule}"


@contextmanager
def compiling(structures: Sequence[Structure]) -> Iterator[None]:
    """Turn an error of the compiler into ChannelRefused where it compiles formulas of the user's own."""
    try:
        yield
    except Exception as error:
        package = type(error).__module__.partition(".")[0]
        if package not in ("numba", "llvmlite") and not isinstance(error, RecursionError | SyntaxError):
            raise
        own: list[Channel | Receptor] = [model for each in structures for _, model in each.channels]
        own += [model for each in structures for _, model in each.receptors]
        own = list(filter(is_own, own))
        if not own:
            raise
        names = ", ".join(dict.fromkeys(map(title, own)))
        words = " ".join(str(error).split())[:MOST_WORDS]
        reason = f"cannot be compiled ({type(error).__name__}: {words})"
        raise ChannelRefused(shown(own[0].path), own[0].line, reason, names) from error


class _Loader(SourceFileLoader):
    """Imports the text that it was given: neither a damaged file nor remains of byte code in its place."""

    def __init__(self, name: str, path: Path, text: str) -> None:
        super().__init__(name, str(path))
        self._text = text

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self._text, self.path)


def load(text: str) -> ModuleType:
    """Import a rendered module from the cache folder; the same text is compiled once and for all.

    Raises FileFailed where it cannot be put there.
    """
    from hhsim.jit.options import cache_folder

    name = f"hhsim_kernel_{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    if name in sys.modules:
        return sys.modules[name]
    path = cache_folder() / f"{name}.py"
    try:
        _write(path, text)
    except OSError as error:
        raise FileFailed(str(path), f"compiled code cannot be kept ({error.strerror})") from error
    spec = importlib.util.spec_from_file_location(name, loader=_Loader(name, path, text))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:  # a signal, too: half a module must not be found by the next run
        del sys.modules[name]
        raise
    return module


def _write(path: Path, text: str) -> None:
    """Let `path` hold `text`, for Numba to look at; left alone where it does, as its time must not change."""
    try:
        if path.read_bytes() == text.encode():
            return
        path.unlink()  # it was damaged
    except FileNotFoundError:
        pass
    temporary = path.with_name(f"{path.stem}.{uuid.uuid4().hex}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        trust.tighten(temporary)
        try:
            os.link(temporary, path)
        except FileExistsError:
            pass  # another process was faster, with the same text
        except OSError:  # a file system without hard links
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
