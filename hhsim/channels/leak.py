"""The leak: a conductance without gates."""

from __future__ import annotations

from hhsim.channels.definition import channel


@channel("leak", gates={}, source="Hodgkin & Huxley 1952, J. Physiol. 117:500-544")
def leak() -> None:
    """Leak current, g_max · (e_rev − v)."""
