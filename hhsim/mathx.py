"""exp and its relatives, written once.

The functions are plain Python and run as such, in double precision. Kernels are made from their text
(`hhsim.rendering`), with the constants of the precision that is asked for: names in capitals stand in
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
        # (φ(y) − 1)/y on 0 ≤ y ≤ 1, φ(y) = (1 − e⁻ʸ)/y, minimax: relative error of φ 8.4e-16
        "PHI": (
            -0.49999999999987504,
            0.1666666666607544,
            -0.04166666656919433,
            0.008333332533496008,
            -0.0013888850990770793,
            0.00019840153283319278,
            -2.4780417998098665e-05,
            2.7297675453747253e-06,
            -2.554782538730219e-07,
            1.589832769857907e-08,
        ),
        "PHI_REACH": 8.0,  # phi_short is accurate up to here
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
            -0.499999840553908,
            0.1666636562147295,
            -0.04164746830391826,
            0.008276208758099214,
            -0.0013011265180948193,
            0.00012913094224510543,
        ),  # error 2.7e-9
        "PHI_REACH": 8.0,
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
PHI_REACH: Any = CONSTANTS["float64"]["PHI_REACH"]
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


def phi_short(z: Any) -> Any:
    """The same for 0 ≤ z ≤ PHI_REACH, without exp and without a division.

    A polynomial for y = z/8, then three times φ(2y) = φ(y) (1 − y φ(y)/2).
    """
    y = z * 0.125
    p = 1 + y * polynomial(y, PHI)
    p = p - p * (p * (y * 0.5))
    p = p - p * (p * y)
    return p - p * (p * (y * 2))
