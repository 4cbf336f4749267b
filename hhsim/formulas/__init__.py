"""The texts of formulas: what a kernel takes of a function, and what it computes, without a compiler.

The functions of channels and receptors are written by users. Here their texts are read, checked, translated
for a rendered module, and evaluated as the kernel would.
"""

from __future__ import annotations

from hhsim.formulas.grammar import CannotRender
from hhsim.formulas.linker import Linker

__all__ = ["CannotRender", "Linker"]
