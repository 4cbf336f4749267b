"""Takes the text of scalar functions into a rendered module, in the precision that is asked for."""

from __future__ import annotations

import ast
import builtins
import inspect
import math
import types
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple

from hhsim import mathx
from hhsim.formulas.grammar import MOST_POWER, CannotRender, Text

KEPT = {"abs", "min", "max"}  # builtins that compile to vector instructions
PROVIDED = {"scale"}  # what a rendered module imports from `hhsim.jit.intrinsics`
RESERVED = KEPT | PROVIDED | {"real"}  # names in a rendered module that no variable may hide


class Linker:
    """Collects functions and everything that they call, once each.

    Numbers are written in the module's precision (a bare 0.5 would turn a float32 loop into float64),
    constant expressions are computed here, and `polynomial` becomes nested multiply-adds.
    """

    def __init__(self, precision: str) -> None:
        self.precision = precision
        self.constants = mathx.CONSTANTS[precision]
        self.divisions: list[Division] = []
        self.definitions: list[ast.FunctionDef] = []
        self._names: dict[Callable[..., Any], str] = {}
        self._under_way: list[Callable[..., Any]] = []
        self._texts: list[str] = []

    def add(self, function: Callable[..., Any]) -> str:
        """Make `function` part of the module; returns the name that it has there.

        Raises CannotRender where it is more than a formula.
        """
        if function in self._under_way:
            raise Text(function).refusal("it calls itself, which a kernel cannot")
        if function in self._names:
            return self._names[function]
        text = Text(function)
        name = text.name
        variables = {name for caller in self._under_way for name in caller.__code__.co_varnames}
        while name in self._names.values() or name in RESERVED | variables:
            name += "_"
        self._names[function] = name
        self._under_way.append(function)
        translator = _Translator(self, function, text, RESERVED | set(self._names.values()))
        definition = ast.FunctionDef(
            name=name,
            args=ast.arguments(
                posonlyargs=[],
                args=[ast.arg(translator.local(argument)) for argument in text.arguments],
                kwonlyargs=[],
                kw_defaults=[],
                defaults=[],
            ),
            body=[translator.visit(node) for node in text.body],
            decorator_list=[],
        )
        self._under_way.pop()
        self.definitions.append(ast.fix_missing_locations(definition))
        self._texts.append(f"{remark(function)}@inline\n{ast.unparse(definition)}\n")
        return name

    def text(self) -> str:
        return "\n\n".join(self._texts)

    def number(self, value: float) -> ast.expr:
        """`value` in the module's precision."""
        literal: ast.expr = ast.Constant(abs(float(value)))
        if value < 0:
            literal = ast.UnaryOp(ast.USub(), literal)
        if self.precision == "float64":
            return literal
        return ast.Call(ast.Name("real", ast.Load()), [literal], [])


class Division(NamedTuple):
    """A quotient in the text of a function: where it stands, and how it reads there."""

    path: str
    line: int
    text: str


def remark(function: Callable[..., Any]) -> str:
    """The first line of what a function says of itself, as a remark of one line; "" if there is none."""
    summary = (inspect.getdoc(function) or "").split("\n")[0]
    plain = "".join(character if character.isprintable() else " " for character in summary)
    return f"# {plain}\n" if plain else ""


class _Translator(ast.NodeTransformer):
    def __init__(
        self, linker: Linker, function: Callable[..., Any], text: Text, taken: AbstractSet[str]
    ) -> None:
        self.linker = linker
        self.taken = taken  # names of the module, which no variable may hide
        self.text = text
        self.globals: Mapping[str, Any] = function.__globals__
        self.locals = {*text.arguments, *function.__code__.co_varnames}
        # The constants of mathx depend on the precision; a number of the same name in a file is its own.
        self.ours = function.__module__ == mathx.__name__

    def local(self, name: str) -> str:
        """The name of a variable in the module."""
        free = name
        while free in self.taken or (free != name and free in self.locals):
            free += "_"
        return free

    def generic_visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.expr):
            value = self._constant(node)
            if value is not None:
                return self._number(value, node)
        return super().generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        assert node.value is not None
        return self.visit(ast.Assign([node.target], node.value, lineno=node.lineno))  # type: ignore[no-any-return]

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        assert isinstance(node.target, ast.Name)
        old = ast.copy_location(ast.Name(node.target.id, ast.Load()), node)
        value = ast.copy_location(ast.BinOp(old, node.op, node.value), node)
        return self.visit(ast.Assign([node.target], value, lineno=node.lineno))  # type: ignore[no-any-return]

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        if self._constant(node) is not None:
            return self.generic_visit(node)
        if isinstance(node.op, ast.Pow):
            exponent = node.right
            power = exponent.value if isinstance(exponent, ast.Constant) else None
            if not isinstance(power, int) or isinstance(power, bool):
                raise self._refusal("a power needs a whole number as exponent; write it with exp", node)
            if power > MOST_POWER:
                raise self._refusal(f"a power of more than {MOST_POWER}; write it with exp", node)
            return ast.BinOp(self.visit(node.left), node.op, exponent)
        if isinstance(node.op, ast.Div):
            place = Division(self.text.path, self.text.line(node), ast.unparse(node))
            node.division = len(self.linker.divisions)  # type: ignore[attr-defined]
            self.linker.divisions.append(place)
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        value = self._constant(node)
        if value is not None:
            return self._number(value, node)
        if not isinstance(node.func, ast.Name):
            name = ast.unparse(node.func)
            raise self._refusal(
                f"{name} cannot be called in a kernel; use exp and its relatives from hhsim.mathx", node
            )
        name = node.func.id
        if self._global(name) is mathx.polynomial:
            return self._polynomial(node)
        arguments = [self.visit(argument) for argument in node.args]
        return ast.Call(ast.Name(self._function(name, node), ast.Load()), arguments, [])

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id in self.locals:
            return ast.copy_location(ast.Name(self.local(node.id), node.ctx), node)
        value = self._constant(node)
        if value is None:
            raise self._refusal(f"{node.id!r} is not a number that a kernel can know", node)
        return self._number(value, node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        value = self._constant(node)
        if value is None:
            raise self._refusal(f"{ast.unparse(node)!r} is not a number that a kernel can know", node)
        return self._number(value, node)

    def _polynomial(self, node: ast.Call) -> ast.expr:
        """Even and odd powers as two chains: half the latency of Horner's one, for one multiplication."""
        x, table = node.args[0], node.args[-1]
        coefficients = self.linker.constants.get(table.id) if isinstance(table, ast.Name) else None
        if not self.ours or not isinstance(coefficients, tuple):
            raise self._refusal("polynomial is for hhsim.mathx alone; write the powers out", node)
        square = ast.BinOp(self.visit(x), ast.Mult(), self.visit(x))
        even, odd = self._horner(square, coefficients[::2]), self._horner(square, coefficients[1::2])
        return ast.BinOp(even, ast.Add(), ast.BinOp(odd, ast.Mult(), self.visit(x)))

    def _horner(self, x: ast.expr, coefficients: tuple[float, ...]) -> ast.expr:
        result = self.linker.number(coefficients[-1])
        for coefficient in reversed(coefficients[:-1]):
            product = ast.BinOp(result, ast.Mult(), x)
            result = ast.BinOp(product, ast.Add(), self.linker.number(coefficient))
        return result

    def _function(self, name: str, node: ast.Call) -> str:
        target = self._global(name)
        if name in KEPT and target is getattr(builtins, name):
            if (len(node.args) == 1) != (name == "abs"):
                raise self._refusal(f"{name} is called with {_count(len(node.args))}", node)
            return name
        if target is mathx.scale:
            return "scale"
        if not isinstance(target, types.FunctionType):
            if name in vars(mathx) and isinstance(getattr(mathx, name), types.FunctionType):
                hint = f"; take it from hhsim.mathx: from hhsim.mathx import {name}"
            else:
                hint = "; use exp and its relatives from hhsim.mathx"
            raise self._refusal(f"{name!r} is not a function that a kernel can call{hint}", node)
        wanted = target.__code__.co_argcount
        if len(node.args) != wanted:
            found = len(node.args)
            raise self._refusal(f"{name} takes {_count(wanted)}, but is called with {found}", node)
        return self.linker.add(target)

    def _global(self, name: str) -> Any:
        """What `name` is outside the function; None for its own variables."""
        if name in self.locals:
            return None
        return self.globals.get(name, getattr(builtins, name, None))

    def _number(self, value: float, node: ast.expr) -> ast.expr:
        if math.isnan(value):
            raise self._refusal(f"{ast.unparse(node)} is not a number (NaN)", node)
        return self.linker.number(value)

    def _refusal(self, reason: str, node: ast.AST) -> CannotRender:
        return self.text.refusal(reason, node)

    def _constant(self, node: ast.expr) -> float | None:
        """The value of an expression that holds nothing but numbers, constants and calls of mathx."""
        try:
            return self._known(node)
        except (ArithmeticError, ValueError, TypeError) as error:
            if isinstance(error, CannotRender):
                raise
            raise self._refusal(f"{ast.unparse(node)} cannot be computed ({error})", node) from None

    def _known(self, node: ast.expr) -> float | None:
        if isinstance(node, ast.Constant):
            return _plain(node.value)
        if isinstance(node, ast.Name):
            if node.id in self.locals:
                return None
            if self.ours and node.id in self.linker.constants:
                return _plain(self.linker.constants[node.id])
            return _plain(self.globals.get(node.id))
        if isinstance(node, ast.Attribute):
            module = self._global(node.value.id) if isinstance(node.value, ast.Name) else None
            return _plain(getattr(module, node.attr, None)) if isinstance(module, types.ModuleType) else None
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            operand = self._known(node.operand)
            return None if operand is None else -operand
        if isinstance(node, ast.BinOp):
            left, right = self._known(node.left), self._known(node.right)
            if left is None or right is None:
                return None
            return float(_evaluate(ast.BinOp(_literal(left), node.op, _literal(right)), {}))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
            function = self._global(node.func.id)
            values = [self._known(argument) for argument in node.args]
            if getattr(function, "__module__", None) == mathx.__name__ and None not in values:
                names = {node.func.id: function}
                return float(
                    _evaluate(ast.Call(node.func, [_literal(v) for v in values if v is not None], []), names)
                )
        return None


def _count(arguments: int) -> str:
    return "1 argument" if arguments == 1 else f"{arguments} arguments"


def _plain(value: Any) -> float | None:
    """A number as a float, so that no power of whole numbers fills the memory; None for all else."""
    return float(value) if isinstance(value, int | float) else None


def _literal(value: float) -> ast.expr:
    return ast.Constant(value)


def _evaluate(node: ast.expr, names: dict[str, Any]) -> Any:
    expression = ast.fix_missing_locations(ast.Expression(node))
    return eval(compile(expression, "<constant>", "eval"), {"__builtins__": {}}, names)
