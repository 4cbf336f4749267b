"""Channels of the squid's giant axon at 6.3 °C, as a user would add them (`--channels` or `declare_from`).

Hodgkin & Huxley 1952, J. Physiol. 117:500-544, with the resting potential at −65 mV and today's sign of V.
"""

from typing import Any

from hhsim.channels import Parameter, channel
from hhsim.mathx import exp, exprelr

SHIFT = Parameter("mV", "shift of all rates along V", default=0.0)
SOURCE = "Hodgkin & Huxley 1952, J. Physiol. 117:500-544"


@channel("Na_HH1952", gates={"m": 3, "h": 1}, parameters={"shift": SHIFT}, source=SOURCE)
def na_hh1952(v: Any, shift: Any) -> Any:
    """Sodium channel of the squid's axon: α and β of m and of h, 1/ms."""
    u = v - shift + 65
    return exprelr((25 - u) / 10), 4 * exp(-u / 18), 0.07 * exp(-u / 20), 1 / (1 + exp((30 - u) / 10))


@channel("K_HH1952", gates={"n": 4}, parameters={"shift": SHIFT}, source=SOURCE)
def k_hh1952(v: Any, shift: Any) -> Any:
    """Delayed rectifier of the squid's axon: α and β of n, 1/ms."""
    u = v - shift + 65
    return 0.1 * exprelr((10 - u) / 10), 0.125 * exp(-u / 80)
