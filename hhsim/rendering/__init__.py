"""From definitions to compiled code: a short Python module for each network's cell types.

A rendered module is plain text in the cache folder, imported like any other, so that Numba keeps its
machine code on disk, and `NUMBA_DISABLE_JIT=1` runs the same text. `hhsim kernel CONFIG` prints it.
"""

from hhsim.rendering.program import load, render

__all__ = ["load", "render"]
