"""Hashes of sources: of those that become compiled code, and of those that decide the bits of a run.

A hash is of what the sources do: of their syntax, without comments, docstrings and line numbers.
"""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Iterable
from pathlib import Path

from hhsim.system import trust

PACKAGE = Path(__file__).parents[1]

# The files with compiled functions, and those that hold a constant, a type or a function that these name.
# What is rendered (channels, methods, mathx, the loop) is not among them: its text names its own module.
COMPILED_FILES = (
    *sorted(path.relative_to(PACKAGE).as_posix() for path in (PACKAGE / "network/rules").glob("*.py")),
    "jit/options.py", "jit/cache.py", "jit/intrinsics.py", "jit/structs.py", "channels/structure.py",
    "network/layout.py", "network/connections.py", "network/plan.py", "network/random.py", "network/rows.py",
    "network/sampling.py", "network/splits.py", "network/synapses.py", "network/fingerprint.py",
    "state/build.py", "state/inboxes.py", "state/log.py", "state/shares.py", "state/samples.py",
    "inputs/build.py", "kernels/network.py", "kernels/cpu/parts.py", "kernels/cpu/delivery.py",
    "kernels/cpu/meeting.py", "kernels/cpu/parcels.py", "kernels/cpu/stopwatch.py",
)  # fmt: skip

# The rooms and files that decide the bits of a run.
DECIDING = (
    "jit/options.py", "jit/cache.py", "jit/intrinsics.py", "jit/structs.py", "mathx.py", "formulas/",
    "model/", "channels/", "network/", "state/", "inputs/", "kernels/",
)  # fmt: skip


def compilers() -> str:
    """What compiles: the versions of Python, Numba, llvmlite and NumPy, and how hard LLVM tries."""
    import llvmlite
    import numba
    import numpy as np
    from numba.core import config

    python = ".".join(map(str, sys.version_info[:2]))
    return f"{python} {numba.__version__} {llvmlite.__version__} {np.__version__} O{config.OPT}"


def compiled_key(memory: Path | None = None) -> str:
    """The key of compiled code: of the files that become it, and of what compiles them.

    Numba's own cache notices edits in the file of a kernel alone, and would run old code after a change in
    another that it names. In the folder `memory`, if it is given and can be written, by nobody else (see
    `hhsim.system.trust`), stands what was found for the same bytes before: to parse all files takes a tenth
    of a second.
    """
    files = [PACKAGE / name for name in (*COMPILED_FILES, "jit/keys.py")]
    raw = hashlib.sha256(compilers().encode())
    for path in files:
        raw.update(path.read_bytes())
    known = memory / raw.hexdigest()[:32] if memory and _trusted(memory) else None
    if known is not None:
        try:
            key, _, check = known.read_text().partition(" ")
            if check == _check(known.name, key):
                return key
        except (OSError, ValueError):
            pass
    key = _key(files[:-1])
    if known is not None:
        try:
            known.write_text(f"{key} {_check(known.name, key)}")
            trust.tighten(known)
        except OSError:
            pass
    return key


def _trusted(memory: Path) -> bool:
    """Whether what stands in a folder, made if need be, was written by this user."""
    try:
        trust.make(memory)
        return trust.reason_against(memory) is None
    except OSError:
        return False


def _check(raw: str, key: str) -> str:
    """What a key that was remembered for sources must come with, to be believed."""
    return hashlib.sha256(f"{raw} {key}".encode()).hexdigest()[:16]


def deciding_key() -> str:
    """The key of all that decides the bits of a run beside its config and the rendered text."""
    files = [
        path
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.relative_to(PACKAGE).as_posix().startswith(DECIDING)
    ]
    return _key(files)


def _key(files: Iterable[Path]) -> str:
    digest = hashlib.sha256(compilers().encode())
    for path in files:
        digest.update(path.relative_to(PACKAGE).as_posix().encode())
        digest.update(meaning(path.read_text(encoding="utf-8")).encode())
    return digest.hexdigest()[:16]


def meaning(text: str) -> str:
    """The syntax of a module, the same whatever its comments, docstrings and empty lines."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            kept = [each for each in body if not _is_remark(each)]
            node.body = kept or [ast.Pass()]  # type: ignore[attr-defined]
    return ast.dump(tree)


def _is_remark(node: ast.stmt) -> bool:
    if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Constant):
        return False
    return isinstance(node.value.value, str)
