"""How many floating-point operations a step of a neuron takes, counted in the rendered text.

The count is of the operations that remain when equal expressions of a loop are computed once and what does
not depend on the lane is computed before it, as compilers do (value numbering; Cocke & Schwartz 1970). Each
of + − · / counts as one, both sides of a choice count, and comparisons, minima, absolute values and the bits
of exponents do not. A division takes a processor as long as several multiplications: the count, held against
a peak of multiplications with additions, is a nominal one and its share of the peak a lower bound.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

COUNTED = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
COMMUTING = {"+", "*"}
CASTS = {"real", "byte"}
FREE = {"abs", "min", "max", "scale"}  # what the step calls from outside, and what costs no operation


@dataclass(frozen=True)
class Value:
    """The result of an expression: two that have the same name are the same number."""

    name: str
    varies: bool  # from lane to lane
    whole: bool = False  # an index: no floating-point number


def flops_of_steps(text: str) -> list[int]:
    """The operations for each lane of `step_0`, `step_1`, ... of a rendered module."""
    functions = {node.name: node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)}
    names = sorted((name for name in functions if re.fullmatch(r"step_\d+", name)), key=lambda n: int(n[5:]))
    return [_Count(functions).of(functions[name]) for name in names]


class _Count:
    def __init__(self, functions: dict[str, ast.FunctionDef]) -> None:
        self.functions = functions
        self.flops = 0
        self.known: set[str] = set()  # what the present loop has computed already
        self.numbers: dict[tuple[str, ...], str] = {}  # a short name for each expression
        self.stores = 0

    def of(self, step: ast.FunctionDef) -> int:
        self._run(step.body, {argument.arg: Value(argument.arg, False) for argument in step.args.args})
        return self.flops

    def _run(self, body: Sequence[ast.stmt], names: dict[str, Value]) -> Any:
        """Follow statements as a step without anything unusual does; returns what they return."""
        for node in body:
            if isinstance(node, ast.Assign):
                self._assign(node.targets[0], self._value(node.value, names), names)
            elif isinstance(node, ast.For):
                assert isinstance(node.target, ast.Name)
                self.known = set()
                self._run(node.body, names | {node.target.id: Value(node.target.id, True, whole=True)})
            elif isinstance(node, ast.If):
                self._run(node.body if self._usual(node.test) else node.orelse, names)
            elif isinstance(node, ast.Return):
                assert node.value is not None
                return self._value(node.value, names)
            else:
                raise NotImplementedError(ast.unparse(node))
        return None

    def _usual(self, test: ast.expr) -> bool:
        """What a test comes to where no lane is beyond the reach of a short form: all flags are False."""
        flags = {node.id: False for node in ast.walk(test) if isinstance(node, ast.Name)}
        return bool(eval(compile(ast.Expression(test), "<test>", "eval"), {"__builtins__": {}}, flags))

    def _assign(self, target: ast.expr, value: Any, names: dict[str, Value]) -> None:
        if isinstance(target, ast.Tuple):
            for each, part in zip(target.elts, value, strict=True):
                self._assign(each, part, names)
        elif isinstance(target, ast.Name):
            names[target.id] = value
        else:  # from now on the element is another number
            self.stores += 1
            names[ast.unparse(target)] = Value(f"store {self.stores}", True)

    def _value(self, node: ast.expr, names: dict[str, Value]) -> Any:
        if isinstance(node, ast.Tuple):
            return tuple(self._value(each, names) for each in node.elts)
        if isinstance(node, ast.Constant):
            return Value(repr(node.value), False)
        if isinstance(node, ast.Name):
            return names.get(node.id, Value(node.id, False))
        if isinstance(node, ast.Subscript):
            element = ast.unparse(node)
            index = self._value(node.slice, names)
            return names.get(element, Value(element, index.varies))
        if isinstance(node, ast.Call):
            return self._call(node, names)
        if isinstance(node, ast.BinOp):
            return self._operation(node, names)
        parts = [
            self._value(child, names) for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)
        ]
        return self._made(type(node).__name__ + _signs(node), parts)

    def _call(self, node: ast.Call, names: dict[str, Value]) -> Any:
        assert isinstance(node.func, ast.Name)
        name = node.func.id
        arguments = [self._value(each, names) for each in node.args]
        if name in self.functions:
            function = self.functions[name]
            own = {each.arg: value for each, value in zip(function.args.args, arguments, strict=True)}
            return self._run(function.body, own)
        if name == "index":
            return Value(f"index({arguments[0].name})", arguments[0].varies, whole=True)
        if name in CASTS:
            return arguments[0]
        if name not in FREE | {"local"}:
            raise NotImplementedError(name)
        return self._made(name, arguments)

    def _operation(self, node: ast.BinOp, names: dict[str, Value]) -> Value:
        left = self._value(node.left, names)
        if isinstance(node.op, ast.Pow):
            assert isinstance(node.right, ast.Constant)
            assert isinstance(node.right.value, int)
            return self._power(left, node.right.value)
        return self._counted(COUNTED.get(type(node.op), ""), left, self._value(node.right, names))

    def _counted(self, operator: str, left: Value, right: Value) -> Value:
        operands = sorted([left, right], key=lambda v: v.name) if operator in COMMUTING else [left, right]
        result = self._made(operator or "|", operands)
        if operator and result.varies and not result.whole and result.name not in self.known:
            self.known.add(result.name)
            self.flops += 1
        return result

    def _power(self, base: Value, exponent: int) -> Value:
        """By squaring, as compilers do it."""
        if exponent == 1:
            return base
        half = self._power(base, exponent // 2)
        square = self._counted("*", half, half)
        return self._counted("*", square, base) if exponent % 2 else square

    def _made(self, what: str, parts: Sequence[Value]) -> Value:
        """A value made of others by `what`; an index as soon as one of them is."""
        name = self.numbers.setdefault((what, *(part.name for part in parts)), f"#{len(self.numbers)}")
        return Value(name, any(part.varies for part in parts), any(part.whole for part in parts))


def _signs(node: ast.expr) -> str:
    """The operators of a comparison or of a sign."""
    return "".join(
        type(child).__name__ for child in ast.iter_child_nodes(node) if not isinstance(child, ast.expr)
    )
