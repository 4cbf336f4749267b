"""The spikes of a recording in formats that other programs read."""

from __future__ import annotations

from hhsim.exporting.spikes import export_spikes

__all__ = ["export_spikes"]
