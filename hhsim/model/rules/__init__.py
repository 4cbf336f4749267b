"""The connection rules, a file each. To add one, see `hhsim.model.rules.base`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from hhsim.model.rules.all_to_all import AllToAll
from hhsim.model.rules.base import Ends, Entry, Key, Resized, Rule
from hhsim.model.rules.file import EdgesFromFile
from hhsim.model.rules.fixed_indegree import FixedIndegree
from hhsim.model.rules.fixed_outdegree import FixedOutdegree
from hhsim.model.rules.one_to_one import OneToOne
from hhsim.model.rules.pairwise_bernoulli import PairwiseBernoulli

__all__ = [
    "AllToAll",
    "EdgesFromFile",
    "Ends",
    "Entry",
    "FixedIndegree",
    "FixedOutdegree",
    "Key",
    "OneToOne",
    "PairwiseBernoulli",
    "Resized",
    "Rule",
    "all_rules",
]

# The order in which messages list them; a rule that is not among these follows by the name of its file.
_FIRST = (PairwiseBernoulli, FixedOutdegree, FixedIndegree, EdgesFromFile, OneToOne, AllToAll)


@cache
def all_rules() -> Mapping[str, type[Rule]]:
    """Every rule, by its name in a config: those of all files in this folder."""
    found: dict[str, type[Rule]] = {rule.name: rule for rule in _FIRST}
    for name in sorted(module.name for module in iter_modules(__path__)):
        for value in vars(import_module(f"{__name__}.{name}")).values():
            if isinstance(value, type) and issubclass(value, Rule) and "name" in vars(value):
                found.setdefault(value.name, value)
    return found
