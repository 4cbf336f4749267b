"""What a run would take, found out without running it."""

from __future__ import annotations

from hhsim.simulation.estimate.estimate import Estimate, WouldDiverge, estimate

__all__ = ["Estimate", "WouldDiverge", "estimate"]
