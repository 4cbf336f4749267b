"""Whether a declaration of the user's own is one that can be run: its names, its parameters, its formula."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hhsim.channels.definition import E_REV, G_MAX, Channel, Parameter, Receptor
from hhsim.errors import ChannelRefused
from hhsim.formulas.evaluate import Formula, same
from hhsim.formulas.grammar import CannotRender, Text

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SHIPPED = os.path.dirname(os.path.abspath(__file__)) + os.sep
MOST_POWER = 100  # of a gate
MOST_CHARACTERS = 100  # of a name

# Where the text of a function and the function itself are compared.
POTENTIALS = (-131.7, -90.3, -71.9, -61.3, -43.1, -20.7, 7.9, 43.7)  # mV
TYPICAL = {"mV": -57.3, "ms": 3.7, "nS": 11.3}  # for parameters without a default
STEPS = (0.01, 0.1, 1.0)  # ms

_formulas: dict[Callable[..., Any], Formula] = {}


def is_own(definition: Channel | Receptor) -> bool:
    """Whether it is the user's, not hhsim's."""
    return not definition.path.startswith(_SHIPPED)


def formula_of(definition: Channel | Receptor) -> Formula:
    """The formula of a channel with gates, or of a receptor. Raises ChannelRefused."""
    function = definition.decay if isinstance(definition, Receptor) else definition.rates
    assert function is not None
    if function not in _formulas:
        try:
            _formulas[function] = Formula(function)
        except CannotRender as error:
            known = error.path is not None and os.path.isfile(error.path)
            place, line = (error.path, error.line) if known else (definition.path, definition.line)
            reason = error.reason
            if error.name and error.name != getattr(function, "__name__", ""):
                reason = f"{error.name}: {reason}"
            raise ChannelRefused(shown(place or ""), line, reason, title(definition)) from error
    return _formulas[function]


def rate_names(channel: Channel) -> list[str]:
    """What the results of `rates` are: "alpha of m", "beta of m", ..."""
    return [f"{rate} of {gate}" for gate in channel.gates for rate in ("alpha", "beta")]


def title(definition: Channel | Receptor) -> str:
    """What a message calls it."""
    return f'{"receptor" if isinstance(definition, Receptor) else "channel"} "{_short(definition.name)}"'


def shown(path: str) -> str:
    """A path as short as it can be told here."""
    folder = os.path.join(os.getcwd(), "")
    return path.removeprefix(folder) if path.startswith(folder) else path


def check(definition: Channel | Receptor) -> None:
    """Raise ChannelRefused if `definition` can be run with no parameters at all."""
    _Check(definition).all()


class _Check:
    def __init__(self, definition: Channel | Receptor) -> None:
        self.definition = definition
        channel = isinstance(definition, Channel)
        self.function = definition.rates if isinstance(definition, Channel) else definition.decay
        self.first = "the potential" if channel else "the time"
        self.gates: Mapping[str, int] = definition.gates if isinstance(definition, Channel) else {}

    def all(self) -> None:
        self.name()
        self.parameters()
        for gate, power in self.gates.items():
            self.identifier("gate", gate)
            if type(power) is not int or not 1 <= power <= MOST_POWER:
                self.refuse(f'gate "{gate}" needs a whole power from 1 to {MOST_POWER}, found {power!r}')
            if gate in self.definition.parameters:
                self.refuse(f'"{gate}" is both a gate and a parameter')
        if self.function is not None:
            self.formula(self.function)

    def refuse(self, reason: str, line: int | None = None) -> None:
        code = getattr(self.function, "__code__", None)
        place = line if line is not None else getattr(code, "co_firstlineno", self.definition.line)
        raise ChannelRefused(shown(self.definition.path), place, reason, title(self.definition))

    def name(self) -> None:
        name: Any = self.definition.name
        plain = isinstance(name, str) and name.isprintable() and not set(name) & set('"\\')
        if not plain or not name.strip() or len(name) > MOST_CHARACTERS:
            self.refuse(f"{_short(name)} is no name for a model: printable characters, without quotes and \\")

    def identifier(self, what: str, name: Any) -> None:
        if not isinstance(name, str) or not _IDENTIFIER.fullmatch(name):
            self.refuse(
                f"{_short(name)} is no name for a {what}: letters, digits and _, no digit at the start"
            )

    def parameters(self) -> None:
        for name, parameter in self.definition.parameters.items():
            self.identifier("parameter", name)
            if name in ("model", "decay"):
                self.refuse(f'a parameter cannot be called "{name}": hhsim uses that name itself')
            if not isinstance(parameter, Parameter) or not isinstance(parameter.unit, str):
                self.refuse(f'parameter "{name}" must be declared as Parameter(unit, meaning)')
            default: Any = parameter.default
            number = isinstance(default, int | float) and not isinstance(default, bool)
            if default is not None and not (number and _finite(default)):
                self.refuse(
                    f'the default of parameter "{name}" must be a number in {parameter.unit}, '
                    f"found {_short(default)}"
                )
        for name, known in (("g_max", G_MAX), ("e_rev", E_REV)):
            given = self.definition.parameters.get(name)
            if given is not None and given.unit != known.unit:
                self.refuse(f'the unit of "{name}" is {known.unit}, not {given.unit}')

    def formula(self, function: Callable[..., Any]) -> None:
        try:
            formula = formula_of(self.definition)
        except ChannelRefused:
            raise
        except (RecursionError, MemoryError):
            self.refuse("its formula is nested too deeply")
        except Exception as error:  # whatever a user's text makes of its translation
            self.refuse(f"cannot be translated ({type(error).__name__}: {_short(str(error))})")
        text = Text(function)
        if not text.arguments:
            self.refuse(f"its function needs {self.first} as first argument")
        for argument in text.arguments[1:]:
            if argument not in self.definition.parameters:
                declared = [name for name in self.definition.parameters if name not in ("g_max", "e_rev")]
                known = f"; declared are {', '.join(declared)}" if declared else ""
                self.refuse(
                    f'argument "{argument}" is none of its parameters{known}; add '
                    f'parameters={{"{argument}": Parameter(unit, meaning)}}'
                )
        wanted = 2 * len(self.gates) if isinstance(self.definition, Channel) else 1
        for node in text.returns():
            elements = getattr(node.value, "elts", None)
            if elements is not None and len(elements) != wanted:
                self.count(len(elements), wanted, text.line(node))
        self.compare(function, formula, text, wanted)

    def count(self, found: int, wanted: int, line: int) -> None:
        if isinstance(self.definition, Receptor):
            self.refuse(f"returns {found} numbers instead of one, the factor of the decay", line)
        gates = ", ".join(self.gates)
        need = f"its gate {gates} needs" if wanted == 2 else f"its {len(self.gates)} gates ({gates}) need"
        number = "1 number" if found == 1 else f"{found} numbers"
        self.refuse(f"returns {number}, but {need} {wanted}: alpha and beta of each", line)

    def compare(self, function: Callable[..., Any], formula: Formula, text: Text, wanted: int) -> None:
        """The numbers of the translated text against those of the function, where both have some."""
        arguments = [self.typical(name) for name in text.arguments[1:]]
        for first in POTENTIALS if isinstance(self.definition, Channel) else STEPS:
            at = f"at {first:g} {'mV' if isinstance(self.definition, Channel) else 'ms'}"
            plain: Any = None
            try:
                plain = function(first, *arguments)
            except (ArithmeticError, ValueError):
                pass  # where it is not defined; whether that matters depends on the parameters
            except Exception as error:
                self.refuse(f"cannot be computed {at} ({type(error).__name__}: {_short(str(error))})")
            try:
                results = formula(first, *arguments)
            except Exception as error:
                self.refuse(f"cannot be computed {at} ({type(error).__name__}: {_short(str(error))})")
            if len(results) != wanted:
                self.count(len(results), wanted, text.first_line)
            numbers = plain if isinstance(plain, tuple) else (plain,)
            for result in (*results, *(numbers if plain is not None else ())):
                if type(result) not in (int, float):
                    self.refuse(f"returns {_short(result)} {at}, which is no number")
            if plain is not None and not same(results, numbers):
                self.refuse(
                    f"its text and its results differ {at}: {_several(results)} and {_several(numbers)}; "
                    "the text is what is compiled"
                )

    def typical(self, name: str) -> float:
        parameter = self.definition.parameters[name]
        return TYPICAL.get(parameter.unit, 1.37) if parameter.default is None else float(parameter.default)


def _finite(number: float) -> bool:
    try:
        return math.isfinite(float(number))
    except OverflowError:
        return False


def _several(numbers: Sequence[float]) -> str:
    return ", ".join(f"{number:g}" for number in numbers)


def _short(value: Any) -> str:
    """A value of the user's in one line."""
    try:
        text = value if isinstance(value, str) else repr(value)
    except Exception:
        text = f"a {type(value).__name__}"
    plain = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return plain if len(plain) <= MOST_CHARACTERS else f"{plain[:MOST_CHARACTERS]}…"
