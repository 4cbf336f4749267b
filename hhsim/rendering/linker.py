"""Takes the text of scalar functions into a rendered module, in the precision that is asked for."""

from __future__ import annotations

import ast
import inspect
import textwrap
import types
from collections.abc import Callable
from typing import Any

from hhsim import mathx

KEPT = {"abs", "min", "max"}  # builtins that compile to vector instructions
PROVIDED = {"scale"}  # what a rendered module imports from `hhsim.intrinsics`


class CannotRender(ValueError):
    """A function uses something that a kernel cannot."""


class Linker:
    """Collects functions and everything that they call, once each.

    Numbers are written in the module's precision (a bare 0.5 would turn a float32 loop into float64),
    constant expressions are computed here, and `polynomial` becomes nested multiply-adds.
    """

    def __init__(self, precision: str) -> None:
        self.precision = precision
        self.constants = mathx.CONSTANTS[precision]
        self._names: dict[Callable[..., Any], str] = {}
        self._texts: list[str] = []

    def add(self, function: Callable[..., Any]) -> str:
        """Make `function` part of the module; returns the name that it has there."""
        if function in self._names:
            return self._names[function]
        name = function.__name__
        while name in self._names.values() or name in KEPT | PROVIDED:
            name += "_"
        self._names[function] = name
        tree = _tree(function)
        body = [node for node in tree.body if not _is_docstring(node)]
        translator = _Translator(self, function)
        definition = ast.FunctionDef(
            name=name,
            args=ast.arguments(
                posonlyargs=[],
                args=[ast.arg(argument.arg) for argument in tree.args.args],
                kwonlyargs=[],
                kw_defaults=[],
                defaults=[],
            ),
            body=[translator.visit(node) for node in body],
            decorator_list=[],
        )
        text = ast.unparse(ast.fix_missing_locations(definition))
        summary = (inspect.getdoc(function) or "").split("\n")[0]
        self._texts.append(f"# {summary}\n@inline\n{text}\n" if summary else f"@inline\n{text}\n")
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


def _tree(function: Callable[..., Any]) -> ast.FunctionDef:
    try:
        source = textwrap.dedent(inspect.getsource(function))
    except OSError as error:
        raise CannotRender(f"{function.__name__}: its text cannot be read; define it in a file") from error
    tree = ast.parse(source).body[0]
    if not isinstance(tree, ast.FunctionDef):
        raise CannotRender(f"{function.__name__}: only a function made by `def` can become a kernel")
    return tree


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


class _Translator(ast.NodeTransformer):
    def __init__(self, linker: Linker, function: Callable[..., Any]) -> None:
        self.linker = linker
        self.globals = inspect.unwrap(function).__globals__
        code = function.__code__
        self.locals = set(code.co_varnames)
        self.where = f"{code.co_name} (line {code.co_firstlineno} of {code.co_filename})"

    def generic_visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.expr):
            value = self._constant(node)
            if value is not None:
                return self.linker.number(value)
        return super().generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if node.value is None:
            raise CannotRender(f"{self.where}: a declaration without a value")
        return self.visit(ast.Assign([node.target], node.value, lineno=0))  # type: ignore[no-any-return]

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        if self._constant(node) is None and isinstance(node.op, ast.Pow):
            exponent = node.right
            if isinstance(exponent, ast.Constant) and isinstance(exponent.value, int):
                return ast.BinOp(self.visit(node.left), node.op, exponent)
            raise CannotRender(f"{self.where}: a power needs a whole number as exponent; write it with exp")
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        value = self._constant(node)
        if value is not None:
            return self.linker.number(value)
        if not isinstance(node.func, ast.Name):
            raise CannotRender(
                f"{self.where}: {ast.unparse(node.func)} cannot be called in a kernel; "
                "use exp and its relatives from hhsim.mathx"
            )
        if node.func.id == "polynomial":
            return self._polynomial(node)
        arguments = [self.visit(argument) for argument in node.args]
        return ast.Call(ast.Name(self._function(node.func.id), ast.Load()), arguments, [])

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id in self.locals:
            return node
        value = self._constant(node)
        if value is None:
            raise CannotRender(f"{self.where}: {node.id!r} is not a number that a kernel can know")
        return self.linker.number(value)

    def _polynomial(self, node: ast.Call) -> ast.expr:
        """Even and odd powers as two chains: half the latency of Horner's one, for one multiplication."""
        x, table = node.args
        assert isinstance(table, ast.Name)
        coefficients = self.linker.constants[table.id]
        assert isinstance(coefficients, tuple)
        square = ast.BinOp(self.visit(x), ast.Mult(), self.visit(x))
        even, odd = self._horner(square, coefficients[::2]), self._horner(square, coefficients[1::2])
        return ast.BinOp(even, ast.Add(), ast.BinOp(odd, ast.Mult(), self.visit(x)))

    def _horner(self, x: ast.expr, coefficients: tuple[float, ...]) -> ast.expr:
        result = self.linker.number(coefficients[-1])
        for coefficient in reversed(coefficients[:-1]):
            product = ast.BinOp(result, ast.Mult(), x)
            result = ast.BinOp(product, ast.Add(), self.linker.number(coefficient))
        return result

    def _function(self, name: str) -> str:
        if name in KEPT | PROVIDED:
            return name
        target = self.globals.get(name)
        if not isinstance(target, types.FunctionType):
            raise CannotRender(f"{self.where}: {name!r} is not a function that a kernel can call")
        return self.linker.add(target)

    def _constant(self, node: ast.expr) -> float | None:
        """The value of an expression that holds nothing but numbers, constants and calls of mathx."""
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, int | float) else None
        if isinstance(node, ast.Name):
            if node.id in self.locals:
                return None
            value = self.linker.constants.get(node.id, self.globals.get(node.id))
            return value if isinstance(value, int | float) else None
        if isinstance(node, ast.Attribute):
            module = self.globals.get(node.value.id) if isinstance(node.value, ast.Name) else None
            value = getattr(module, node.attr, None) if isinstance(module, types.ModuleType) else None
            return value if isinstance(value, int | float) else None
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            operand = self._constant(node.operand)
            return None if operand is None else -operand
        if isinstance(node, ast.BinOp):
            left, right = self._constant(node.left), self._constant(node.right)
            if left is None or right is None:
                return None
            return float(_evaluate(ast.BinOp(_literal(left), node.op, _literal(right)), {}))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
            function = self.globals.get(node.func.id)
            values = [self._constant(argument) for argument in node.args]
            if getattr(function, "__module__", None) == mathx.__name__ and None not in values:
                names = {node.func.id: function}
                return float(
                    _evaluate(ast.Call(node.func, [_literal(v) for v in values if v is not None], []), names)
                )
        return None


def _literal(value: float) -> ast.expr:
    return ast.Constant(value)


def _evaluate(node: ast.expr, names: dict[str, Any]) -> Any:
    expression = ast.fix_missing_locations(ast.Expression(node))
    return eval(compile(expression, "<constant>", "eval"), {"__builtins__": {}}, names)
