"""What is assumed of the files that a network is read from, and what in them is not used."""

from __future__ import annotations

from collections.abc import Iterator

from hhsim.model import Model, in_file


def about_files(model: Model) -> Iterator[str]:
    """A sentence for each thing; a network that is read from no file needs no HDF5."""
    values = (given for population in model.populations.values() for given in population.initial.values())
    if any(map(in_file, values)) or any(projection.rule.in_file for projection in model.projections):
        from hhsim.circuits.notes import file_notes

        yield from file_notes(model)
