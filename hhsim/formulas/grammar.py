"""What the text of a formula may hold: straight arithmetic, choices between values, and calls of formulas.

What Python knows beyond that (loops, closures, keyword arguments, ...) either cannot be compiled or would be
compiled to something else than it says, and is refused here with its line.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import textwrap
import threading
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any

_PARSING = threading.Lock()  # Python 3.11 counts the depth of all trees that are being made together
MOST_POWER = 100  # of a whole power that is written out

STATEMENTS = (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Return, ast.If, ast.Pass)
EXPRESSIONS = (
    *(ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp),
    *(ast.Call, ast.Name, ast.Attribute, ast.Constant, ast.Tuple),
)
OPERATORS = (
    *(ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow, ast.BitAnd, ast.BitOr, ast.And, ast.Or),
    *(ast.USub, ast.UAdd, ast.Not, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq),
)


class CannotRender(ValueError):
    """A function uses something that a kernel cannot; says where it stands, as far as that is known."""

    def __init__(self, reason: str, name: str = "", path: str | None = None, line: int | None = None) -> None:
        super().__init__(reason, name, path, line)
        self.reason = reason
        self.name = name
        self.path = path
        self.line = line

    def __str__(self) -> str:
        where = f" (line {self.line} of {self.path})" if self.line is not None else ""
        return f"{self.name}{where}: {self.reason}"


class Text:
    """The text of a function, checked: its tree, and where its lines stand in its file."""

    def __init__(self, function: Callable[..., Any]) -> None:
        """Raises CannotRender if `function` is more than a formula, or its text cannot be read."""
        if not isinstance(function, types.FunctionType) or hasattr(function, "__wrapped__"):
            raise CannotRender("only a function made by `def` can become a kernel", _name(function))
        code = function.__code__
        self.name = function.__name__
        self.path = code.co_filename
        self.first_line = code.co_firstlineno
        self.tree = self._tree(function)
        self.body = [node for node in self.tree.body if not _is_docstring(node)]
        self.arguments = self._arguments(function)
        if code.co_freevars:
            names = ", ".join(code.co_freevars)
            raise self.refusal(f"{names} stands in a function around it; define it at the top of the file")
        for node in self.body:
            self._statement(node)
        if not _returns(self.body):
            raise self.refusal("it must end with a return")

    def refusal(self, reason: str, node: ast.AST | None = None) -> CannotRender:
        line = self.line(node) if node is not None else self.first_line
        return CannotRender(reason, self.name, self.path, line)

    def line(self, node: ast.AST) -> int:
        """The line of `node` in the file."""
        return self.first_line + int(getattr(node, "lineno", 1)) - 1

    def returns(self) -> Iterator[ast.Return]:
        for statement in self.body:
            yield from (node for node in ast.walk(statement) if isinstance(node, ast.Return))

    def _tree(self, function: Callable[..., Any]) -> ast.FunctionDef:
        try:
            with _PARSING:
                tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
        except (OSError, SyntaxError, ValueError) as error:
            reason = "its text cannot be read; define it in a file"
            raise CannotRender(reason, self.name, self.path) from error
        if not isinstance(tree, ast.FunctionDef):
            raise self.refusal("only a function made by `def` can become a kernel")
        return tree

    def _arguments(self, function: types.FunctionType) -> tuple[str, ...]:
        given = self.tree.args
        if given.posonlyargs or given.kwonlyargs or given.vararg or given.kwarg:
            raise self.refusal("its arguments must be plain names, without * and /")
        if function.__defaults__:
            raise self.refusal("its arguments cannot have default values; declare them with a Parameter")
        return tuple(argument.arg for argument in given.args)

    def _statement(self, node: ast.stmt) -> None:
        if not isinstance(node, STATEMENTS):
            raise self.refusal(f"`{_word(node)}` cannot stand in a kernel", node)
        if isinstance(node, ast.If):
            self._expression(node.test)
            for inner in (*node.body, *node.orelse):
                self._statement(inner)
            return
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        for target in targets:
            names = target.elts if isinstance(target, ast.Tuple) else [target]
            if not all(name is None or isinstance(name, ast.Name) for name in names):
                raise self.refusal("values can be assigned to names alone", node)
        if isinstance(node, ast.AugAssign) and not isinstance(node.op, OPERATORS):
            raise self.refusal(f"`{ast.unparse(node)}` cannot stand in a kernel", node)
        if isinstance(node, ast.AnnAssign) and node.value is None:
            raise self.refusal("a declaration without a value", node)
        if isinstance(node, ast.Return) and node.value is None:
            raise self.refusal("a return without a value", node)
        value = getattr(node, "value", None)
        if value is not None:
            self._expression(value)

    def _expression(self, node: ast.expr) -> None:
        for inner in ast.walk(node):
            if isinstance(inner, ast.expr) and not isinstance(inner, EXPRESSIONS):
                raise self.refusal(f"`{_short(inner)}` cannot stand in a kernel", inner)
            if isinstance(inner, ast.operator | ast.unaryop | ast.cmpop) and not isinstance(inner, OPERATORS):
                raise self.refusal(f"`{_short(node)}` uses an operator that a kernel does not have", node)
            if isinstance(inner, ast.Call) and (inner.keywords or not inner.args):
                raise self.refusal(f"`{_short(inner)}`: a call in a kernel has plain arguments alone", inner)
            if isinstance(inner, ast.Constant) and not isinstance(inner.value, int | float):
                raise self.refusal(f"`{_short(inner)}` is not a number", inner)


def is_straight(function: Callable[..., Any], known: Mapping[str, Any]) -> bool:
    """Whether a formula chooses nothing and calls nothing but the functions `known`, by these names.

    Such a text computes with whole arrays as it does with numbers.
    """
    names = function.__globals__
    for statement in Text(function).body:
        for node in ast.walk(statement):
            if isinstance(node, ast.If | ast.IfExp | ast.BoolOp | ast.Compare | ast.Not):
                return False
            if isinstance(node, ast.Call):
                name = node.func.id if isinstance(node.func, ast.Name) else ""
                if name not in known or names.get(name, getattr(builtins, name, None)) is not known[name]:
                    return False
    return True


def _returns(body: list[ast.stmt]) -> bool:
    """Whether a block ends in a return on every way through it."""
    if not body:
        return False
    last = body[-1]
    return isinstance(last, ast.Return) or (
        isinstance(last, ast.If) and _returns(last.body) and _returns(last.orelse)
    )


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _word(node: ast.stmt) -> str:
    """The word with which a statement begins."""
    return ast.unparse(node).split(maxsplit=1)[0].rstrip(":")


def _short(node: ast.expr) -> str:
    text = ast.unparse(node)
    return text if len(text) <= 60 else f"{text[:60]}…"


def _name(function: Any) -> str:
    return str(getattr(function, "__name__", type(function).__name__))
