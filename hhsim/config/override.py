"""Values from the command line laid over those of the file."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from hhsim.config.names import KEY, as_key, escaped, plain_key, unstorable
from hhsim.config.problems import KeyPath, Report, is_bare, show
from hhsim.config.reading import MOST_DOTS, MOST_SHOWN, as_text, describe, is_text
from hhsim.model.spelling import unknown

_KEY = re.compile(rf"\s*({KEY})((?:\[\d+\])*)\s*([.=]|$)")


def flatten_states(raw: dict[str, Any], report: Report) -> None:
    """Name every initial value by its state: `g.exc = ...`, a table in a table, becomes `"g.exc" = ...`."""
    populations = raw.get("population")
    for name, table in populations.items() if isinstance(populations, dict) else ():
        initial = table.get("initial") if isinstance(table, dict) else None
        if not isinstance(initial, dict):
            continue
        flat: dict[str, Any] = {}
        for key, value in initial.items():
            group = isinstance(value, dict) and key != "v" and "." not in key
            for state, inner in ((f"{key}.{k}", v) for k, v in value.items()) if group else ((key, value),):
                if state in flat:
                    report.add(
                        ("population", name, "initial", state), "is given twice, with and without quotes"
                    )
                flat[state] = inner
        table["initial"] = flat


def apply(
    raw: dict[str, Any], overrides: Sequence[str], run: Mapping[str, str | int], report: Report
) -> None:
    """Change `raw` as `overrides`, then `run`, say.

    A key that the file leaves out is added: whether it may be there is for the schema to say. Names of cells,
    populations, channels and receptors, and elements of lists, have to be there.
    """
    for override in overrides:
        option = f"--set {as_text(override)}"
        option = option if len(option) <= MOST_SHOWN else f"{option[:MOST_SHOWN]}…"
        split = _split(override)
        try:
            if split is None:
                raise _Refused('expected KEY.PATH=VALUE, such as run.duration="500 ms"')
            reason = next((f"{escaped(key)} {unstorable(key)}" for key in split[0] if unstorable(key)), "")
            if reason:
                raise _Refused(f"the key {reason}")
            _set(raw, split[0], _value(split[1]), report, option)
        except _Refused as refused:
            report.add((), f"{option}: {_without_quotes(raw, override) or refused}")
    for key, value in run.items():
        if not is_text(str(value)):
            report.add((), f"--{key} {as_text(str(value))}: is not UTF-8 text")
        elif isinstance(raw.setdefault("run", {}), dict):
            raw["run"][key] = value
            report.given_by[show(("run", key))] = f"--{key}"
    flatten_states(raw, report)


def sets(override: str, path: KeyPath) -> bool:
    """Whether an override such as `run.seed=3` gives the value at `path`, or the table around it."""
    split = _split(override)
    return split is not None and tuple(split[0]) == path[: len(split[0])]


def _without_quotes(raw: dict[str, Any], override: str) -> str:
    """What to type where a name that needs quotes stands in `override` without; empty if none does.

    A shell takes one pair of quotes away: another around the whole keeps them.
    """
    populations = raw.get("population")
    for name in populations if isinstance(populations, dict) else ():
        start = f"population.{name}."
        if not is_bare(name) and override.startswith(start):
            typed = f"population.{as_key(name)}.{override.removeprefix(start)}"
            return f"{as_key(name)} stands in quotes, as in --set {shlex.quote(typed)}"
    return ""


class _Refused(Exception):
    """An override that names nothing; the message says why."""


def _split(override: str) -> tuple[list[str], str] | None:
    """`a.b[0].c=value` as its keys and the text of its value."""
    keys: list[str] = []
    at = 0
    while match := _KEY.match(override, at):
        try:
            keys.append(plain_key(match.group(1)))
        except ValueError:
            return None
        keys += re.findall(r"\d+", match.group(2))
        at = match.end()
        if match.group(3) == "=":
            return keys, override[at:].strip()
        if match.group(3) == "":
            return None
    return None


def _value(text: str) -> Any:
    """`text` as a TOML value; as a string where it is none, so that quotes can be left out."""
    if text.count(".") > MOST_DOTS:
        raise _Refused(f"the value has more than {MOST_DOTS} dots")
    try:
        parsed = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    except RecursionError:
        raise _Refused("lists or tables are nested too deeply") from None
    except ValueError:  # Python's limit of digits
        raise _Refused("has a number that is too long to be read") from None
    return parsed["value"] if parsed.keys() == {"value"} else text


def _set(raw: dict[str, Any], keys: list[str], value: Any, report: Report, option: str) -> None:
    node: Any = raw
    path: KeyPath = ()
    keys = _join_state(keys)
    for i, key in enumerate(keys):
        last = i == len(keys) - 1
        part: str | int = key
        if isinstance(node, list):
            part = _index(key, node, path)
        elif not isinstance(node, dict):
            raise _Refused(f"{show(path)} is {describe(node)} and has no keys inside")
        elif _holds_names(path) and key not in node:
            raise _Refused(f'"{key}": {unknown(str(path[-1]), key, node)}')
        elif key not in node and not last:
            if keys[i + 1].isdecimal():
                raise _Refused(f"{show((*path, key))} is not in the file")
            node[key] = {}
        path = (*path, part)
        if last:
            node[part] = value
            report.given_by[show(path)] = option
        else:
            node = node[part]


def _join_state(keys: list[str]) -> list[str]:
    """The two keys of a state, `g` and `exc`, as the one that `flatten_states` makes of them."""
    if (
        len(keys) > 4
        and keys[0] == "population"
        and keys[2] == "initial"
        and keys[3] != "v"
        and "." not in keys[3]
    ):
        return [*keys[:3], f"{keys[3]}.{keys[4]}", *keys[5:]]
    return keys


def _holds_names(path: KeyPath) -> bool:
    """Whether the keys of the table at `path` are names that the user chose."""
    return path in (("cell",), ("population",)) or (
        len(path) == 3 and path[0] == "cell" and path[2] in ("channel", "receptor")
    )


def _index(key: str, node: list[Any], path: KeyPath) -> int:
    if not key.isdecimal():
        raise _Refused(f'{show(path)} is a list: expected the number of an element, found "{key}"')
    if len(key) > MOST_SHOWN or int(key) >= len(node):
        raise _Refused(
            f"{show(path)} has no element {key[:MOST_SHOWN]}: there are {len(node)}, counted from 0"
        )
    return int(key)
