"""What drives cells from outside: Poisson trains that are Poisson, and currents that are exact."""

from __future__ import annotations

import numpy as np
import pytest
from input_examples import table_of
from runs import Outcome, run

from hhsim.config import parse
from hhsim.kernels.render.inputs import render_inputs
from hhsim.model.inputs import KINDS

# Cells that neither leak nor forget: the conductance of a receptor counts what has arrived.
COUNTER = """
[run]
duration = "DURATION"
seed = SEED
[cell.counter]
capacitance = "100 pF"
spike = { rule = "crossing", threshold = "1000 mV" }
channel.leak = { model = "leak", g_max = "5 nS", e_rev = "-70 mV" }
receptor.exc = { model = "exponential", tau = "1e15 ms", e_rev = "-70 mV" }
receptor.inh = { model = "exponential", tau = "1e15 ms", e_rev = "-70 mV" }
[population.a]
cell = "counter"
size = 500
initial = { v = "-70 mV" }
[population.b]
cell = "counter"
size = 100
initial = { v = "-70 mV" }
[[input]] # no current: so that all tests here share their compiled code
model = "step_current"
target = "a"
amplitude = "0 pA"
[[record.trace]]
population = "a"
variable = "g.exc"
every = "0.1 ms"
"""

POISSON = """
[[input]]
model = "poisson"
target = "a"
rate = "RATE"
weight = "1 nS"
receptor = "exc"
"""


def counters(inputs: str, duration: str = "300 ms", seed: int = 1, **how) -> Outcome:
    text = COUNTER.replace("DURATION", duration).replace("SEED", str(seed))
    return run(parse(text + inputs).model, **how)


def arrivals(outcome: Outcome) -> np.ndarray:
    """Spikes that arrived in each step at each cell of `a`: (steps − 1, cells)."""
    return np.diff(outcome.frames[0].astype(float), axis=0)


def check_moments(counts: np.ndarray, mean: float) -> None:
    """Mean and variance within four standard errors of a Poisson distribution's."""
    n = counts.size
    assert counts.mean() == pytest.approx(mean, abs=4 * np.sqrt(mean / n))
    spread = np.sqrt((mean + 2 * mean**2) / n)  # of the sample variance
    assert counts.var() == pytest.approx(mean, abs=4 * spread)


@pytest.mark.parametrize("rate", [40, 3000, 40_000])  # Hz: rare, often, several in a step
def test_counts_are_poisson(rate):
    outcome = counters(POISSON.replace("RATE", f"{rate} Hz"))
    found = arrivals(outcome)
    assert np.allclose(found, np.round(found))
    check_moments(found, rate * 1e-4)  # in steps
    check_moments(outcome.state("a", "g.exc"), rate * 0.3)  # in cells


def test_cells_and_steps_are_independent():
    found = arrivals(counters(POISSON.replace("RATE", "1000 Hz")))
    standard = (found - 0.1) / np.sqrt(0.1)
    steps, cells = standard.shape
    between_cells = standard.T @ standard / steps
    np.fill_diagonal(between_cells, 0)
    assert np.abs(between_cells).max() < 6 / np.sqrt(steps)
    for lag in (1, 2, 7):  # within a train
        assert abs((standard[lag:] * standard[:-lag]).mean()) < 4 / np.sqrt(steps * cells)


def test_trains_do_not_depend_on_chunks_or_on_windows():
    """Windows are 1024 steps: 300 ms hold three of them, and their seams do not show."""
    text = POISSON.replace("RATE", "500 Hz")
    whole = counters(text)
    for how in ({"chunk_steps": 7}, {"most_steps": (1, 1000, 13)}, {"threads": 3, "chunk_steps": 1023}):
        assert np.array_equal(counters(text, **how).frames[0], whole.frames[0])
    seams = arrivals(whole)[[1022, 1023, 1024, 2046, 2047, 2048]]
    check_moments(seams, 0.05)
    other = counters(text, seed=2)
    assert not np.array_equal(other.frames[0], whole.frames[0])


def test_start_stop_and_nodes_are_respected():
    window = POISSON.replace("RATE", "5000 Hz") + 'start = "50.3 ms"\nstop = "120 ms"\nnodes = [100, 300]\n'
    outcome = counters(window)
    found = outcome.frames[0]
    assert not found[:, :100].any()
    assert not found[:, 300:].any()
    inside = arrivals(outcome)[:, 100:300]
    # Frame k holds what arrived before step k: what arrives in step k is the k-th difference.
    assert not inside[:503].any()
    assert not inside[1200:].any()
    assert inside[503].any()
    assert inside[1199].any()
    check_moments(inside[503:1200], 0.5)
    assert not outcome.state("b", "g.exc").any()


def test_inputs_are_independent_of_each_other_and_add_up():
    """Two of the same kind on the same cells, and one for two populations."""
    one = POISSON.replace("RATE", "1000 Hz")
    both = one + one + one.replace('target = "a"', 'target = ["a", "b"]').replace('"exc"', '"inh"')
    outcome = counters(both)
    check_moments(arrivals(outcome), 0.2)
    first, inh = counters(one).state("a", "g.exc"), outcome.state("a", "g.inh")
    assert abs(np.corrcoef(first, outcome.state("a", "g.exc") - first)[0, 1]) < 0.2
    assert abs(np.corrcoef(first, inh)[0, 1]) < 0.2
    check_moments(outcome.state("b", "g.inh"), 300)
    check_moments(inh, 300)


def test_weights_may_be_distributions():
    """Each cell's train has its own weight; the counts are those of any other weight."""
    rate = POISSON.replace("RATE", "1000 Hz")
    counts = counters(rate).state("a", "g.exc")
    weighted = rate.replace('weight = "1 nS"', 'weight = { uniform = ["2 nS", "4 nS"] }')
    each = counters(weighted).state("a", "g.exc") / counts
    assert each.min() >= 2
    assert each.max() < 4
    assert each.mean() == pytest.approx(3, abs=4 * np.sqrt(1 / 3 / 500))
    assert len(np.unique(each.round(9))) == 500


def current(amplitude: str, more: str = "") -> str:
    return f'[[input]]\nmodel = "step_current"\ntarget = "a"\namplitude = {amplitude}\n{more}\n'


def relaxed(v, current, ms):
    """A cell of 100 pF and 5 nS after `ms` under a constant current."""
    rest = -70 + current / 5
    return rest + (v - rest) * np.exp(-ms * 5 / 100)


def test_a_step_current_follows_the_closed_form():
    inputs = current('"20 pA"', 'start = "10 ms"\nstop = "60 ms"\nnodes = [3, 400]')
    v = counters(inputs, "100 ms").state("a", "v")
    expected = relaxed(relaxed(-70.0, 20.0, 50.0), 0.0, 40.0)
    np.testing.assert_allclose(v[3:400], expected, rtol=0, atol=1e-11)
    assert (v[:3] == -70).all()
    assert (v[400:] == -70).all()


def test_overlapping_currents_add_up():
    first = current('"20 pA"', 'start = "10 ms"\nstop = "60 ms"')
    second = current('"-50 pA"', 'start = "30 ms"\nstop = "80 ms"\nnodes = [0, 250]')
    v = counters(first + second, "100 ms", chunk_steps=37).state("a", "v")
    alone = relaxed(relaxed(-70.0, 20.0, 50.0), 0.0, 40.0)
    np.testing.assert_allclose(v[250:], alone, rtol=0, atol=1e-11)
    both = -70.0
    for amplitude, ms in ((20, 20), (-30, 30), (-50, 20), (0, 20)):
        both = relaxed(both, amplitude, ms)
    np.testing.assert_allclose(v[:250], both, rtol=0, atol=1e-11)


def test_amplitudes_may_be_distributions():
    v = counters(current('{ normal = ["20 pA", "5 pA"] }'), "100 ms").state("a", "v")
    amplitudes = (v + 70) * 5 / (1 - np.exp(-100 * 5 / 100))
    assert amplitudes.mean() == pytest.approx(20, abs=4 * 5 / np.sqrt(500))
    assert amplitudes.std() == pytest.approx(5, rel=0.15)


# Inputs are keyed by what they are, so that their order in the config draws nothing


def tables(*inputs: str) -> str:
    return "".join(f"[[input]]\n{each}\n" for each in inputs)


def train(target: str, extra: str = "", weight: str = '"1 nS"') -> str:
    about = f'model = "poisson"\ntarget = "{target}"\nrate = "200 Hz"\nreceptor = "exc"'
    return f"{about}\nweight = {weight}\n{extra}"


def step(target: str, extra: str = "") -> str:
    amplitude = '{ normal = ["5 pA", "1 pA"] }'
    return f'model = "step_current"\ntarget = "{target}"\namplitude = {amplitude}\n{extra}'


DRAWN = '{ normal = ["2 nS", "0.4 nS"] }'


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (train("a"), train("b")),
        (train("a", weight=DRAWN), step("a")),
        (step("a"), step("b")),
        (train("a", 'name = "x"', DRAWN), train("a", 'name = "y"', DRAWN)),
        (train("a", 'name = "x"'), train("a")),
        (step("a", 'name = "x"'), step("a", 'name = "y"')),
    ],
)
def test_two_inputs_that_change_places_draw_the_same(first, second) -> None:
    one, other = (counters(tables(*each), "50 ms") for each in ((first, second), (second, first)))
    assert one.sha256() == other.sha256()


def test_an_input_that_is_added_changes_no_draw_of_the_others() -> None:
    alone = counters(tables(train("a", weight=DRAWN)), "50 ms")
    beside = counters(tables(train("b"), step("b"), train("a", weight=DRAWN)), "50 ms")
    assert np.array_equal(alone.frames[0], beside.frames[0])


def test_a_list_of_targets_is_a_table_for_each() -> None:
    both = train("a").replace('target = "a"', 'target = ["b", "a"]')
    listed, apart = (counters(tables(*each), "50 ms") for each in ((both,), (train("a"), train("b"))))
    assert listed.sha256() == apart.sha256()


def test_inputs_that_share_all_but_their_place_draw_apart() -> None:
    twice = counters(tables(train("a"), train("a")), "50 ms")
    once = counters(tables(train("a")), "50 ms")
    named = counters(tables(train("a", 'name = "x"')), "50 ms")
    assert not np.array_equal(twice.frames[0], 2 * once.frames[0])
    assert not np.array_equal(named.frames[0], once.frames[0])


def test_the_name_of_an_input_is_kept() -> None:
    text = COUNTER.replace("DURATION", "1 ms").replace("SEED", "1") + tables(train("a", 'name = "drive"'))
    loaded = parse(text)
    assert [one.name for one in loaded.model.inputs] == ["", "drive"]
    assert parse(loaded.resolved).model == loaded.model


# Every kind that is declared has arrays and a kernel, which drives its cells between its start and its stop


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_an_input_of_each_kind_acts_while_it_lasts(kind) -> None:
    assert f"from hhsim.inputs.{kind.kind} import" in render_inputs()
    traced = '[[record.trace]]\npopulation = "a"\nvariable = "v"\nevery = "0.1 ms"\n'
    shifted = COUNTER.replace('e_rev = "-70 mV" }\nreceptor.inh', 'e_rev = "0 mV" }\nreceptor.inh')
    text = shifted.replace("DURATION", "20 ms").replace("SEED", "1") + traced + table_of(kind, "a")
    v = run(parse(text + 'start = "5 ms"\nstop = "8 ms"\nnodes = [100, 300]\n').model).frames[1]
    assert (v[:51] == -70).all()
    assert (v[:, :100] == -70).all()
    assert (v[:, 300:] == -70).all()
    assert (v[80, 100:300] != -70).mean() > 0.9
