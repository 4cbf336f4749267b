"""Delayed-rectifier potassium channels."""

from __future__ import annotations

from typing import Any

from hhsim.channels.definition import Parameter, channel
from hhsim.mathx import exp, ratio


@channel(
    "K_TM1991",
    gates={"n": 4},
    parameters={"v_t": Parameter("mV", "threshold to which the rates are shifted")},
    source="Traub & Miles 1991; Brette et al. 2007, J. Comput. Neurosci. 23:349-398, appendix 2, benchmark 3",
)
def k_tm1991(v: Any, v_t: Any) -> Any:
    """Delayed rectifier of hippocampal pyramidal cells: α and β of n, 1/ms."""
    u = v - v_t
    e = exp(-u / 40)  # exp(-u/5) is its 8th power
    alpha_n = 0.16 * ratio((15 - u) / 5, exp(15 / 5) * e**8)
    beta_n = 0.5 * exp(10 / 40) * e
    return alpha_n, beta_n
