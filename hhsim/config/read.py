"""From parsed TOML to the sections of a config, each read by its schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hhsim.channels import Channel, Receptor, all_channels, all_receptors
from hhsim.channels.states import states_of_parts
from hhsim.config import schema
from hhsim.config.names import escaped, not_a_population, not_an_identifier
from hhsim.config.problems import KeyPath, Report
from hhsim.config.reading import BROKEN, Surroundings, describe, typed
from hhsim.model import Value, units
from hhsim.model.inputs import KINDS
from hhsim.model.spelling import listed, unknown_model
from hhsim.model.state import State


@dataclass
class CellParts:
    """What was understood of a cell type. `unsure` holds the channels whose gates are not known."""

    capacitance: Any = BROKEN
    spike: Any = BROKEN
    area: float | None = None  # um^2
    channels: dict[str, tuple[str, Mapping[str, Value]]] = field(default_factory=dict)
    receptors: dict[str, tuple[str, Mapping[str, Value]]] = field(default_factory=dict)
    unsure: set[str] = field(default_factory=set)

    @property
    def states(self) -> dict[str, State]:
        """The states that are known, by name."""
        states = states_of_parts(
            ((key, all_channels()[name]) for key, (name, _) in self.channels.items()),
            ((key, all_receptors()[name]) for key, (name, _) in self.receptors.items()),
        )
        return {state.name: state for state in states}

    def may_have(self, state: str) -> bool:
        """Whether cells of this type have `state`, or might have, were the config right."""
        group = state.partition(".")[0]
        return state in self.states or group in self.unsure


@dataclass
class Document:
    """A config as far as it could be read; a refused value is BROKEN, a refused section None."""

    raw: Mapping[str, Any]  # as it was parsed
    title: Any = ""
    run: schema.Run | None = None
    cells: dict[str, CellParts] = field(default_factory=dict)
    populations: dict[str, schema.Population | None] = field(default_factory=dict)
    initial: dict[str, dict[str, Any]] = field(default_factory=dict)
    projections: list[schema.Projection | None] = field(default_factory=list)
    inputs: list[schema.Input | None] = field(default_factory=list)
    spikes: Any = None
    traces: list[schema.Trace | None] = field(default_factory=list)
    guards: schema.Guards | None = None

    def typed(self, path: KeyPath, otherwise: str) -> str:
        """The text that stands at `path`, or `otherwise` where the config leaves it out."""
        node: Any = self.raw
        for part in path:
            inside = (isinstance(node, dict) and part in node) or (
                isinstance(node, list) and isinstance(part, int)
            )
            if not inside:
                return otherwise
            node = node[part]
        return typed(node)


def read(raw: dict[str, Any], report: Report, folder: Path) -> Document:
    """Read every section of `raw`; what is wrong goes to `report`."""
    around = Surroundings(folder)
    top = schema.read(schema.Config, raw, (), report, around)
    assert top is not None
    document = Document(raw, BROKEN if top.title is BROKEN else top.title)
    if top.run is not BROKEN:
        document.run = schema.read(schema.Run, top.run, ("run",), report, around)
    for name, table in _tables(top.cell, ("cell",), report):
        document.cells[name] = _cell(name, table, report, folder)
    for name, table in _tables(top.population, ("population",), report):
        _population(name, table, document, report, around)
    for i, table in _list(top.projection, ("projection",), report):
        document.projections.append(schema.read(schema.Projection, table, ("projection", i), report, around))
    for i, table in _list(top.input, ("input",), report):
        document.inputs.append(_input(table, ("input", i), report, around))
    record = schema.read(schema.Record, top.record, ("record",), report, around)
    document.spikes = record.spikes if record else BROKEN
    for i, table in _list(record.trace if record else [], ("record", "trace"), report):
        document.traces.append(schema.read(schema.Trace, table, ("record", "trace", i), report, around))
    if top.guards is not None and top.guards is not BROKEN:
        document.guards = schema.read(schema.Guards, top.guards, ("guards",), report, around)
    return document


def _tables(raw: Any, path: KeyPath, report: Report) -> list[tuple[str, Any]]:
    """The named tables under `path`, such as all of [population.NAME]."""
    if raw is BROKEN:
        return []
    if not isinstance(raw, dict):
        report.add(path, f"expected tables such as [{path[-1]}.NAME], found {describe(raw)}")
        return []
    if not raw and path in (("cell",), ("population",)):
        report.add(path, f"there is none; add a table such as [{path[-1]}.NAME]")
    why_not = not_a_population if path == ("population",) else not_an_identifier
    for name in raw:
        reason = why_not(name)
        if reason:
            report.add((*path, name), f"{escaped(name)} {reason}")
    return list(raw.items())


def _list(raw: Any, path: KeyPath, report: Report) -> list[tuple[int, Any]]:
    if isinstance(raw, list):
        return list(enumerate(raw))
    if raw is not BROKEN:
        header = ".".join(str(part) for part in path)
        report.add(path, f"expected a list, each of its elements headed [[{header}]]; found {describe(raw)}")
    return []


def _cell(name: str, raw: Any, report: Report, folder: Path) -> CellParts:
    path = ("cell", name)
    around = Surroundings(folder)
    parts = CellParts()
    if isinstance(raw, dict) and "area" in raw:
        area = schema.read(schema.Area, {"area": raw["area"]}, path, report, around)
        around.area_broken = area is None or area.area is BROKEN
        if area is not None and not around.area_broken:
            around.area = units.read(raw["area"], "um^2")[0]
            parts.area = area.area
    section = schema.read(schema.Cell, raw, path, report, around)
    if section is None:
        parts.unsure = {"g"}
        return parts
    parts.capacitance = section.capacitance
    if section.spike is not BROKEN:
        parts.spike = schema.read(schema.Spike, section.spike, (*path, "spike"), report, around) or BROKEN
    channels, receptors = all_channels(), all_receptors()
    for key, table in _tables(section.channel, (*path, "channel"), report):
        at = (*path, "channel", key)
        if key in ("g", "v"):
            report.add(at, f'a channel cannot be called "{key}": states of that name exist already')
        _mechanism(key, table, at, "channel model", channels, parts.channels, parts, report, around)
    for key, table in _tables(section.receptor, (*path, "receptor"), report):
        at = (*path, "receptor", key)
        _mechanism(key, table, at, "receptor model", receptors, parts.receptors, parts, report, around)
    if around.area is not None and not around.area_used and not around.area_broken:
        report.add((*path, "area"), "has no effect: nothing of this cell is given per area")
    return parts


def _mechanism(
    key: str,
    raw: Any,
    path: KeyPath,
    what: str,
    definitions: Mapping[str, Channel] | Mapping[str, Receptor],
    found: dict[str, tuple[str, Mapping[str, Value]]],
    parts: CellParts,
    report: Report,
    around: Surroundings,
) -> None:
    """Read one channel or receptor of a cell into `found`."""
    name = raw.get("model") if isinstance(raw, dict) else None
    definition = definitions.get(name) if isinstance(name, str) else None
    if definition is None:
        parts.unsure.add(key if what == "channel model" else "g")
        if not isinstance(raw, dict):
            report.add(path, f"expected a table with keys, found {describe(raw)}")
        elif name is None:
            report.add((*path, "model"), f"is missing; {listed(definitions)}")
        elif not isinstance(name, str):
            report.add((*path, "model"), f"expected a text in quotes, found {describe(name)}")
        else:
            text = unknown_model(what, name, definitions)
            report.add((*path, "model"), f'"{name}": {text}; one of your own comes from --channels FILE.py')
        return
    section = schema.read(
        schema.mechanism(tuple(definition.parameters.items())), raw, path, report, around, key="parameter"
    )
    if section is not None:
        found[key] = (definition.name, {name: section.get(name) for name in definition.parameters})


def _population(name: str, raw: Any, document: Document, report: Report, around: Surroundings) -> None:
    path = ("population", name)
    section = schema.read(schema.Population, raw, path, report, around)
    document.populations[name] = section
    if section is None or section.initial is BROKEN or section.cell is BROKEN:
        return
    cell = document.cells.get(section.cell)
    if cell is None:
        return
    table = section.initial
    if isinstance(table, dict):
        table = {k: v for k, v in table.items() if k in cell.states or not cell.may_have(k)}
    kind = schema.initial(tuple(cell.states.values()))
    values = schema.read(kind, table, (*path, "initial"), report, around, key="state")
    if values is not None:
        document.initial[name] = {state: values.get(state) for state in cell.states}


def _input(raw: Any, path: KeyPath, report: Report, around: Surroundings) -> Any:
    name = raw.get("model") if isinstance(raw, dict) else None
    if not isinstance(raw, dict):
        report.add(path, f"expected a table with keys, found {describe(raw)}")
    elif name is None:
        report.add((*path, "model"), f"is missing; known: {', '.join(KINDS)}")
    elif not isinstance(name, str):
        report.add((*path, "model"), f"expected a text in quotes, found {describe(name)}")
    elif name not in KINDS:
        report.add((*path, "model"), f'"{name}": {unknown_model("input model", name, KINDS)}')
    else:
        return schema.read(schema.input_section(KINDS[name]), raw, path, report, around)
    return None
