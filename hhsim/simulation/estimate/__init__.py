"""What a run would take, found out without running it."""

from __future__ import annotations

from hhsim.simulation.estimate.estimate import Estimate, estimate

__all__ = ["Estimate", "estimate"]
