"""What should be known of a network's SONATA files: what they do not say, and what of them is not used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import assert_never

from hhsim.circuits.edges import DELAY, NSYNS, UNITS, WEIGHT, open_edges, types_of
from hhsim.circuits.nodes import open_nodes, quantity_of
from hhsim.circuits.table import Table
from hhsim.errors import FileFailed
from hhsim.model import (
    AllToAll,
    Constant,
    EdgesFromFile,
    FixedIndegree,
    FixedOutdegree,
    FromFile,
    InitialValue,
    Model,
    Normal,
    OneToOne,
    PairwiseBernoulli,
    Population,
    Projection,
    Steady,
    Uniform,
)

# Columns of a table of types that are used, or only tell how the network was drawn.
KNOWN = (WEIGHT, DELAY, NSYNS, "target_query", "source_query")
# What stands beside the groups: who a row is, where its values are, and indices made of these.
OF_ROWS = (
    *("node_id", "node_type_id", "node_group_id", "node_group_index"),
    *("source_node_id", "target_node_id", "edge_type_id", "edge_group_id", "edge_group_index"),
    *("indices", "indicies"),  # the guide has it in both spellings
)
MOST_NAMED = 8


def file_notes(model: Model) -> Iterator[str]:
    """A sentence for each thing; none of a file that cannot be read, which the run will refuse."""
    for index, projection in enumerate(model.projections):
        rule = projection.rule
        match rule:
            case EdgesFromFile():
                try:
                    yield from list(_of_edges(f"projection[{index}]", projection, rule))
                except FileFailed:
                    continue
            case PairwiseBernoulli() | FixedOutdegree() | FixedIndegree() | OneToOne() | AllToAll():
                continue
            case _:
                assert_never(rule)
    for population in model.populations.values():
        try:
            yield from list(_of_nodes(population))
        except FileFailed:
            continue


def _of_edges(where: str, projection: Projection, rule: EdgesFromFile) -> Iterator[str]:
    types = types_of(rule, ())
    with open_edges(rule) as table:
        name = f"{rule.path.name}: {table.population.name}"
        for column, given in ((WEIGHT, projection.weight), (DELAY, projection.delay)):
            found = table.columns(column)
            of_types = types is not None and column in types.others
            if given is not None and (found or of_types):
                key = "weight" if column == WEIGHT else "delay"
                what = "edges file" if found else "edge types"
                yield f"{where}.{key} of the config holds; {column} of the {what} is not used"
            elif given is None:
                unit = UNITS[column]
                if any(table.unit(dataset) is None for dataset in found.values()):
                    yield f"{name} gives no units of {column}: taken as {unit}"
                if of_types and len(found) < max(len(table.groups), 1):
                    assert types is not None
                    yield f"{types.path.name} gives no units of {column}: taken as {unit}"
        unused = _unused(table, (WEIGHT, DELAY, NSYNS))
        if unused:
            yield f"{name} also has {_listed(unused)}: not used"
    others = [] if types is None else [each for each in types.others if each not in KNOWN]
    if types is not None and others:
        yield f"{types.path.name} also has {_listed(others)}: not used"


def _of_nodes(population: Population) -> Iterator[str]:
    states = {name: path for name, given in population.initial.items() if (path := _path_of(given))}
    for path in dict.fromkeys(states.values()):
        own = [name for name, of_state in states.items() if of_state == path]
        with open_nodes(path, population.name) as table:
            name = f"{path.name}: {table.population.name}"
            for state in own:
                unit = quantity_of(state).unit
                if unit and any(table.unit(each) is None for each in table.columns(state).values()):
                    yield f"{name} gives no units of {state}: taken as {unit}"
            unused = _unused(table, own)
            if unused:
                yield f"{name} also has {_listed(unused)}: not used"


def _path_of(given: InitialValue) -> Path | None:
    match given:
        case FromFile(path):
            return path
        case Constant() | Normal() | Uniform() | Steady():
            return None
        case _:
            assert_never(given)


def _unused(table: Table, used: Iterable[str]) -> list[str]:
    """What the population and its groups hold beside the columns that are used."""
    names = [name for name in table.population if name not in table.groups and name not in OF_ROWS]
    names += [name for group in table.groups.values() for name in group if name not in used]
    return list(dict.fromkeys(names))


def _listed(names: list[str]) -> str:
    shown = names[:MOST_NAMED]
    more = [f"{len(names) - MOST_NAMED} more"] if len(names) > MOST_NAMED else []
    *first, last = [*shown, *more]
    return f"{', '.join(first)} and {last}" if first else last
