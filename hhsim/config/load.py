"""The way from a config file to a model."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from hhsim.config.build import build
from hhsim.config.checks import check
from hhsim.config.clocks import check_clocks
from hhsim.config.locate import locate
from hhsim.config.mechanisms import check_mechanisms
from hhsim.config.names import check_texts
from hhsim.config.override import apply, flatten_states
from hhsim.config.problems import KeyPath, Report
from hhsim.config.ranges import check_ranges
from hhsim.config.read import read
from hhsim.config.reading import MOST_DOTS
from hhsim.config.write import write
from hhsim.errors import ConfigRefused, FileFailed, Problem
from hhsim.model import Model, Precision
from hhsim.system.plainfile import require_plain_file

MOST_BYTES = 1 << 20  # of a config; more is some other file
MOST_BITS = 1024  # of a whole number; a float ends there


@dataclass(frozen=True)
class Loaded:
    """A config that was accepted.

    `resolved` is a complete config with every default, override and the seed written out; relative paths in
    it have become absolute. Parsing it gives a model equal to `model`.
    """

    model: Model
    resolved: str
    source: str

    @cached_property
    def advice(self) -> tuple[str, ...]:
        """What the author may not have meant, a sentence each; worked out when it is first asked for."""
        from hhsim.config.advice import warnings

        return warnings(self.model)


def load(
    path: str | Path,
    overrides: Sequence[str] = (),
    *,
    run: Mapping[str, str | int] | None = None,
    default_seed: int | None = None,
    default_precision: Precision = "float64",
) -> Loaded:
    """Read the config file at `path`.

    `overrides` are texts such as `projection.0.weight="7 nS"`, as `--set` takes them; `run` replaces keys of
    [run], such as {"duration": "500 ms", "seed": 7}, after them. `default_seed` is for a config that has
    none; otherwise one is drawn; `default_precision` is for one that names none. Relative paths in the file
    start at its folder. Raises ConfigRefused with everything that is wrong, or FileFailed if it cannot be
    read.
    """
    require_plain_file(path)
    try:
        with Path(path).open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise FileFailed(str(path), (error.strerror or str(error)).lower()) from None
    if len(data) > MOST_BYTES:
        raise FileFailed(str(path), f"is no config: it has more than {MOST_BYTES >> 20} MiB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigRefused(str(path), (Problem("", "is not UTF-8 text", line),)) from None
    return parse(
        text,
        source=str(path),
        folder=Path(path).parent,
        overrides=overrides,
        run=run,
        default_seed=default_seed,
        default_precision=default_precision,
    )


def parse(
    text: str,
    *,
    source: str = "<text>",
    folder: Path | None = None,
    overrides: Sequence[str] = (),
    run: Mapping[str, str | int] | None = None,
    default_seed: int | None = None,
    default_precision: Precision = "float64",
) -> Loaded:
    """Read the config `text`; `source` is what messages call it, relative paths start at `folder`."""
    raw = _toml(text, source)
    report = Report(source, locate(text))
    flatten_states(raw, report)
    apply(raw, overrides, run or {}, report)
    _refuse_endless(raw, report)
    if not check_texts(raw, report):
        report.raise_if_any()
    document = read(raw, report, folder or Path())
    check(document, report)
    report.raise_if_any()
    model = build(document, default_seed, default_precision)
    check_ranges(document, model, report)
    check_clocks(model, report)
    report.raise_if_any()
    check_mechanisms(model)
    return Loaded(model, write(model), source)


def _refuse_endless(raw: dict[str, Any], report: Report) -> None:
    """Refuse whole numbers of thousands of digits, which hexadecimal ones may have: they cannot be shown."""
    nodes: list[tuple[KeyPath, Any]] = [((), raw)]
    for path, node in nodes:  # which grows
        if isinstance(node, dict):
            nodes += [((*path, key), value) for key, value in node.items()]
        elif isinstance(node, list):
            nodes += [((*path, i), value) for i, value in enumerate(node)]
        elif isinstance(node, int) and node.bit_length() > MOST_BITS:
            report.add(path, f"is a number that is too long: it has {node.bit_length():,} bits")
            report.raise_if_any()


def _toml(text: str, source: str) -> dict[str, Any]:
    for i, each in enumerate(text.splitlines()):
        if each.count(".") > MOST_DOTS:
            raise ConfigRefused(source, (Problem("", f"has more than {MOST_DOTS} dots in a line", i + 1),))
    try:
        return tomllib.loads(text)
    except RecursionError:
        problem = Problem("", "is not valid: lists or tables are nested too deeply")
        raise ConfigRefused(source, (problem,)) from None
    except tomllib.TOMLDecodeError as error:
        message = str(error)
    except ValueError:  # Python's limit of digits
        raise ConfigRefused(source, (Problem("", "has a number that is too long to be read"),)) from None
    place = re.search(r" \(at line (\d+), column \d+\)$", message)
    line = int(place.group(1)) if place else None
    what = message[: place.start()] if place else message.removesuffix(" (at end of document)")
    here = text.splitlines()[line - 1] if line and line <= len(text.splitlines()) else ""
    bare = re.search(r"=\s*(-?[\d.]+(?:e-?\d+)?\s*[A-Za-zµμ]+\S*)\s*(?:#.*)?$", here)
    hint = f'; a quantity stands in quotes: "{bare.group(1)}"' if bare else ""
    raise ConfigRefused(source, (Problem("", f"is not valid TOML: {what}{hint}", line),))
