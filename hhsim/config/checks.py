"""What has to agree between the sections of a config, and which settings would have no effect."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, assert_never

from hhsim.config.problems import KeyPath, Report
from hhsim.config.read import CellParts, Document
from hhsim.config.reading import BROKEN
from hhsim.config.schema import Input, PoissonInput, Projection, StepCurrent, Trace
from hhsim.model import Rule
from hhsim.model.spelling import unknown

MOST_STEPS = 2**53  # beyond, floats do not count single steps
MOST_SPIKES = 1000  # of a Poisson train in a step: a cell's arrivals are counted in 16 bits


def check(document: Document, report: Report) -> None:
    """Report every contradiction; values that were refused before are passed over."""
    _Checks(document, report).all()


class _Checks:
    def __init__(self, document: Document, report: Report) -> None:
        self.document = document
        self.report = report

    def all(self) -> None:
        self.run()
        self.cells()
        for i, projection in enumerate(self.document.projections):
            if projection is not None:
                self.projection(projection, ("projection", i))
        for i, section in enumerate(self.document.inputs):
            if section is not None:
                self.input(section, ("input", i))
        self.record()
        self.guards()

    def run(self) -> None:
        run = self.document.run
        if run is not None:
            self.multiple(run.duration, ("run", "duration"))

    def multiple(self, time: Any, path: KeyPath) -> None:
        """A time must be a whole number of steps, and not more of them than can be counted."""
        run = self.document.run
        if run is None or not known(time, run.dt) or is_multiple(time, run.dt):
            return
        text, dt = self.typed(path, time), self.typed(("run", "dt"), run.dt)
        if time / run.dt >= MOST_STEPS:
            text = f"{text} is too long: {time / run.dt:.2g} steps of {dt}, and at most 2**53 can be counted"
        elif time < run.dt / 2:
            text = f"{text} is shorter than a step, dt = {dt}"
        else:
            text = f"{text} is not a multiple of dt = {dt}"
        self.report.add(path, text)

    def typed(self, path: KeyPath, time: float) -> str:
        """A time as it was typed; its default in ms if it was left out."""
        return self.document.typed(path, f"{time:g} ms")

    def cells(self) -> None:
        used = set()
        for name, section in self.document.populations.items():
            if section is None or section.cell is BROKEN:
                return  # whether a cell is unused cannot be told
            used.add(section.cell)
            if section.cell not in self.document.cells:
                text = unknown("cell", section.cell, self.document.cells)
                self.report.add(("population", name, "cell"), f'"{section.cell}": {text}')
        for name in self.document.cells:
            if name not in used and used <= set(self.document.cells):
                self.report.add(("cell", name), "has no effect: no population is of this cell type")

    def projection(self, projection: Projection, path: KeyPath) -> None:
        self.exist([(projection.source, (*path, "source"))])
        targets = self.targets(projection.target, path)
        self.receptor(projection.receptor, targets, path)
        rule = projection.rule
        from_file = known(rule) and rule.in_file
        if projection.weight is None and known(rule) and not from_file:
            self.report.add((*path, "weight"), 'is missing: the weight of each synapse, such as "6 nS"')
        if from_file and known(projection.target) and len(projection.target) > 1:
            self.report.add((*path, "target"), "an edges file has edges to one population: name one target")
        if known(projection.source, rule) and projection.target is not BROKEN:
            self.rule(projection.source, projection.target, rule, (*path, "rule"))

    def rule(self, source: str, targets: tuple[str, ...], rule: Rule, path: KeyPath) -> None:
        recurrent = source in targets
        idle = [
            key
            for key, declared in rule.keys.items()
            if declared.recurrent and not recurrent and not getattr(rule, declared.field)
        ]
        for key in idle:
            text = f'has no effect: the source "{source}" is not among the targets'
            self.report.add((*path, key), text)
        problem = rule.impossible(self.size([source]), self.size(targets), recurrent)
        if problem is not None and not idle:
            key, text = problem
            self.report.add((*path, key) if key else path, text)

    def input(self, section: Input, path: KeyPath) -> None:
        targets = self.targets(section.target, path)
        match section:
            case PoissonInput():
                self.receptor(section.receptor, targets, path)
                self.rate(section.rate, (*path, "rate"))
            case StepCurrent():
                pass
            case _:
                assert_never(section)
        if known(section.start, section.stop) and section.start > section.stop:
            start = self.typed((*path, "start"), section.start)
            text = f"is before start ({self.typed((*path, 'stop'), section.stop)} < {start})"
            self.report.add((*path, "stop"), text)
        self.nodes(section.nodes, targets, path)

    def rate(self, rate: Any, path: KeyPath) -> None:
        run = self.document.run
        if run is not None and known(rate, run.dt) and rate * run.dt > MOST_SPIKES:
            dt = self.typed(("run", "dt"), run.dt)
            text = f"{self.typed(path, rate)} is {rate * run.dt:g} spikes in each step of {dt}"
            self.report.add(path, f"{text}; at most {MOST_SPIKES} can be counted")

    def record(self) -> None:
        document = self.document
        if document.spikes is not None and document.spikes is not BROKEN:
            self.exist((name, ("record", "spikes", i)) for i, name in enumerate(document.spikes))
        seen: dict[tuple[str, str], int] = {}
        for i, trace in enumerate(document.traces):
            if trace is None:
                continue
            path: KeyPath = ("record", "trace", i)
            self.trace(trace, path)
            if known(trace.population, trace.variable):
                first = seen.setdefault((trace.population, trace.variable), i)
                if first != i:
                    text = (
                        f"{trace.variable} of {trace.population} is recorded by record.trace[{first}] already"
                    )
                    self.report.add(path, text)

    def trace(self, trace: Trace, path: KeyPath) -> None:
        self.multiple(trace.every, (*path, "every"))
        if trace.population is BROKEN:
            return
        self.exist([(trace.population, (*path, "population"))])
        self.nodes(trace.nodes, [trace.population], path)
        cell = self.cell_of(trace.population)
        if cell is not None and known(trace.variable) and not cell.may_have(trace.variable):
            text = unknown("state", trace.variable, cell.states)
            self.report.add((*path, "variable"), f'"{trace.variable}": {text}')

    def guards(self) -> None:
        guards = self.document.guards
        if guards is None:
            return
        if guards.rate_max is None and guards.silent_for is None and guards.v_range is None:
            self.report.add(("guards",), "has no effect: set rate_max, silent_for or v_range")
        self.multiple(guards.every, ("guards", "every"))
        silent_for = guards.silent_for
        if silent_for is not None and known(silent_for, guards.every) and silent_for < guards.every:
            every = self.typed(("guards", "every"), guards.every)
            text = f"is shorter than every = {every}, how often the guards look"
            self.report.add(("guards", "silent_for"), text)

    def targets(self, target: Any, path: KeyPath) -> list[str]:
        """The populations of `target` that exist; the others are reported."""
        if target is BROKEN:
            return []
        several = [(name, (*path, "target", i)) for i, name in enumerate(target)]
        self.exist(several if len(several) > 1 else [(target[0], (*path, "target"))])
        return [name for name in target if name in self.document.populations]

    def exist(self, names: Iterable[tuple[Any, KeyPath]]) -> None:
        populations = self.document.populations
        for name, path in names:
            if name is not BROKEN and name not in populations:
                self.report.add(path, f'"{name}": {unknown("population", name, populations)}')

    def receptor(self, receptor: Any, targets: list[str], path: KeyPath) -> None:
        """Each type of cell among `targets` must have `receptor`."""
        told = set()
        for target in targets:
            section = self.document.populations[target]
            cell = self.cell_of(target)
            if receptor is BROKEN or section is None or cell is None or section.cell in told:
                continue
            told.add(section.cell)
            if not cell.may_have(f"g.{receptor}"):
                text = unknown("receptor", receptor, cell.receptors)
                where = f'cell "{section.cell}" of population "{target}"'
                self.report.add((*path, "receptor"), f'"{receptor}": {text} (in {where})')

    def nodes(self, nodes: Any, targets: list[str], path: KeyPath) -> None:
        for target in targets:
            size = self.size([target])
            if nodes is not None and nodes is not BROKEN and size is not None and nodes[1] > size:
                text = f'[{nodes[0]}, {nodes[1]}] reaches beyond the {size} cells of population "{target}"'
                self.report.add((*path, "nodes"), text)

    def size(self, names: Iterable[str]) -> int | None:
        """How many cells these populations have together; None if that is not known."""
        total = 0
        for name in names:
            section = self.document.populations.get(name)
            if section is None or section.size is BROKEN:
                return None
            total += section.size
        return total

    def cell_of(self, population: str) -> CellParts | None:
        section = self.document.populations.get(population)
        if section is None or section.cell is BROKEN:
            return None
        return self.document.cells.get(section.cell)


def known(*values: Any) -> bool:
    """Whether all of `values` were given, and none was refused."""
    return all(value is not None and value is not BROKEN for value in values)


def is_multiple(time: float, dt: float) -> bool:
    """Whether `time` is a positive whole number of steps, but for rounding."""
    steps = time / dt
    return steps < MOST_STEPS and round(steps) >= 1 and abs(steps - round(steps)) <= 1e-9 * max(1.0, steps)
