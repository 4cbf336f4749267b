"""How a projection's rule is read and written, from the keys that the rules declare (`hhsim.model.rules`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, assert_never

from hhsim.config.fields import file, name, probability, whole, yes_or_no
from hhsim.config.names import quoted
from hhsim.config.problems import KeyPath
from hhsim.config.reading import Reader, Surroundings, Wrong, describe, each
from hhsim.model.rules import Entry, Rule, all_rules
from hhsim.model.spelling import unknown, unknown_model


def rule(raw: Any, around: Surroundings) -> Rule:
    """The rule that `raw` names: a word such as "one_to_one", or a table with one rule and its options."""
    rules = all_rules()
    if isinstance(raw, str):
        if raw not in rules:
            raise Wrong(((), f'"{raw}": {unknown_model("rule", raw, rules)}'))
        if rules[raw].keys:
            raise Wrong(((), f'"{raw}" needs its number: rule = {rules[raw].usage}'))
        return rules[raw]()
    if not isinstance(raw, dict):
        usage = next(iter(rules.values())).usage
        raise Wrong(((), f"expected a rule such as {usage}, found {describe(raw)}"))
    chosen = [key for key in raw if key in rules]
    if not chosen:
        strange = [key for key in raw if not _is_key(key)]
        if not strange:
            raise Wrong(((), f"names no rule; known: {', '.join(rules)}"))
        raise Wrong(*(((key,), unknown_model("rule", key, rules)) for key in strange))
    if len(chosen) > 1:
        raise Wrong(((), f"names {len(chosen)} rules ({', '.join(chosen)}); it must be one"))
    kind = rules[chosen[0]]
    if not kind.keys:
        raise Wrong(((kind.name,), f'is written rule = "{kind.name}"'))
    return _from_table(kind, raw, around)


def written(rule: Rule, *, recurrent: bool) -> str:
    """`rule` as a config says it, with every default written out.

    Where the sources are not among the targets (`recurrent` is false), what would have no effect is left out.
    """
    if not rule.keys:
        return quoted(rule.name)
    values = {
        key: _text(declared.entry, getattr(rule, declared.field))
        for key, declared in rule.keys.items()
        if getattr(rule, declared.field) is not None and (recurrent or not declared.recurrent)
    }
    return f"{{ {', '.join(f'{key} = {text}' for key, text in values.items())} }}"


def _from_table(kind: type[Rule], raw: dict[str, Any], around: Surroundings) -> Rule:
    def entry(key: str) -> Callable[[], Any]:
        return lambda: _entry(kind, key, raw[key], around)

    given = [kind.name, *(key for key in raw if key != kind.name)]
    steps: list[tuple[KeyPath, Callable[[], Any]]] = [((key,), entry(key)) for key in given]
    for key, declared in kind.keys.items():
        if declared.missing and key not in raw:
            steps.append(((), _refusal(declared.missing)))
    values = each(*steps)
    return kind(**{kind.keys[key].field: value for key, value in zip(given, values, strict=True)})


def _entry(kind: type[Rule], key: str, raw: Any, around: Surroundings) -> Any:
    if key in kind.keys:
        return _reader(kind.keys[key].entry)(raw, around)
    if _is_key(key):
        raise Wrong(((), f"has no effect on the rule {kind.name}"))
    raise Wrong(((), unknown("key", key, kind.keys)))


def _is_key(key: str) -> bool:
    """Whether any rule has such a key."""
    return any(key in kind.keys for kind in all_rules().values())


def _refusal(text: str) -> Callable[[], Any]:
    def refuse() -> None:
        raise Wrong(((), text))

    return refuse


def _reader(entry: Entry) -> Reader:
    match entry:
        case "probability":
            return probability
        case "count":
            return whole()
        case "flag":
            return yes_or_no
        case "name":
            return name
        case "file":
            return file
        case _:
            assert_never(entry)


def _text(entry: Entry, value: Any) -> str:
    """A value as TOML."""
    match entry:
        case "probability":
            return repr(float(value))
        case "count":
            return str(value)
        case "flag":
            return "true" if value else "false"
        case "name" | "file":
            return quoted(str(value))
        case _:
            assert_never(entry)
