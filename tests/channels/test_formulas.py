"""Formulas as kernels have them (rendered, compiled), in both precisions, against wider ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rendered import rendered

from hhsim import mathx
from hhsim.channels import all_channels
from hhsim.formulas.linker import CannotRender, Linker
from hhsim.state.build import on_arrays

PRECISIONS = ["float64", "float32"]
V_T = -63.0
ACCURACY = {"float64": 3e-12, "float32": 2e-5}  # of rates: high powers of one exp amplify its rounding
TRAUB_MILES = {"Na_TM1991": 4, "K_TM1991": 2}  # results of the rates
SINGULAR = {"Na_TM1991": (13.0, 40.0), "K_TM1991": (15.0,)}  # mV above v_t, where a naive rate is 0/0


def exprel(x):
    x = np.asarray(x, np.longdouble)
    return np.where(x == 0, 1, np.expm1(x) / np.where(x == 0, 1, x))


def closed_forms(name: str, v: np.ndarray) -> np.ndarray:
    """Brette et al. 2007, benchmark 3, at exactly the given v."""
    u = np.asarray(v, np.longdouble) - np.longdouble(V_T)
    if name == "K_TM1991":
        return np.array([0.16 / exprel((15 - u) / 5), 0.5 * np.exp((10 - u) / 40)])
    return np.array(
        [
            1.28 / exprel((13 - u) / 4),
            1.4 / exprel((u - 40) / 5),
            0.128 * np.exp((17 - u) / 18),
            4 / (1 + np.exp((40 - u) / 5)),
        ]
    )


def around(points, precision: str) -> np.ndarray:
    """Each point with neighbours at every distance down to the next number."""
    real = np.dtype(precision).type
    steps = np.concatenate([[0], *([10.0**-e, -(10.0**-e)] for e in range(15))])
    close = [np.nextafter(real(x), real(x + side), dtype=real) for x in points for side in (-1, 1)]
    return np.unique(np.concatenate([np.add.outer(np.array(points), steps).ravel(), close]).astype(real))


def assert_rates_agree(name: str, v: np.ndarray, found: np.ndarray, precision: str) -> None:
    """Relative to α + β of the gate: what a rate is small against cannot show."""
    assert np.isfinite(found).all()
    expected = closed_forms(name, v)
    for gate in range(0, len(expected), 2):
        total = expected[gate] + expected[gate + 1]
        error = np.abs(found[gate : gate + 2] - expected[gate : gate + 2]) / total
        assert error.max() < ACCURACY[precision], (name, gate, v[error.max(axis=0).argmax()])


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", TRAUB_MILES)
def test_rates_are_right_at_singular_points(name, precision):
    v = around([V_T + u for u in SINGULAR[name]], precision)
    found = rendered(all_channels()[name].rates, precision, TRAUB_MILES[name])(v, V_T)
    assert_rates_agree(name, v, found, precision)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", TRAUB_MILES)
def test_rates_follow_the_closed_forms(name, precision):
    v = np.linspace(-150, 100, 20011, dtype=precision)
    found = rendered(all_channels()[name].rates, precision, TRAUB_MILES[name])(v, V_T)
    assert_rates_agree(name, v, found, precision)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", TRAUB_MILES)
def test_rates_are_finite_far_outside(name, precision):
    v = np.linspace(-700, 700, 2801, dtype=precision)
    found = rendered(all_channels()[name].rates, precision, TRAUB_MILES[name])(v, V_T)
    assert np.isfinite(found).all()
    totals = found[::2] + found[1::2]
    assert (totals > 0).all()


@pytest.mark.parametrize("name", TRAUB_MILES)
def test_plain_and_array_forms_agree_with_the_closed_forms(name):
    v = np.concatenate([around([V_T + u for u in SINGULAR[name]], "float64"), np.linspace(-100, 60, 333)])
    rates = all_channels()[name].rates
    assert_rates_agree(name, v, np.array([rates(float(x), V_T) for x in v]).T, "float64")
    assert_rates_agree(name, v, np.array(on_arrays(all_channels()[name], v, V_T)), "float64")


# exp and its relatives


def worst(found: np.ndarray, expected: np.ndarray, precision: str, slack=0.0) -> float:
    """The largest relative error, in units of eps beyond `slack`."""
    error = np.abs((found.astype(np.longdouble) - expected) / expected)
    return float((error / np.finfo(precision).eps - slack).max())


@pytest.mark.parametrize("precision", PRECISIONS)
def test_exp_is_accurate(precision):
    """To the last bits for small x; for large ones, the rounding of n·ln 2 grows along with n."""
    low, high = (mathx.CONSTANTS[precision][key] for key in ("EXP_LOWEST", "EXP_HIGHEST"))
    exp = rendered(mathx.exp, precision)
    for reach in ((low, high), (-1, 1)):
        x = np.linspace(*reach, 100_003, dtype=precision)
        exact = np.exp(x.astype(np.longdouble))
        assert worst(exp(x)[0], exact, precision, np.abs(x) / 5) < 3
    assert exp(np.array([0.0]))[0] == 1
    beyond = exp(np.array([-1e30, 1e30]))[0]
    assert beyond[0] < 1e-37
    assert 1e38 < beyond[1] < np.inf


@pytest.mark.parametrize("precision", PRECISIONS)
def test_exp_keeps_what_is_not_a_number(precision):
    """Else a divergence could hide behind it."""
    assert np.isnan(rendered(mathx.exp, precision)(np.array([np.nan]))[0])


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("reach", [0.001, 0.1, 1.0, 30.0])
def test_relatives_of_exp_are_accurate(precision, reach):
    """Just outside the series around 0, e − 1 costs up to 2/|x| units: 1000 in double precision. The series
    of ratio ends with an error of x⁴/720: there, 100."""
    tiny = mathx.CONSTANTS[precision]["TINY"]
    x = np.concatenate([np.linspace(-reach, reach, 50_001), around([0, tiny, -tiny], precision)])
    x = x.astype(precision)
    slack = 2 / np.maximum(np.abs(x.astype(float)), tiny) + np.abs(x) / 5
    exact = exprel(x)
    assert worst(rendered(mathx.exprel, precision)(x)[0], exact, precision, slack) < 4
    assert worst(rendered(mathx.exprelr, precision)(x)[0], 1 / exact, precision, slack) < 4
    e = np.exp(x.astype(np.longdouble)).astype(precision)
    assert worst(rendered(mathx.ratio, precision)(x, e)[0], 1 / exact, precision, slack) < 4
    z = np.abs(x)
    assert worst(rendered(mathx.phi, precision)(z)[0], exprel(-z.astype(np.longdouble)), precision, slack) < 4


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(
    ("form", "reach"),
    [(mathx.phi_short, mathx.SHORT_REACH), (mathx.phi_long, mathx.LONG_REACH)],
    ids=["short", "long"],
)
def test_the_short_forms_are_accurate_within_their_reach(precision, form, reach):
    z = np.linspace(0, reach, 100_003, dtype=precision)
    exact = exprel(-z.astype(np.longdouble))
    tolerance = 200 if precision == "float64" else 6  # in units of rounding: 4.4e-14, 3.6e-7
    assert worst(rendered(form, precision)(z)[0], exact, precision) < tolerance


@given(st.floats(-600, 600))
@settings(max_examples=200, deadline=None)
def test_plain_python_has_the_same_formulas(x):
    assert mathx.exp(x) == pytest.approx(np.exp(x), rel=2e-13)
    assert mathx.exprel(x) == pytest.approx(float(exprel(x)), rel=1e-12)
    assert mathx.exprelr(x) == pytest.approx(float(1 / exprel(x)), rel=1e-12)


# What a channel may be written with


def curved(v):
    return v**0.5


def named(v):
    return v * UNKNOWN  # noqa: F821


def method(v):
    return np.sqrt(v)


@pytest.mark.parametrize(
    ("function", "message"),
    [(curved, "whole number"), (named, "'UNKNOWN' is not a number"), (method, r"np\.sqrt cannot be called")],
)
def test_formulas_that_cannot_become_kernels_are_refused_in_words(function, message):
    with pytest.raises(CannotRender, match=message):
        Linker("float64").add(function)
