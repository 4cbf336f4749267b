"""Fast sodium channels."""

from __future__ import annotations

from typing import Any

from hhsim.channels.definition import Parameter, channel
from hhsim.mathx import exp, exprel


@channel(
    "Na_TM1991",
    gates={"m": 3, "h": 1},
    parameters={"v_t": Parameter("mV", "threshold to which the rates are shifted")},
    source="Traub & Miles 1991; Brette et al. 2007, J. Comput. Neurosci. 23:349-398, appendix 2, benchmark 3",
)
def na_tm1991(v: Any, v_t: Any) -> Any:
    """Sodium channel of hippocampal pyramidal cells: α and β of m and of h, 1/ms."""
    u = v - v_t
    alpha_m = 1.28 / exprel((13 - u) / 4)
    beta_m = 1.4 / exprel((u - 40) / 5)
    alpha_h = 0.128 * exp((17 - u) / 18)
    beta_h = 4 / (1 + exp((40 - u) / 5))
    return alpha_m, beta_m, alpha_h, beta_h
