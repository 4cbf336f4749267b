"""Laws of the keyed random numbers, against NumPy's own Philox and SciPy's distributions."""

from __future__ import annotations

import math
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from hhsim.model import Constant, Normal, Uniform
from hhsim.network import random, splits

words = st.integers(0, 2**64 - 1)


def blocks(count: int, seed: int = 1) -> np.ndarray:
    """`count` blocks of four uint64."""
    zero = np.uint64(0)
    return np.array(
        [random.philox(np.uint64(seed), zero, np.uint64(i), zero, zero, zero) for i in range(count)],
        np.uint64,
    )


@settings(max_examples=200, deadline=None)
@given(st.tuples(words, words), st.tuples(words, words, words, words))
def test_philox_is_numpys(key, counter):
    number = sum(word << 64 * i for i, word in enumerate(counter))
    before = (number - 1) % 2**256  # NumPy adds one to the counter before it draws
    theirs = np.random.Philox(key=np.array(key, np.uint64), counter=before).random_raw(4)
    ours = random.philox(*(np.uint64(word) for word in key + counter))
    assert [int(word) for word in ours] == theirs.tolist()


def test_keys_tell_purposes_and_identities_apart():
    keys = {int(random.stream_key(purpose, identity)) for purpose in random.Purpose for identity in range(50)}
    assert len(keys) == 50 * len(random.Purpose)
    assert random.identify("exc", "v") != random.identify("excv")
    with pytest.raises(ValueError, match="56 bits"):
        random.stream_key(random.Purpose.CONNECT, 2**56)


@pytest.mark.parametrize(
    "value", [Normal(-65.0, 5.0), Normal(1.0, 2.0, 0.0, 2.5), Uniform(-70.0, -60.0), Constant(3.0)]
)
def test_a_range_may_be_cut_anywhere(value):
    whole = random.draw_values(5, random.Purpose.INITIAL, 9, value, 0, 100)
    pieces = [
        random.draw_values(5, random.Purpose.INITIAL, 9, value, a, b - a)
        for a, b in ((0, 1), (1, 64), (64, 100))
    ]
    assert np.array_equal(whole, np.concatenate(pieces))


@pytest.mark.parametrize(
    ("value", "distribution"),
    [(Normal(-65.0, 5.0), stats.norm(-65.0, 5.0)), (Uniform(-70.0, -60.0), stats.uniform(-70.0, 10.0))],
)
def test_values_have_their_distribution(value, distribution):
    drawn = random.draw_values(11, random.Purpose.INITIAL, 1, value, 0, 50_000)
    assert stats.kstest(drawn, distribution.cdf).pvalue > 1e-3
    neighbours = np.corrcoef(drawn[:-1], drawn[1:])[0, 1]
    assert abs(neighbours) < 4 / math.sqrt(drawn.size)


def test_normal_values_are_clipped():
    drawn = random.draw_values(11, random.Purpose.INITIAL, 1, Normal(40.0, 15.0, 30.0, 45.0), 0, 1000)
    assert drawn.min() == 30.0
    assert drawn.max() == 45.0


def test_streams_differ():
    draws = [
        random.draw_values(seed, purpose, identity, Uniform(0.0, 1.0), 0, 10)
        for seed in (1, 2)
        for purpose in (random.Purpose.INITIAL, random.Purpose.PARAMETER)
        for identity in (0, 1)
    ]
    assert len(np.unique(draws)) == 80


def test_exponential_and_bounded_numbers():
    words = blocks(4000).ravel()
    assert stats.kstest([random.exponential(word) for word in words], stats.expon.cdf).pvalue > 1e-3
    counts = np.bincount([random.bounded(word, 7) for word in words], minlength=7)
    assert counts.size == 7
    assert stats.chisquare(counts).pvalue > 1e-3
    assert random.bounded(np.uint64(2**64 - 1), 7) == 6


GRID = (np.arange(4000) + 0.5) / 4000  # uniform numbers, evenly: what they lead to has no noise but rounding
NUMBERS_ERROR = 2e-3

BINOMIALS = [
    (1, 0.3),
    (5, 0.5),
    (12, 0.9),
    (80, 0.01),
    (1000, 0.5),
    (10**6, 3e-6),
    (10**6, 0.25),
    (10**9, 0.4),
]


def share_error(drawn, distribution):
    """The largest difference of cumulative probabilities."""
    numbers = np.unique(drawn)
    return np.abs(
        np.searchsorted(np.sort(drawn), numbers, "right") / drawn.size - distribution.cdf(numbers)
    ).max()


@pytest.mark.parametrize(("n", "p"), BINOMIALS)
def test_binomial_gives_each_number_its_share_of_the_uniform_ones(n, p):
    drawn = np.array([splits.binomial(u, n, p) for u in GRID])
    assert drawn.min() >= 0
    assert drawn.max() <= n
    # Where neighbours' shares are finer than the grid, which of them it meets is as good as chance.
    limit = NUMBERS_ERROR if n * p * (1 - p) < 1000 else 1.6 / math.sqrt(GRID.size)
    assert share_error(drawn, stats.binom(n, p)) < limit


HYPERGEOMETRICS = [
    (1, 1, 1),
    (5, 3, 6),
    (16384, 983616, 80),
    (500, 500, 400),
    (30, 2, 20),
    (10**6, 10**6, 10**5),
]


@pytest.mark.parametrize(("good", "bad", "count"), HYPERGEOMETRICS)
def test_hypergeometric_gives_each_number_its_share_of_the_uniform_ones(good, bad, count):
    drawn = np.array([splits.hypergeometric(u, good, bad, count) for u in GRID])
    assert drawn.min() >= max(0, count - bad)
    assert drawn.max() <= min(good, count)
    assert share_error(drawn, stats.hypergeom(good + bad, good, count)) < NUMBERS_ERROR


@pytest.mark.parametrize(("n", "x", "p"), [(1, 1, 0.3), (20, 3, 0.5), (1000, 500, 0.5), (3000, 40, 0.01)])
def test_binomial_probabilities_are_exact(n, x, p):
    exact = math.log(math.comb(n, x)) + x * math.log(p) + (n - x) * math.log1p(-p)
    assert splits._log_binomial(float(x), float(n), p) == pytest.approx(exact, abs=1e-12 * n)


def test_binomial_probabilities_keep_their_digits_for_large_numbers():
    """At the mode the probability tends to 1 / sqrt(2 pi n p (1 - p)); log-gammas are off by 1e-6 here."""
    limit = -0.5 * math.log(2 * math.pi * 2.4e8)
    assert splits._log_binomial(4e8, 1e9, 0.4) == pytest.approx(limit, abs=1e-8)


def test_extremes_of_the_counts():
    nearly_one = 1.0 - 2.0**-53
    assert splits.binomial(0.5, 0, 0.5) == 0
    assert splits.binomial(0.5, 7, 0.0) == 0
    assert splits.binomial(0.5, 7, 1.0) == 7
    assert 0 <= splits.binomial(nearly_one, 50, 0.5) <= 50
    assert splits.hypergeometric(0.5, 0, 5, 3) == 0
    assert splits.hypergeometric(0.5, 5, 0, 3) == 3
    assert splits.hypergeometric(0.5, 5, 4, 9) == 5
    assert 2 <= splits.hypergeometric(nearly_one, 5, 4, 6) <= 5


PRINT = """
import numpy as np
from hhsim.network import random as r
from hhsim.network import splits as s
from hhsim.model import Normal
z = np.uint64(0)
print([int(x) for x in r.philox(np.uint64(2**64 - 1), z, np.uint64(3), z, z, z)])
print(r.draw_values(1, r.Purpose.INITIAL, 2, Normal(0.0, 1.0), 0, 20).tolist())
print([int(s.binomial(i / 20, 1000, 0.3)) for i in range(20)])
print([int(s.hypergeometric(i / 20, 500, 400, 300)) for i in range(20)])
"""


def test_the_jit_changes_no_bit():
    def output(disable: str) -> str:
        environment = os.environ | {"NUMBA_DISABLE_JIT": disable}
        command = [sys.executable, "-W", "error", "-c", PRINT]
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout

    assert output("1") == output("0")
