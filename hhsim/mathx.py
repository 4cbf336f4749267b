"""exp and its relatives, written once.

The functions are plain Python and run as such, in double precision. Kernels are made from their text
(`hhsim.kernels.render`), with the constants of the precision that is asked for: names in capitals stand in
`CONSTANTS`, and `polynomial(x, NAME)` becomes nested multiply-adds. No library function is called, so that a
loop over cells becomes vector code, and processors with the same vector instructions give the same bits.
"""

from __future__ import annotations

import math
from typing import Any

Table = dict[str, float | tuple[float, ...]]

CONSTANTS: dict[str, Table] = {
    "float64": {
        "EXP_LOWEST": -708.0,  # below, the result would leave the normal numbers
        "EXP_HIGHEST": 709.0,
        "LOG2_E": 1.4426950408889634,
        "MAGIC": 6755399441055744.0,  # 1.5·2⁵²: adding it rounds to an integer, left in the low bits
        "LN2": 0.6931471805599453,
        # (eʳ − 1 − r)/r² on |r| ≤ ln 2 / 2, minimax: relative error of eʳ 3.0e-16
        "EXP": (
            0.5000000000000016,
            0.16666666666609875,
            0.04166666666647906,
            0.008333333371644679,
            0.0013888888958096869,
            0.00019841184170881138,
            2.4801477727881212e-05,
            2.7635443713116874e-06,
            2.7635746821198587e-07,
        ),
        # (φ(y) − 1)/y on 0 ≤ y ≤ 1, φ(y) = (1 − e⁻ʸ)/y, minimax: relative error of φ 4.1e-14
        "PHI": (
            -0.4999999999950134,
            0.1666666664721854,
            -0.0416666640355844,
            0.008333315770227463,
            -0.0013888221458207774,
            0.0001982583742102273,
            -2.4579452397972307e-05,
            2.559501834176901e-06,
            -1.7566110886967294e-07,
        ),
        "TINY": 2e-3,  # below, series: here they and the quotients beyond are off by 5e-14 at most
    },
    "float32": {
        "EXP_LOWEST": -87.0,
        "EXP_HIGHEST": 88.0,
        "LOG2_E": 1.4426950408889634,
        "MAGIC": 12582912.0,  # 1.5·2²³
        "LN2": 0.6931471805599453,
        "EXP": (
            0.5000000095704548,
            0.1666651830615485,
            0.04166620412619082,
            0.008368953501270057,
            0.00139506030855857,
        ),  # error 3.1e-9
        "PHI": (
            -0.4999961889826617,
            0.16661411503840817,
            -0.04142666571449324,
            0.00784353284435452,
            -0.0009142904564303034,
        ),  # error 8.9e-8
        "TINY": 0.05,
    },
}

EXP_LOWEST: Any = CONSTANTS["float64"]["EXP_LOWEST"]
EXP_HIGHEST: Any = CONSTANTS["float64"]["EXP_HIGHEST"]
LOG2_E: Any = CONSTANTS["float64"]["LOG2_E"]
MAGIC: Any = CONSTANTS["float64"]["MAGIC"]
LN2: Any = CONSTANTS["float64"]["LN2"]
EXP: Any = CONSTANTS["float64"]["EXP"]
PHI: Any = CONSTANTS["float64"]["PHI"]
TINY: Any = CONSTANTS["float64"]["TINY"]


def scale(p: Any, t: Any, magic: Any) -> Any:
    """p · 2ⁿ, where the integer n was left in the low bits of t = n + magic. For kernels: `intrinsics`."""
    return math.ldexp(p, int(t - magic))


def polynomial(x: Any, coefficients: tuple[float, ...]) -> Any:
    """c₀ + c₁x + c₂x² + ... by Horner's rule. In kernels it is written out."""
    result: Any = 0.0
    for coefficient in reversed(coefficients):
        result = result * x + coefficient
    return result


def exp(x: Any) -> Any:
    """eˣ; x is taken into [−708, 709] (float32: [−87, 88]).

    x = n ln 2 + r with |r| ≤ ln 2 / 2, then eˣ = 2ⁿ eʳ. With a single multiply-add for r the relative error
    is 2 units in the last place for small x and grows by one for each 6 of |x|: enough for a rate.
    """
    inside = min(max(x, EXP_LOWEST), EXP_HIGHEST)
    t = inside * LOG2_E + MAGIC
    n = t - MAGIC
    r = inside - n * LN2
    return scale(1 + (r + r * r * polynomial(r, EXP)), t, MAGIC)


def exprel(x: Any) -> Any:
    """(eˣ − 1)/x, with its limit 1 at 0."""
    tiny = abs(x) < TINY
    series = 1 + x * (1 / 2 + x * (1 / 6 + x * (1 / 24 + x * (1 / 120))))
    return series if tiny else (exp(x) - 1) / (1 if tiny else x)


def exprelr(x: Any) -> Any:
    """x/(eˣ − 1), with its limit 1 at 0: the form of most α and β of voltage-gated channels."""
    return ratio(x, exp(x))


def ratio(x: Any, e: Any) -> Any:
    """x/(e − 1) for an e = eˣ that is known already, with its limit 1 at x = 0."""
    tiny = abs(x) < TINY
    series = 1 - x * (1 / 2 - x * (1 / 12))
    return series if tiny else x / (2 if tiny else e - 1)


def phi(z: Any) -> Any:
    """(1 − e⁻ᶻ)/z for z ≥ 0, with its limit 1 at 0: the share of dt that counts in a relaxation."""
    return exprel(-z)


SHORT_REACH, LONG_REACH = 4.0, 8.0  # up to here phi_short and phi_long are accurate


def phi_short(z: Any) -> Any:
    """The same for 0 ≤ z ≤ SHORT_REACH, without exp and without a division: for gates.

    A polynomial for y = z/4, then twice φ(2y) = φ(y) (1 − y φ(y)/2).
    """
    y = z * 0.25
    p = 1 + y * polynomial(y, PHI)
    p = p - p * (p * (y * 0.5))
    return p - p * (p * y)


def phi_long(z: Any) -> Any:
    """The same for 0 ≤ z ≤ LONG_REACH: for the membrane, whose conductance rises far in a spike."""
    p = phi_short(z * 0.5)
    return p - p * (p * (z * 0.25))
