"""A kind that one stage does not know is refused by that stage: nothing takes it for another kind."""

from __future__ import annotations

import ast
import types
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Union, get_args, get_origin

import numpy as np
import pytest
from input_examples import table_of
from places import ROOT

from hhsim import model
from hhsim.bench import scaling
from hhsim.channels import methods
from hhsim.channels.structure import structure_of
from hhsim.config import parse, schema
from hhsim.config import write as writing
from hhsim.config.advice import warnings
from hhsim.config.write import write
from hhsim.errors import ConfigRefused
from hhsim.model.inputs import KINDS
from hhsim.model.inputs import base as input_declarations
from hhsim.model.inputs.base import Input
from hhsim.network import random
from hhsim.network.build import connect
from hhsim.network.layout import lay_out
from hhsim.simulation import memory
from hhsim.simulation.estimate import shrinking
from hhsim.state import build as state

PACKAGE = ROOT / "hhsim"
MODULES = sorted(PACKAGE.rglob("*.py"))
CONFIG = (ROOT / "configs" / "coba_nest.toml").read_text()


def unions() -> dict[str, set[str]]:
    """The unions of classes that the model and the schema define, with the names of their members."""
    found = {}
    for module in (model, input_declarations, schema):
        for name, value in vars(module).items():
            if isinstance(value, types.UnionType) or get_origin(value) is Union:
                found[f"{module.__name__}.{name}"] = {each.__name__ for each in get_args(value)}
    return found


MEMBERS = {each.__name__ for each in KINDS.values()}.union(*unions().values())


def test_the_unions_are_found() -> None:
    assert {"Key", "Value", "InitialValue"} <= {name.split(".")[-1] for name in unions()}
    assert {"Constant", "PoissonInput", "Steady"} <= MEMBERS


def names_in(node: ast.AST) -> set[str]:
    ids = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
    return ids | {each.attr for each in ast.walk(node) if isinstance(each, ast.Attribute)}


def kinds_in(node: ast.AST) -> set[str]:
    """The kinds that an expression names: `Constant` or `model.Constant`, but not `ast.Constant`."""
    of = [
        each
        for each in ast.walk(node)
        if isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name)
    ]
    named = {each.attr for each in of if each.value.id in ("model", "schema")}  # type: ignore[attr-defined]
    return (named | {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}) & MEMBERS


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_kinds_are_told_apart_by_a_match_that_is_exhaustive(path: Path) -> None:
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Match):
            last = node.cases[-1]
            assert isinstance(last.pattern, ast.MatchAs), node.lineno
            assert last.pattern.pattern is None, node.lineno
            assert last.guard is None, node.lineno
            assert "assert_never" in names_in(last.body[0]), node.lineno
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "isinstance":
            assert not kinds_in(node.args[1]), f"line {node.lineno}: use match"


WORDS = {word for name in ("Method", "SpikeRuleName") for word in get_args(getattr(model, name))}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_methods_and_spike_rules_are_never_compared(path: Path) -> None:
    """A comparison has an `else` that takes in whatever comes next."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Compare):
            constants = {each.value for each in ast.walk(node) if isinstance(each, ast.Constant)}
            assert not constants & WORDS, node.lineno


@dataclass(frozen=True)
class Foreign:
    """A kind that was added to the model and forgotten everywhere else."""


WHOLE = parse(CONFIG, overrides=["population.exc.size=60", "population.inh.size=10",
    "projection.0.rule={fixed_outdegree=2}", "projection.1.rule={fixed_outdegree=2}"]).model  # fmt: skip
FOREIGN: Any = Foreign()


def with_projection(**changes: Any) -> model.Model:
    return replace(WHOLE, projections=(replace(WHOLE.projections[0], **changes),))


def with_initial(value: Any) -> model.Model:
    exc = replace(WHOLE.populations["exc"], initial={"v": value})
    return replace(WHOLE, populations=WHOLE.populations | {"exc": exc})


WEIGHT, DELAY = (with_projection(**{key: FOREIGN}) for key in ("weight", "delay"))
INITIAL = with_initial(FOREIGN)
LAYOUT = lay_out(WHOLE)


STAGES: dict[str, Callable[[], Any]] = {
    "weight: write": lambda: write(WEIGHT),
    "weight: connect": lambda: connect(WEIGHT, LAYOUT, LAYOUT.cuts(1), np.float64, threads=1),
    "weight: advice": lambda: warnings(WEIGHT),
    "delay: write": lambda: write(DELAY),
    "delay: connect": lambda: connect(DELAY, LAYOUT, LAYOUT.cuts(1), np.float64, threads=1),
    "delay: memory": lambda: memory.needed(DELAY, 1),
    "delay: advice": lambda: warnings(DELAY),
    "value: draw": lambda: random.draw_values(1, random.Purpose.WEIGHT, 1, FOREIGN, 0, 1),
    "value: mean": lambda: model.mean(FOREIGN),
    "value: structure": lambda: structure_of(
        WHOLE, replace(next(iter(WHOLE.cells.values())), capacitance=FOREIGN)
    ),
    "initial: write": lambda: write(INITIAL),
    "initial: draw": lambda: state.initial_values(INITIAL, INITIAL.populations["exc"]),
    "initial: can shrink": lambda: shrinking.can_shrink(INITIAL),
    "initial: scale": lambda: scaling.scaled(INITIAL, 7),
    "input key: read": lambda: schema._reader(FOREIGN),
    "input key: write": lambda: writing._key(1.0, FOREIGN),
    "method": lambda: methods.leads(FOREIGN),
}


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
def test_a_foreign_kind_is_refused_by(stage) -> None:
    with pytest.raises(AssertionError, match="Expected code to be unreachable"):
        stage()


# Inputs: a kind answers for itself, in a file of its name


def text_of(kind: type[Input]) -> str:
    """The config with an input of this kind in place of its own."""
    head, _, tail = CONFIG.partition("[[input]]")
    _, _, rest = tail.partition("\n[record]")
    return f"{head}{table_of(kind, 'exc')}\n[record]{rest}"


inputs = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


@inputs
def test_an_input_is_read_and_written_as_it_is_declared(kind: type[Input]) -> None:
    loaded = parse(text_of(kind))
    assert [type(one) for one in loaded.model.inputs] == [kind]
    assert parse(loaded.resolved).model == loaded.model
    assert isinstance(warnings(loaded.model), tuple)
    again = replace(loaded.model, run=replace(loaded.model.run, precision="float32"))
    assert parse(write(again)).model == again


@inputs
def test_each_key_of_an_input_is_asked_for(kind: type[Input]) -> None:
    for key in kind.own_keys():
        lines = [line for line in text_of(kind).splitlines(keepends=True) if line.startswith(f"{key} =")]
        lacking = text_of(kind)
        head, _, tail = lacking.rpartition(lines[-1])
        if kind.default(key) is ...:
            with pytest.raises(ConfigRefused, match=rf"input\[0\].{key}: is missing"):
                parse(head + tail)
        else:
            parse(head + tail)


def test_a_kind_of_input_that_leaves_a_question_open_cannot_be_made() -> None:
    facts = {"kind": "half", "flows": False}
    for fact in facts:
        with pytest.raises(TypeError, match=fact):
            type("Half", (Input,), {name: value for name, value in facts.items() if name != fact})
    for answer in Input.__abstractmethods__:
        members = facts | {name: None for name in Input.__abstractmethods__ if name != answer}
        half = type("Half", (Input,), members)
        with pytest.raises(TypeError, match=answer):
            half(target="exc", nodes=(0, 1), start=0.0, stop=1.0)
