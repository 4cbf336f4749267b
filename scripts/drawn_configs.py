"""Configs drawn from a seed: well-formed ones with extreme values, and ones with a mutation or several.

Those that are run have one of a few compositions of cells, since each new one is compiled for seconds; what
can be any number is any number.
"""

from __future__ import annotations

import random
import re

ORDINARY = {
    "v": ["-65 mV", "-60 mV", "-50 mV", "0 mV", "30 mV", "-80 mV"],
    "g": ["10 nS", "6 nS", "1 uS", "6 uS"],
    "weight": ["6 nS", "60 nS"],
    "c": ["200 pF", "100 pF"],
    "tau": ["5 ms", "10 ms"],
    "i": ["100 pA", "0 pA", "-50 pA", "1 nA"],
    "rate": ["100 Hz", "1 kHz"],
}
EXTREME = {
    "v": [
        *("1e300 mV", "-1e300 mV", "1e-300 mV", "-1e308 mV", "1.7e308 mV", "1e5 mV", "-1e5 mV", "-1e31 mV"),
        *(
            "-40 mV",
            "-35 mV",
            "-63 mV",
            "-50 mV",
            "-48 mV",
            "1e30 mV",
            "999 V",
            "-0 mV",
            "5e-324 mV",
            "800 mV",
        ),
    ],
    "g": ["0 nS", "1e-300 nS", "1e300 nS", "1.7e308 nS", "1e30 nS", "5e-324 nS", "1e38 nS", "3.5e38 nS"],
    "weight": ["0 nS", "1e308 nS", "1.7e308 nS", "1e-300 nS", "1e38 nS", "1e39 nS", "65535 nS", "5e-324 nS"],
    "c": ["1e-300 pF", "1e300 pF", "5e-324 pF", "1.7e308 pF", "1e-40 pF", "1e-45 pF", "1e39 pF"],
    "tau": ["1e-300 ms", "1e300 ms", "5e-324 ms", "1e-9 ms", "1.7e308 ms", "1e-45 ms", "1e39 ms", "0.1 ms"],
    "i": ["1e300 pA", "-1e300 pA", "1.7e308 pA", "1e-300 pA", "1e38 pA", "-1e39 pA", "1e30 pA"],
    "rate": ["0 Hz", "1e-300 Hz", "1e7 Hz", "9999999 Hz", "1e300 Hz", "1e-9 Hz", "10 kHz"],
}
TIMES = [
    "0 ms",
    "0.1 ms",
    "1 ms",
    "1e-300 ms",
    "1e300 ms",
    "1e5 ms",
    "0.3 s",
    "1e-9 ms",
    "0.05 ms",
    "1.7e308 ms",
]

# rule, method, precision; and whether every parameter has a value for each cell
COMPOSITIONS = [
    ("level", "exponential_euler", "float64", False),
    ("crossing", "staggered", "float32", True),
    ("peak", "exponential_euler", "float32", False),
]


class Drawn:
    """A config drawn from a number; `wild` ones need not be accepted, and are not meant to be run."""

    def __init__(self, number: int, wild: bool) -> None:
        self.chooser = random.Random(number)
        self.wild = wild
        self.rule, self.method, self.precision, self.varying = self.chooser.choice(COMPOSITIONS)
        # How many of the values are extreme: from hardly any to nearly all.
        self.extreme = self.chooser.choice([0.0, 0.03, 0.03, 0.1, 0.3, 0.9])

    def text(self) -> str:
        dt, duration = self.clock()
        parts = [
            f'[run]\nduration = "{duration}"\ndt = "{dt}"\nmethod = "{self.method}"\n'
            f'precision = "{self.precision}"\nseed = {self.seed()}\n',
            self.cell("hh", gated=True),
            self.cell("passive", gated=False),
            self.population("a", "hh"),
            self.population("b", "passive"),
            # There in any case, so that all have the same composition.
            *(
                f'[[input]]\nmodel = "step_current"\ntarget = "{name}"\namplitude = {self.value("i")}\n'
                + self.span()
                for name in ("a", "b")
            ),
            *(self.projection() for _ in range(self.chooser.randint(0, 3))),
            *(self.poisson() for _ in range(self.chooser.randint(0, 2))),
            self.record(),
            self.guards() if self.chooser.random() < 0.2 else "",
        ]
        return "\n".join(parts)

    def clock(self) -> tuple[str, str]:
        steps = self.chooser.choice([1, 2, 7, 20, 50, 200])
        if self.chooser.random() < self.extreme:
            digit, exponent = self.chooser.choice(
                [(1, -9), (1, -300), (5, 0), (1, 3), (1, -2), (1, -3), (1, 300)]
            )
            return f"{digit}e{exponent} ms", f"{digit * steps}e{exponent} ms"
        return "0.1 ms", f"{steps / 10:g} ms"

    def seed(self) -> int:
        seeds = [0, 1, 2**31, 2**32, 2**63 - 1, 2**63, 2**64 - 1, 2007]
        return self.chooser.choice([*seeds, 2**64, -1, 10**30] if self.wild else seeds)

    def plain(self, kind: str) -> str:
        extreme = self.chooser.random() < self.extreme
        several = (EXTREME if extreme else ORDINARY)[kind]
        if self.precision == "float32" and self.chooser.random() < 0.97:  # most of the others are refused
            several = [each for each in several if _held(_number(each))]
        return f'"{self.chooser.choice(several)}"'

    def parameter(self, kind: str) -> str:
        """One that decides the composition: the same number, or one for each cell."""
        if not self.varying and not self.wild:
            return self.plain(kind)
        return self.distribution(kind) if self.varying else self.value(kind)

    def value(self, kind: str) -> str:
        return self.distribution(kind) if self.chooser.random() < 0.3 else self.plain(kind)

    def distribution(self, kind: str) -> str:
        one, other = self.plain(kind), self.plain(kind)
        how = self.chooser.random()
        if how < 0.4:
            return f"{{ uniform = [{one}, {one}] }}"
        if how < 0.6:
            pair = sorted([one, other], key=_number)
            return f"{{ uniform = [{pair[0]}, {pair[1]}] }}"
        unit = one.strip('"').split()[1]
        spread = self.chooser.choice(
            [f"0 {unit}", f"1 {unit}", f"1e300 {unit}", f"1e-300 {unit}", f"1.7e308 {unit}"]
        )
        low = self.chooser.choice([one, f'"1e-3 {unit}"']) if kind in ("c", "tau") else one
        return f'{{ normal = [{one}, "{spread}"], min = {low} }}'

    def cell(self, name: str, gated: bool) -> str:
        p, p0 = self.parameter, self.plain
        lines = [
            f"[cell.{name}]",
            f"capacitance = {p('c')}",
            f'spike = {{ rule = "{self.rule}", threshold = {p0("v")}, refractory = "{self.time()}" }}',
            f'channel.leak = {{ model = "leak", g_max = {p("g")}, e_rev = {p("v")} }}',
            f'receptor.exc = {{ model = "exponential", tau = {p("tau")}, e_rev = {p("v")} }}',
        ]
        if gated:
            for key, model in (("na", "Na_TM1991"), ("k", "K_TM1991")):
                values = f"g_max = {p('g')}, e_rev = {p('v')}, v_t = {p('v')}"
                lines.append(f'channel.{key} = {{ model = "{model}", {values} }}')
        return "\n".join(lines) + "\n"

    def population(self, name: str, cell: str) -> str:
        sizes = [0, 1, 2, 3, 127, 128, 129, 2**31 - 1, 2**31, 10**18] if self.wild else [1, 2, 3, 130]
        states = {"v": self.value("v"), "g.exc": self.value("g")}
        if cell == "hh":
            for gate in ("na.m", "na.h", "k.n"):
                states[gate] = self.chooser.choice(
                    ['"steady"', '"steady"', "0", "1", "0.5", "{ uniform = [0, 1] }", "5e-324"]
                )
        kept = {key: value for key, value in states.items() if key == "v" or self.chooser.random() < 0.7}
        initial = "\n".join(f'"{key}" = {value}' for key, value in kept.items())
        size = self.chooser.choice(sizes)
        return (
            f'[population.{name}]\ncell = "{cell}"\nsize = {size}\n[population.{name}.initial]\n{initial}\n'
        )

    def time(self) -> str:
        return self.chooser.choice(TIMES) if self.chooser.random() < self.extreme else "0.3 ms"

    def span(self) -> str:
        text = ""
        if self.chooser.random() < 0.3:
            text += f'start = "{self.time()}"\n'
        if self.chooser.random() < 0.3:
            text += f'stop = "{self.time()}"\n'
        return text + (
            f"nodes = [0, {self.chooser.choice([1, 1, 1, 2])}]\n" if self.chooser.random() < 0.3 else ""
        )

    def projection(self) -> str:
        k = self.chooser.choice([0, 1, 2, 3, 300, 10**18] if self.wild else [0, 1, 1, 2])
        p = self.chooser.choice(["0", "1", "0.5", "1e-300", "0.999999999"])
        rule = self.chooser.choice(
            [
                *(f"{{ pairwise_bernoulli = {p} }}", '"all_to_all"', '"one_to_one"'),
                *(f"{{ fixed_indegree = {k} }}", f"{{ fixed_outdegree = {k}, replacement = true }}"),
                *(
                    f"{{ fixed_outdegree = {k}, autapses = false }}",
                    f"{{ fixed_indegree = {k}, replacement = true }}",
                ),
            ]
        )
        delays = [
            "0 ms",
            "0.1 ms",
            "1 ms",
            "0.05 ms",
            "1e4 ms",
            "1e5 ms",
            "6553.6 ms",
            "1e-300 ms",
            "1e300 ms",
        ]
        delay = f'"{self.chooser.choice(delays if self.chooser.random() < self.extreme else delays[:3])}"'
        if self.chooser.random() < 0.3:
            delay = f'{{ uniform = ["0 ms", {delay}] }}'
        source, target = self.chooser.choice("ab"), self.chooser.choice(['"a"', '"b"', '["a", "b"]'])
        return (
            f'[[projection]]\nsource = "{source}"\ntarget = {target}\nreceptor = "exc"\nrule = {rule}\n'
            f"weight = {self.value('weight')}\ndelay = {delay}\n"
        )

    def poisson(self) -> str:
        return (
            f'[[input]]\nmodel = "poisson"\ntarget = "{self.chooser.choice("ab")}"\nreceptor = "exc"\n'
            f"rate = {self.plain('rate')}\nweight = {self.value('weight')}\n" + self.span()
        )

    def record(self) -> str:
        text = ""
        for population, variable in (("a", "v"), ("a", "na.m"), ("b", "g.exc"), ("b", "v")):
            if self.chooser.random() < 0.4:
                text += f'[[record.trace]]\npopulation = "{population}"\nvariable = "{variable}"\n'
                if self.chooser.random() < self.extreme:
                    text += f'every = "{self.time()}"\n'
        return text

    def guards(self) -> str:
        limits = sorted([self.plain("v"), self.plain("v")], key=_number)
        return f"[guards]\nrate_max = {self.plain('rate')}\nv_range = [{limits[0]}, {limits[1]}]\n"


def _held(number: float) -> bool:
    return number == 0 or 1e-44 < abs(number) < 3.4e38


def _number(text: str) -> float:
    number, unit = text.strip('"').split()
    return float(number) * {"V": 1e3, "uS": 1e3, "nA": 1e3}.get(unit, 1.0)


_TOKEN = re.compile(r'"[^"\n]*"|[A-Za-z_.]+|\d+|\s+|.', re.S)
JUNK = [
    *("nan", "inf", "-inf", "1e999", "9" * 5000, "0x7f", "0o17", "1979-05-27", "1979-05-27T07:32:00Z"),
    *("true", "[]", "{}", "[[]]", '""', "''", "'''x'''", "-", "=", "[", "]", "{", "}", ",", "#", "\n"),
    *("\r\n", "07:32:00"),
    *('"\\u0000"', '"\\ud800"', '"é"', '"\U0001f9e0"', '"ʻ"', '"nan mV"', '"inf ms"', '"1e400 nS"', '"5"'),
    *('"1 mV mV"', '"1 m/V"', '"1 mV^99999"', '"- 65 mV"', '"−65 mV"', '"65 mV"', '"1_000 mV"', '"١ mV"'),
    *('"0x10 mV"', '"1e5000 mV"', '"' + "9" * 199 + ' mV"', '"' + "x" * 5000 + '"', "[" * 2000, "{a=" * 200),
    *("a." * 500 + "a=1", "\ufeff", "\x00", "\x7f", "\x0b", "1e-400", "-0", "+0.0", "0" * 100, "1__0"),
    *('"steady"', '{ file = "nodes.h5" }', '{ file = "." }', '{ file = "/dev/null" }', "{ normal = [0, 1] }"),
    *('{ uniform = ["1 mV", "1 mV"] }', '{ normal = ["1 mV", "-1 mV"] }', "5e-324", "1.7976931348623157e308"),
]  # fmt: skip


def mutated(text: str, number: int) -> bytes:
    """A config with some of its tokens deleted, exchanged, doubled or damaged."""
    chooser = random.Random(number)
    tokens = _TOKEN.findall(text)
    for _ in range(chooser.choice([1, 1, 1, 2, 3, 8])):
        at = chooser.randrange(len(tokens))
        how = chooser.randrange(6)
        if how == 0:
            tokens[at] = ""
        elif how == 1:
            tokens[at] = chooser.choice(JUNK)
        elif how == 2:
            tokens[at] += chooser.choice(JUNK)
        elif how == 3:
            tokens[at] = chooser.choice(tokens)
        elif how == 4:
            end = min(len(tokens), at + chooser.randrange(1, 40))
            tokens[at] = "".join(tokens[at:end]) * 2
        elif re.fullmatch(r'\d+|"[^"]*"', tokens[at]):
            tokens[at] = chooser.choice(JUNK)
    data = "".join(tokens).encode("utf-8", "surrogatepass")
    wrap = chooser.randrange(40)
    if wrap == 0:
        data = b"\xef\xbb\xbf" + data
    elif wrap == 1:
        data = data.replace(b"\n", b"\r\n")
    elif wrap == 2:
        at = chooser.randrange(len(data))
        data = data[:at] + bytes([chooser.randrange(256)]) + data[at + 1 :]
    elif wrap == 3:
        data = data[: chooser.randrange(len(data))]
    elif wrap == 4:
        data = data.decode("utf-8", "surrogatepass").encode("utf-16", "surrogatepass")
    return data


def config(number: int) -> bytes:
    """The config with this number: a third well-formed and run, a third wild, a third mutated."""
    how = number % 3
    drawn = Drawn(number, wild=how == 1).text()
    return mutated(drawn, number) if how == 2 else drawn.encode()
