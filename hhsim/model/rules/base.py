"""What a connection rule declares: everything about it that needs no drawing.

How a rule is drawn stands in the file of the same name in `hhsim/network/rules`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

# What may stand behind a key of a rule: a number from 0 to 1, a whole number from 0 on, true or false, a
# text of one line, or the path of a file that exists. `hhsim/config/rules.py` reads and writes each of them.
Entry = Literal["probability", "count", "flag", "name", "file"]


@dataclass(frozen=True)
class Key:
    """A key of a rule in a config: the field of the rule that it sets, and what may stand behind it."""

    field: str
    entry: Entry
    missing: str = ""  # what is said of a config that leaves it out; empty where it may be left out
    recurrent: bool = False  # a flag, true if left out, that matters only where sources are targets too


class Ends(NamedTuple):
    """The cells between which a rule draws."""

    sources: int
    targets: int  # of all target populations together
    recurrent: bool  # whether the sources are among the targets


class Resized(NamedTuple):
    """A rule for a network of another size."""

    rule: Rule
    obstacle: str = ""  # why it only comes near to what was asked for; empty where it does the same


class Rule(ABC):
    """Which cells of a source population are joined to which cells of the target populations.

    Each rule is a frozen dataclass in a file of its own, named as the config calls it. Every abstract
    method and every class variable is asked for by some stage of the program, so a rule lacks none.
    """

    name: ClassVar[str]  # in a config
    usage: ClassVar[str]  # an example of how a config writes it, behind "rule = "
    keys: ClassVar[Mapping[str, Key]]  # in a config, its own name first; empty: the name alone is written
    drawn: ClassVar[bool]  # whether the number of its synapses differs from seed to seed
    in_file: ClassVar[bool]  # whether its synapses stand in a file, which fixes the sizes of populations

    @abstractmethod
    def expected(self, ends: Ends) -> float | None:
        """How many synapses there are, or are on average; None if only a file can tell."""

    @abstractmethod
    def impossible(self, sources: int | None, targets: int | None, recurrent: bool) -> tuple[str, str] | None:
        """Why so many cells cannot be joined, behind the key that is wrong ("": the rule); None if they can.

        A number of cells is None where it is not known; then nothing is said about it.
        """

    @abstractmethod
    def resized(self, before: Ends, after: Ends) -> Resized:
        """The rule by which a cell has as many synapses between `after` as it has between `before`."""

    @abstractmethod
    def without_synapses(self) -> str:
        """Why the rule makes no synapse, as a reason in a warning; empty if it makes some."""
