"""Formulas evaluated as a kernel would, in plain Python: no exception, infinities and NaN instead."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

from hhsim import mathx
from hhsim.formulas.linker import Linker

NAN = math.nan


class Formula:
    """A function, translated as for a kernel in float64, that can be called with floats.

    Raises CannotRender, as `Linker.add` does. `quotients` holds, for each division of the last call, its
    number in `divisions`, and numerator and denominator.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        linker = Linker("float64")
        name = linker.add(function)
        self.divisions = linker.divisions
        self.quotients: list[tuple[int, float, float]] = []
        self._poisoned: int | None = None
        module = ast.Module([_Guarded().visit(each) for each in linker.definitions], [])
        for node in ast.walk(module):  # parts of several files: no line of theirs is one here
            for place in ("lineno", "end_lineno", "col_offset", "end_col_offset"):
                vars(node).pop(place, None)
        names: dict[str, Any] = {
            "scale": _scale,
            "_divide": self._divide,
            "_power": _power,
            "__builtins__": {"abs": abs, "min": min, "max": max},
        }
        exec(compile(ast.fix_missing_locations(module), f"<{name}>", "exec"), names)
        self._call = names[name]

    def __call__(self, *arguments: float, poisoned: int | None = None) -> tuple[Any, ...]:
        """The results for these arguments, as many as there are.

        The quotient with the number `poisoned` among `quotients` becomes NaN, to see what depends on it.
        """
        self.quotients = []
        self._poisoned = poisoned
        results = self._call(*map(float, arguments))
        return results if isinstance(results, tuple) else (results,)

    def _divide(self, a: Any, b: Any, division: int) -> Any:
        self.quotients.append((division, float(a), float(b)))
        if self._poisoned == len(self.quotients) - 1:
            return NAN
        if b == 0:
            # The sign of a zero is taken for what it is, as processors do.
            return NAN if a == 0 or a != a else math.copysign(math.inf, a) * math.copysign(1.0, b)
        return a / b


class _Guarded(ast.NodeTransformer):
    """Exchanges the operations that raise exceptions in Python for functions."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.op, ast.Div):
            number = ast.Constant(getattr(node, "division", -1))
            return ast.Call(ast.Name("_divide", ast.Load()), [node.left, node.right, number], [])
        if isinstance(node.op, ast.Pow):
            return ast.Call(ast.Name("_power", ast.Load()), [node.left, node.right], [])
        return node


def _scale(p: float, t: float, magic: float) -> float:
    return mathx.scale(p, t, magic) if math.isfinite(t) else NAN


def _power(x: float, exponent: int) -> float:
    try:
        return float(operator.pow(x, exponent))
    except OverflowError:
        return math.inf if x > 0 or exponent % 2 == 0 else -math.inf


def same(a: Sequence[Any], b: Sequence[Any]) -> bool:
    """Whether two evaluations of one formula agree, but for rounding and for what is no finite number."""
    return len(a) == len(b) and all(map(_same, a, b))


def _same(a: Any, b: Any) -> bool:
    if not (math.isfinite(a) and math.isfinite(b)):
        return True
    return math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-9)
