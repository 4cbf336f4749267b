"""The tables of configs/README.md that follow from the package: the keys of a config, channels and receptors.

    python scripts/config_reference.py             # writes them anew between their marks
    python scripts/config_reference.py --check     # exit code 1 if they are not what they should be

Which keys a table has, what may stand behind them and their defaults come from `hhsim.config.schema`,
channels and receptors from their declarations in `hhsim.channels`. What a key means stands here, in
`MEANINGS`: a key without a meaning is an error.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Mapping
from itertools import filterfalse
from pathlib import Path
from typing import Any

from pydantic import PlainValidator

from hhsim.channels import Channel, Receptor, all_channels, all_receptors
from hhsim.channels.checks import is_own
from hhsim.config import schema
from hhsim.config.measures import Measure
from hhsim.model import units
from hhsim.model.inputs import KINDS

README = Path(__file__).parents[1] / "configs" / "README.md"
BEGIN, END = "<!-- {}: made by scripts/config_reference.py -->", "<!-- end of {} -->"

TOP = "the file"

# The tables of a config: how a header of one is written, and its section in the schema.
TABLES: dict[str, type[schema.Section]] = {
    TOP: schema.Config,
    "[run]": schema.Run,
    "[cell.NAME]": schema.Cell,
    "[cell.NAME.spike]": schema.Spike,
    "[population.NAME]": schema.Population,
    "[[projection]]": schema.Projection,
    **{f'[[input]] with model = "{name}"': schema.input_section(kind) for name, kind in KINDS.items()},
    "[record]": schema.Record,
    "[[record.trace]]": schema.Trace,
    "[guards]": schema.Guards,
}

# Of the readers that are plain functions, what they take.
WORDS = {
    "text": "a name",
    "name": "a name",
    "name_or_names": "a name, or a list of names",
    "names": "a list of names",
    "nodes": "`[first, end]`",
    "rule": "a [rule](#rules)",
}

INPUT = {
    "name": "tells inputs of the same target and model apart",
    "target": "populations that get it",
    "model": "",
    "start": "when it begins",
    "stop": "when it ends",
    "nodes": "which cells of each target, `end` left out",
}
MEANINGS: dict[str, dict[str, str]] = {
    TOP: {
        "title": "what figures and `validate` call the network",
        "run": "`[run]`",
        "cell": "`[cell.NAME]`, a table for each cell type",
        "population": "`[population.NAME]`, a table for each population",
        "projection": "`[[projection]]`, any number: synapses from one population to others",
        "input": "`[[input]]`, any number",
        "record": "`[record]`: which spikes and traces are recorded",
        "guards": "`[guards]`: what stops a run",
    },
    "[run]": {
        "duration": "how long to simulate; a whole number of steps",
        "dt": "length of a step",
        "method": "how a step is taken, see [methods](#methods)",
        "precision": "of all states; on a CUDA device float32 if left out",
        "seed": "decides all that is random; printed and stored",
    },
    "[cell.NAME]": {
        "area": "of the membrane; needed if something is given per area",
        "capacitance": "of the cell, or per area of membrane",
        "spike": "what counts as a spike, see below",
        "channel": "tables `[cell.NAME.channel.KEY]`, any number, see [channels](#channels-and-receptors)",
        "receptor": "tables `[cell.NAME.receptor.KEY]`, any number, see [receptors](#channels-and-receptors)",
    },
    "[cell.NAME.spike]": {
        "rule": "see [spike rules](#spike-rules)",
        "threshold": "potential that the rule compares with",
        "refractory": "how long after a spike no other is detected",
    },
    "[population.NAME]": {
        "cell": "its cell type, the NAME of `[cell.NAME]`",
        "size": "how many cells",
        "initial": "table `[population.NAME.initial]`, see [initial values](#initial-values)",
    },
    "[[projection]]": {
        "source": "population that sends spikes",
        "target": "populations that get them",
        "receptor": "which receptor of the target's cells; its KEY",
        "rule": "which cells are connected",
        "weight": "what a spike adds to the conductance; only an edges file allows to leave it out",
        "delay": "from a spike to its arrival",
    },
    '[[input]] with model = "poisson"': {
        **INPUT,
        "model": "an independent Poisson train for each cell",
        "rate": "of each train",
        "weight": "what a spike adds to the conductance",
        "receptor": "which receptor of the target's cells; its KEY",
    },
    '[[input]] with model = "step_current"': {
        **INPUT,
        "model": "a constant current into each cell",
        "amplitude": "the current; positive depolarizes",
    },
    "[record]": {
        "spikes": "populations whose spikes are recorded",
        "trace": "tables `[[record.trace]]`, any number",
    },
    "[[record.trace]]": {
        "population": "population that is sampled",
        "variable": "a state: `v`, `<channel>.<gate>` such as `na.m`, or `g.<receptor>`",
        "nodes": "which cells, `end` left out",
        "every": "time from one sample to the next; a whole number of steps",
    },
    "[guards]": {
        "rate_max": "stops if the mean rate of a population is higher",
        "silent_for": "stops if a population has not fired for so long",
        "v_range": "stops if the potential of a cell leaves this range",
        "every": "how often the guards look",
    },
}

# What a key that may be left out stands for, where the schema has no value for it.
DEFAULTS: dict[tuple[str, str], str] = {
    (TOP, "title"): "none",
    (TOP, "projection"): "none",
    (TOP, "input"): "none",
    (TOP, "record"): "all spikes",
    (TOP, "guards"): "none",
    ("[run]", "precision"): "float64",
    ("[run]", "seed"): "drawn",
    ("[cell.NAME]", "area"): "none",
    ("[cell.NAME]", "channel"): "none",
    ("[cell.NAME]", "receptor"): "none",
    ("[[projection]]", "weight"): "those of the edges file",
    ("[[projection]]", "delay"): "0 ms, or those of the edges file",
    ("[record]", "spikes"): "all",
    ("[record]", "trace"): "none",
    ("[[record.trace]]", "every"): "dt",
    ("[guards]", "rate_max"): "no limit",
    ("[guards]", "silent_for"): "no limit",
    ("[guards]", "v_range"): "no limit",
}


def tables() -> dict[str, str]:
    """All that is made, by the name in its marks."""
    keys = "\n\n".join(f"{_heading(title)}\n\n{_keys(title, section)}" for title, section in TABLES.items())
    return {"keys": keys, "channels": _channels(), "receptors": _receptors()}


def _heading(title: str) -> str:
    return "The tables of a file:" if title == TOP else f"`{title}`"


def _keys(title: str, section: type[schema.Section]) -> str:
    meanings = MEANINGS[title]
    unknown = meanings.keys() - section.model_fields.keys()
    assert not unknown, f"{title} has no keys {unknown}"
    rows = []
    for name, info in section.model_fields.items():
        reader = _reader(info.metadata)
        default = _default(title, name, info, reader)
        rows.append((f"`{name}`", _kind(reader, name, title), default, meanings[name]))
    return _table(("key", "value", "if left out", "meaning"), rows)


def _reader(metadata: list[Any]) -> Any:
    """What `hhsim.config.reading.by` was given for a field; None where another table stands behind it."""
    for one in metadata:
        if isinstance(one, PlainValidator):
            return _closure(one.func)["reader"]
    return None


def _closure(function: Any) -> Mapping[str, Any]:
    names, cells = function.__code__.co_freevars, function.__closure__ or ()
    return {name: cell.cell_contents for name, cell in zip(names, cells, strict=True)}


def _kind(reader: Any, key: str, title: str) -> str:
    if key == "title":
        return "a text"
    if reader is None:
        if key == "model":
            return f'`"{title.split(chr(34))[1]}"`'
        return "an area" if key == "area" else "a table"
    measure = getattr(reader, "__self__", None)
    if isinstance(measure, Measure):
        what = units.expected(measure.unit, per_area=measure.per_area).split(",")[0].split(" such as")[0]
        return what if reader.__name__ == "one" else f"{what}, or a [distribution](#values)"
    inner = _closure(reader)
    if "known" in inner:
        return " or ".join(f'`"{word}"`' for word in inner["known"])
    if "least" in inner:
        return f"a whole number from {inner['least']} on"
    if "measure" in inner:
        return f"`[low, high]`, each {units.expected(inner['measure'].unit).split(' such as')[0]}"
    return WORDS[reader.__name__]


def _default(title: str, name: str, info: Any, reader: Any) -> str:
    if info.is_required():
        return "must be there"
    if (title, name) in DEFAULTS:
        return DEFAULTS[title, name]
    if name == "nodes":
        return "all"
    if info.default == float("inf"):
        return "the end of the run"
    if info.default == "":
        return "no name"
    measure = getattr(reader, "__self__", None)
    if isinstance(measure, Measure):
        return f"{info.default:g} {measure.unit}"
    return f'`"{info.default}"`'


def _channels() -> str:
    rows = []
    for channel in filterfalse(is_own, all_channels().values()):
        gates = ", ".join(f"`{gate}` (power {power})" for gate, power in channel.gates.items()) or "none"
        cells = (f"`{channel.name}`", _meaning(channel), gates, _parameters(channel), channel.source)
        rows.append(cells)
    return _table(("`model`", "meaning", "gates", "keys", "source"), rows)


def _receptors() -> str:
    rows = [
        (f"`{receptor.name}`", _meaning(receptor), _parameters(receptor), receptor.source)
        for receptor in filterfalse(is_own, all_receptors().values())
    ]
    return _table(("`model`", "meaning", "keys", "source"), rows)


def _meaning(model: Channel | Receptor) -> str:
    return model.meaning.rstrip(".")


def _parameters(model: Channel | Receptor) -> str:
    return "; ".join(_described(model.parameters))


def _described(parameters: Mapping[str, Any]) -> Iterator[str]:
    for name, parameter in parameters.items():
        unit = f"{parameter.unit}, or per area" if parameter.per_area else parameter.unit
        yield f"`{name}` ({unit}): {parameter.meaning}"


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def filled(text: str) -> str:
    """`text` with all tables between their marks."""
    for name, table in tables().items():
        begin, end = BEGIN.format(name), END.format(name)
        pattern = re.compile(re.escape(begin) + r"\n.*?" + re.escape(end), re.DOTALL)
        text, count = pattern.subn(lambda _, t=f"{begin}\n{table}\n{end}": t, text)
        assert count == 1, f"no place for {name}"
    return text


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="write nothing")
    options = parser.parse_args()
    before = README.read_text()
    after = filled(before)
    if not options.check:
        README.write_text(after)
    return int(options.check and before != after)


if __name__ == "__main__":
    sys.exit(main())
