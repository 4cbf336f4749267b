"""From definitions to compiled code: a short Python module for each network's cell types.

A rendered module is plain text in the cache folder, imported like any other, so that Numba keeps its
machine code on disk, and `NUMBA_DISABLE_JIT=1` runs the same text. `hhsim kernel CONFIG` prints it.
"""

from __future__ import annotations

from collections.abc import Callable

from hhsim.kernels.render.program import compiling, load, render, render_loop, render_steps

__all__ = ["compiling", "load", "render", "render_loop", "render_steps", "renderer_for"]


def renderer_for(device: str) -> Callable[..., str]:
    """What renders the module of cells of given structures for "cpu", "cuda" or "cuda:1"."""
    if device == "cpu":
        return render
    from hhsim.kernels.render.device import render_for_device

    return render_for_device
