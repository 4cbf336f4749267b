"""Fast sodium channels."""

from __future__ import annotations

from typing import Any

from hhsim.channels.definition import Parameter, channel
from hhsim.mathx import exp, ratio


@channel(
    "Na_TM1991",
    gates={"m": 3, "h": 1},
    parameters={"v_t": Parameter("mV", "threshold to which the rates are shifted")},
    source="Traub & Miles 1991; Brette et al. 2007, J. Comput. Neurosci. 23:349-398, appendix 2, benchmark 3",
)
def na_tm1991(v: Any, v_t: Any) -> Any:
    """Sodium channel of hippocampal pyramidal cells: α and β of m and of h, 1/ms."""
    u = v - v_t
    e = exp(-u / 180)  # the four rates need its 9th, 10th, 36th and 45th power: one exp instead of four
    e9 = e**8 * e
    e36 = e9**4
    y, e_y = (40 - u) / 5, exp(40 / 5) * e36
    alpha_m = 1.28 * ratio((13 - u) / 4, exp(13 / 4) * (e36 * e9))
    beta_m = 1.4 * (y + ratio(y, e_y))  # x/(exp(x) - 1) at x = -y
    alpha_h = 0.128 * exp(17 / 18) * (e9 * e)
    beta_h = 4 / (1 + e_y)
    return alpha_m, beta_m, alpha_h, beta_h
