"""The synapses are the edges of a SONATA file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from hhsim.model.rules.base import Ends, Key, Resized, Rule


@dataclass(frozen=True)
class EdgesFromFile(Rule):
    """The edges of the population `edges` in a SONATA edges file, and the table of their types."""

    path: Path
    edges: str
    edge_types: Path | None = None

    name = "file"
    usage = '{ file = "edges.h5", edges = "exc__inh" }'
    keys: ClassVar[Mapping[str, Key]] = {
        "file": Key("path", "file"),
        "edges": Key(
            "edges",
            "name",
            missing='names no edge population of the file; add edges = "<source>__<target>"',
        ),
        "edge_types": Key("edge_types", "file"),
    }
    drawn = False
    in_file = True

    def expected(self, ends: Ends) -> None:
        return None

    def impossible(self, sources: int | None, targets: int | None, recurrent: bool) -> None:
        return None

    def resized(self, before: Ends, after: Ends) -> Resized:
        return Resized(self, f"its synapses are those of {self.path}")

    def without_synapses(self) -> str:
        return ""
