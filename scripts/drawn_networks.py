"""Random networks: every kind of cell, rule, delay, weight, input, trace and guard, drawn from a seed.

Cells come in a few compositions alone, as each new one takes seven seconds to compile; all else is free.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import NamedTuple

_COBA = (Path(__file__).parents[1] / "configs" / "coba.toml").read_text()

CELLS = {
    "hh": _COBA[_COBA.index("[cell.hh]") : _COBA.index("[population.exc]")],
    "peak": """
[cell.peak]
capacitance = { uniform = ["150 pF", "250 pF"] }
spike = { rule = "peak", threshold = "-33 mV", refractory = "5 ms" }
[cell.peak.channel]
leak = { model = "leak", g_max = "10 nS", e_rev = { normal = ["-60 mV", "2 mV"] } }
fast = { model = "Na_TM1991", g_max = "12 uS", e_rev = "50 mV", v_t = "-63 mV" }
slow = { model = "Na_TM1991", g_max = "8 uS", e_rev = "45 mV", v_t = { uniform = ["-62 mV", "-58 mV"] } }
k = { model = "K_TM1991", g_max = { normal = ["6 uS", "0.5 uS"] }, e_rev = "-90 mV", v_t = "-63 mV" }
[cell.peak.receptor]
exc = { model = "exponential", tau = { uniform = ["4 ms", "6 ms"] }, e_rev = "0 mV" }
inh = { model = "exponential", tau = "10 ms", e_rev = "-80 mV" }
""",
    "passive": """
[cell.passive]
capacitance = "100 pF"
spike = { rule = "crossing", threshold = "-50 mV", refractory = "3 ms" }
channel.leak = { model = "leak", g_max = "10 nS", e_rev = "-70 mV" }
receptor.exc = { model = "exponential", tau = "3 ms", e_rev = "0 mV" }
receptor.inh = { model = "exponential", tau = "8 ms", e_rev = "-75 mV" }
""",
    "bare": """
[cell.bare]
capacitance = "100 pF"
spike = { rule = "level", threshold = "-30 mV", refractory = "10 ms" }
""",
}
STATES = {
    "hh": ("v", "na.m", "na.h", "k.n", "g.exc", "g.inh"),
    "peak": ("v", "fast.m", "slow.h", "k.n", "g.exc", "g.inh"),
    "passive": ("v", "g.exc", "g.inh"),
    "bare": ("v",),
}
COMPOSITIONS = (
    (("hh",), "exponential_euler", "float64"),
    (("hh",), "staggered", "float32"),
    (("hh", "passive"), "staggered", "float64"),
    (("hh", "passive"), "exponential_euler", "float32"),
    (("peak",), "exponential_euler", "float64"),
    (("hh", "peak", "bare"), "staggered", "float64"),
    (("hh", "peak", "bare"), "exponential_euler", "float32"),
)


class Drawn(NamedTuple):
    """A network, and how long it runs."""

    config: str
    dt: float
    steps: int
    about: str


def draw(chooser: random.Random, composition: int | None = None) -> Drawn:
    """A network of up to some 900 cells that runs for 40 to 200 ms, of one of the COMPOSITIONS."""
    number = chooser.randrange(len(COMPOSITIONS)) if composition is None else composition
    cells, method, precision = COMPOSITIONS[number]
    dt = chooser.choice([0.1, 0.1, 0.05])
    steps = chooser.randint(400, 2000)
    network = _Network(chooser, dt, steps, cells)
    parts = [
        f'[run]\nduration = "{_ms(steps, dt)}"\ndt = "{dt} ms"\nmethod = "{method}"\n'
        f'precision = "{precision}"\nseed = {chooser.randrange(2**32)}\n',
        *(CELLS[cell] for cell in cells),
        *network.populations(),
        *(network.projection() for _ in range(chooser.randint(1, 5))),
        *(network.poisson() for _ in range(chooser.randint(0, 2))),
        *(network.current() for _ in range(chooser.randint(0, 2))),
        network.record(),
        network.guards() if chooser.random() < 0.4 else "",
    ]
    sizes = ", ".join(f"{size} {network.cells[name]}" for name, size in network.sizes.items())
    return Drawn("\n".join(parts), dt, steps, f"{method}, {precision}, {_ms(steps, dt)}: {sizes}")


def _ms(steps: int, dt: float) -> str:
    return f"{round(steps * dt, 6):g} ms"


def _list(names: list[str]) -> str:
    return "[" + ", ".join(f'"{name}"' for name in names) + "]"


class _Network:
    def __init__(self, chooser: random.Random, dt: float, steps: int, cells: tuple[str, ...]) -> None:
        self.chooser, self.dt, self.steps = chooser, dt, steps
        self.cells: dict[str, str] = {}
        self.sizes: dict[str, int] = {}
        for cell in cells:
            for i in range(chooser.randint(1, 2)):
                self.cells[f"{cell}{i}"] = cell
                self.sizes[f"{cell}{i}"] = chooser.choice(
                    [1, chooser.randint(2, 127), 128, chooser.randint(129, 300)]
                )
        self.receptive = [name for name, cell in self.cells.items() if cell != "bare"]

    def time(self, first: int = 0, last: int | None = None) -> str:
        return _ms(self.chooser.randint(first, self.steps if last is None else last), self.dt)

    def populations(self) -> list[str]:
        texts = []
        for name, cell in self.cells.items():
            lines = [f'[population.{name}]\ncell = "{cell}"\nsize = {self.sizes[name]}']
            lines += [f"[population.{name}.initial]", 'v = { normal = ["-63 mV", "5 mV"] }']
            if cell in ("hh", "passive"):
                lines.append('g.exc = { normal = ["20 nS", "10 nS"], min = "0 nS" }')
            if cell == "hh" and self.chooser.random() < 0.5:
                lines += ['na.m = "steady"', 'na.h = "steady"', 'k.n = "steady"']
            texts.append("\n".join(lines) + "\n")
        return texts

    def rule(self, source: str, targets: list[str]) -> str:
        sources, candidates = self.sizes[source], sum(self.sizes[name] for name in targets)
        rules = [f"{{ pairwise_bernoulli = {self.chooser.choice([0.02, 0.1, 0.3])} }}"]
        for key, most in (("fixed_indegree", sources), ("fixed_outdegree", candidates)):
            rules.append(f"{{ {key} = {self.chooser.randint(1, min(30, most))} }}")
            rules.append(f"{{ {key} = {self.chooser.randint(1, 40)}, replacement = true }}")
        if sources == candidates:
            rules.append('"one_to_one"')
        if sources * candidates < 5000:
            rules.append('"all_to_all"')
        return self.chooser.choice(rules)

    def weight(self, typical: float) -> str:
        return self.chooser.choice(
            [
                f'"{typical} nS"',
                f'{{ normal = ["{typical} nS", "{typical / 3:.3g} nS"], min = "0 nS" }}',
                f'{{ uniform = ["0 nS", "{2 * typical:.3g} nS"] }}',
            ]
        )

    def delay(self) -> str:
        least = self.chooser.choice([0, 0, 1, 3, 20]) * self.dt
        most = least + self.chooser.randint(1, 90) * self.dt
        middle = (least + most) / 2
        return self.chooser.choice(
            [
                f'"{least:g} ms"',
                f'"{most:g} ms"',
                f'{{ uniform = ["{least:g} ms", "{most:g} ms"] }}',
                f'{{ normal = ["{middle:g} ms", "1 ms"], min = "{least:g} ms", max = "{most:g} ms" }}',
            ]
        )

    def some(self, names: list[str]) -> list[str]:
        return self.chooser.sample(names, self.chooser.randint(1, len(names)))

    def projection(self) -> str:
        source, targets = self.chooser.choice(list(self.cells)), self.some(self.receptive)
        receptor, typical = self.chooser.choice([("exc", 3.0), ("exc", 0.5), ("inh", 30.0)])
        return (
            f'[[projection]]\nsource = "{source}"\ntarget = {_list(targets)}\nreceptor = "{receptor}"\n'
            f"rule = {self.rule(source, targets)}\nweight = {self.weight(typical)}\ndelay = {self.delay()}\n"
        )

    def span(self, targets: list[str]) -> str:
        """Random `start`, `stop` and `nodes`, or some of them."""
        lines = ""
        start = self.chooser.randint(0, self.steps // 2)
        if self.chooser.random() < 0.5:
            lines += f'start = "{_ms(start, self.dt)}"\n'
        if self.chooser.random() < 0.5:
            lines += f'stop = "{self.time(start)}"\n'
        if self.chooser.random() < 0.5:
            lines += f"nodes = {self.nodes(min(self.sizes[name] for name in targets))}\n"
        return lines

    def nodes(self, size: int, most: int | None = None) -> str:
        first = self.chooser.randrange(size)
        return str(
            [first, self.chooser.randint(first + 1, size if most is None else min(size, first + most))]
        )

    def poisson(self) -> str:
        targets = self.some(self.receptive)
        return (
            f'[[input]]\nmodel = "poisson"\ntarget = {_list(targets)}\nreceptor = "exc"\n'
            f'rate = "{self.chooser.choice([50, 400, 3000])} Hz"\nweight = {self.weight(1.5)}\n'
            + self.span(targets)
        )

    def current(self) -> str:
        targets = self.some(list(self.cells))
        amplitude = self.chooser.choice(['"150 pA"', '"-60 pA"', '{ normal = ["200 pA", "80 pA"] }'])
        return (
            f'[[input]]\nmodel = "step_current"\ntarget = {_list(targets)}\namplitude = {amplitude}\n'
            + self.span(targets)
        )

    def record(self) -> str:
        text = ""
        if self.chooser.random() < 0.3:
            text += f"[record]\nspikes = {_list(self.some(list(self.cells)))}\n"
        states = [(name, state) for name, cell in self.cells.items() for state in STATES[cell]]
        for name, state in self.chooser.sample(states, min(len(states), self.chooser.randint(0, 5))):
            every = _ms(self.chooser.choice([1, 1, 3, 7, 50]), self.dt)
            text += f'[[record.trace]]\npopulation = "{name}"\nvariable = "{state}"\nevery = "{every}"\n'
            text += f"nodes = {self.nodes(self.sizes[name], 20)}\n"
        return text

    def guards(self) -> str:
        """Wide ones, which stop few networks, and narrow ones, which stop many."""
        every = self.chooser.randint(20, 200)
        lines = ["[guards]", f'every = "{_ms(every, self.dt)}"']
        lines.append(f'rate_max = "{self.chooser.choice([30, 300, 300])} Hz"')
        if self.chooser.random() < 0.3:
            lines.append(f'silent_for = "{_ms(self.chooser.randint(every, 10 * every), self.dt)}"')
        if self.chooser.random() < 0.3:
            lines.append(f'v_range = ["-100 mV", "{self.chooser.choice([30, 100])} mV"]')
        return "\n".join(lines) + "\n"
