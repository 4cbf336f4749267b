"""Binomial and hypergeometric numbers, each from one uniform double.

They are found by inversion: probabilities are subtracted from the uniform number in the order mode, mode + 1,
mode - 1, mode + 2, ..., which takes of the order of one standard deviation steps. The probability of the mode
comes from Loader's saddle-point form (C. Loader 2000, "Fast and accurate computation of binomial
probabilities"), which keeps some 14 digits where differences of log-gammas of 1e9 keep six.
"""

from __future__ import annotations

import math

import numpy as np

from hhsim.jit.options import compiled

TWO_PI = 2.0 * math.pi

_STIRLING = np.array(
    [0.0]
    + [
        math.log(math.factorial(n)) - (n + 0.5) * math.log(n) + n - 0.5 * math.log(TWO_PI)
        for n in range(1, 16)
    ]
)


@compiled
def _stirling_error(n: float) -> float:
    """log n! less Stirling's approximation, for whole n >= 1."""
    if n < 16.0:
        exact: float = _STIRLING[int(n)]
        return exact
    square = n * n
    return (1 / 12 - (1 / 360 - (1 / 1260 - (1 / 1680 - 1 / 1188 / square) / square) / square) / square) / n


@compiled
def _deviance(x: float, mean: float) -> float:
    """x log(x / mean) + mean - x, without cancellation near x = mean."""
    if abs(x - mean) < 0.1 * (x + mean):
        v = (x - mean) / (x + mean)
        total = (x - mean) * v
        term = 2.0 * x * v
        v = v * v
        for j in range(1, 1000):
            term = term * v
            following = total + term / (2 * j + 1)
            if following == total:
                break
            total = following
        return total
    return x * math.log(x / mean) + mean - x


@compiled
def _log_binomial(x: float, n: float, p: float) -> float:
    """Logarithm of the binomial probability of x successes in n trials, 0 < p < 1 (Loader 2000)."""
    if x == 0.0:
        return n * math.log1p(-p)
    if x == n:
        return n * math.log(p)
    rest: float = _stirling_error(n) - _stirling_error(x) - _stirling_error(n - x)
    rest = rest - _deviance(x, n * p) - _deviance(n - x, n * (1.0 - p))
    return rest + 0.5 * math.log(n / (TWO_PI * x * (n - x)))


@compiled
def _invert(u: float, mode: int, at_mode: float, a: float, b: float, c: float, ratio: float) -> int:
    """The number whose share of [0, 1) holds u, counted outwards from the mode.

    The probability of x + 1 is that of x times ratio (a - x)(b - x) / ((x + 1)(c + x + 1)); a binomial
    has b and c so large that they cancel and is told by b = 0: ratio (a - x) / (x + 1).
    """
    up = down = at_mode
    above = below = mode
    u = u - at_mode
    while u >= 0.0 and (up > 0.0 or down > 0.0):
        if up > 0.0:
            x = np.float64(above)
            up = up * ratio * (a - x) / (x + 1.0)
            if b > 0.0:
                up = up * (b - x) / (c + x + 1.0)
            above += 1
            u = u - up
            if u < 0.0:
                return above
        if down > 0.0:
            x = np.float64(below)
            down = down * x / (ratio * (a - x + 1.0))
            if b > 0.0:
                down = down * (c + x) / (b - x + 1.0)
            below -= 1
            u = u - down
            if u < 0.0:
                return below
    return mode  # also for the 1e-14 or so of u that rounding leaves to nobody


@compiled
def binomial(u: float, n: int, p: float) -> int:
    """Successes in n trials (up to 2^53) of probability p, from u in [0, 1)."""
    if n <= 0 or p <= 0.0:
        return 0
    if p >= 1.0:
        return n
    mode = min(n, math.floor((n + 1) * p))
    at_mode = math.exp(_log_binomial(np.float64(mode), np.float64(n), p))
    successes: int = _invert(u, mode, at_mode, np.float64(n), 0.0, 0.0, p / (1.0 - p))
    return successes


@compiled
def hypergeometric(u: float, good: int, bad: int, count: int) -> int:
    """The good ones among `count` taken from `good` + `bad` without replacement, from u in [0, 1)."""
    if count <= 0 or good <= 0:
        return 0
    if bad <= 0 or count >= good + bad:
        return min(count, good)
    g, b, n = np.float64(good), np.float64(bad), np.float64(count)
    mode = math.floor((n + 1.0) * (g + 1.0) / (g + b + 2.0))
    mode = max(min(mode, good, count), count - bad, 0)
    x, p = np.float64(mode), n / (g + b)
    at_mode = _log_binomial(x, g, p) + _log_binomial(n - x, b, p) - _log_binomial(n, g + b, p)
    successes: int = _invert(u, mode, math.exp(at_mode), g, n, b - n, 1.0)
    return successes
