"""How a gate and the membrane take one step.

Exponential Euler holds everything but the variable itself constant over a step and then solves exactly
(Brette et al. 2007; Rush & Larsen 1978). In both formulas `share` is φ(z) = (1 − e⁻ᶻ)/z, the part of dt that
counts: 1 for a slow variable, 1/z for one that reaches its steady value within the step.

`exponential_euler` evaluates every right-hand side at the old state: error of order dt.
`staggered` keeps the gates half a step ahead of the potential: gates first, from V; then V with the new
gates and with conductances at the middle of the step: error of order dt².
"""

from __future__ import annotations

from typing import Any, assert_never

from hhsim.model import Method


def leads(method: Method) -> bool:
    """Whether gates and conductances are half a step ahead of the potential."""
    match method:
        case "exponential_euler":
            return False
        case "staggered":
            return True
        case _:
            assert_never(method)


def next_gate(x: Any, rise: Any, z: Any, share: Any) -> Any:
    """A gate after dt of dx/dt = α (1 − x) − β x, with rise = dt α and z = dt (α + β)."""
    return x + share * (rise - z * x)


def next_potential(v: Any, current: Any, step: Any, share: Any) -> Any:
    """V after dt of C dV/dt = I − G (V − v), in mV: the current I at v in pA, step = dt / C, z = step · G."""
    return v + share * (step * current)
