"""How a projection's rule is written, and how it is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hhsim import model
from hhsim.config.fields import file, name, probability, whole, yes_or_no
from hhsim.config.problems import KeyPath
from hhsim.config.reading import Reader, Surroundings, Wrong, describe, each
from hhsim.model.spelling import unknown, unknown_model

_WORDS: dict[str, model.Rule] = {"one_to_one": model.OneToOne(), "all_to_all": model.AllToAll()}
_NUMBERS: dict[str, Reader] = {
    "pairwise_bernoulli": probability,
    "fixed_outdegree": whole(),
    "fixed_indegree": whole(),
    "file": file,
}
_OPTIONS: dict[str, dict[str, Reader]] = {
    "pairwise_bernoulli": {},
    "fixed_outdegree": {"replacement": yes_or_no, "autapses": yes_or_no},
    "fixed_indegree": {"replacement": yes_or_no, "autapses": yes_or_no},
    "file": {"edges": name, "edge_types": file},
}
_MAKERS: dict[str, Callable[..., model.Rule]] = {
    "pairwise_bernoulli": model.PairwiseBernoulli,
    "fixed_outdegree": model.FixedOutdegree,
    "fixed_indegree": model.FixedIndegree,
    "file": model.EdgesFromFile,
}
_KNOWN = (*_NUMBERS, *_WORDS)
_USAGE = {
    "pairwise_bernoulli": "{ pairwise_bernoulli = 0.02 }",
    "fixed_outdegree": "{ fixed_outdegree = 80 }",
    "fixed_indegree": "{ fixed_indegree = 80 }",
    "file": '{ file = "edges.h5", edges = "exc__inh" }',
}


def rule(raw: Any, around: Surroundings) -> model.Rule:
    """The rule that `raw` names: a word such as "one_to_one", or a table with one rule and its options."""
    if isinstance(raw, str):
        if raw in _WORDS:
            return _WORDS[raw]
        if raw in _USAGE:
            raise Wrong(((), f'"{raw}" needs its number: rule = {_USAGE[raw]}'))
        raise Wrong(((), f'"{raw}": {unknown_model("rule", raw, _KNOWN)}'))
    if not isinstance(raw, dict):
        raise Wrong(((), f"expected a rule such as {_USAGE['pairwise_bernoulli']}, found {describe(raw)}"))
    chosen = [key for key in raw if key in _KNOWN]
    if not chosen:
        options = {key for options in _OPTIONS.values() for key in options}
        strange = [key for key in raw if key not in options]
        if not strange:
            raise Wrong(((), f"names no rule; known: {', '.join(_KNOWN)}"))
        raise Wrong(*(((key,), unknown_model("rule", key, _KNOWN)) for key in strange))
    if len(chosen) > 1:
        raise Wrong(((), f"names {len(chosen)} rules ({', '.join(chosen)}); it must be one"))
    name = chosen[0]
    if name in _WORDS:
        raise Wrong(((name,), f'is written rule = "{name}"'))
    return _with_options(name, raw, around)


def _with_options(name: str, raw: dict[str, Any], around: Surroundings) -> model.Rule:
    def number() -> Any:
        return _NUMBERS[name](raw[name], around)

    def option(key: str) -> Callable[[], Any]:
        return lambda: _option(name, key, raw[key], around)

    steps: list[tuple[KeyPath, Callable[[], Any]]] = [((name,), number)]
    given = [key for key in raw if key != name]
    steps += [((key,), option(key)) for key in given]
    if name == "file" and "edges" not in raw:
        steps.append(((), _edges_missing))
    value, *rest = each(*steps)
    options = dict(zip(given, rest, strict=True))
    return _MAKERS[name](value, **options)


def _option(name: str, key: str, raw: Any, around: Surroundings) -> Any:
    if key in _OPTIONS[name]:
        return _OPTIONS[name][key](raw, around)
    if any(key in options for options in _OPTIONS.values()):
        raise Wrong(((), f"has no effect on the rule {name}"))
    raise Wrong(((), unknown("key", key, (name, *_OPTIONS[name]))))


def _edges_missing() -> None:
    raise Wrong(((), 'names no edge population of the file; add edges = "<source>__<target>"'))
