"""Synaptic receptors."""

from __future__ import annotations

from typing import Any

from hhsim.channels.definition import Parameter, receptor
from hhsim.mathx import exp


@receptor(
    "exponential",
    parameters={"tau": Parameter("ms", "time constant of the decay")},
    source="Brette et al. 2007, J. Comput. Neurosci. 23:349-398, appendix 2, benchmark 3",
)
def exponential(dt: Any, tau: Any) -> Any:
    """Conductance that jumps at each spike and decays exponentially: dg/dt = −g / τ."""
    return exp(-dt / tau)
