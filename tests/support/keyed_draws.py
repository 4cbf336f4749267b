"""What a config draws, drawn a second time: plain and slow, from the laws alone, with NumPy's own Philox.

Nothing here is taken from the package but its model's nouns. The laws, which are part of every result:

- the key of a stream is (seed, purpose · 2⁵⁶ + identity); its counter holds the ids of what is drawn for;
- a value of a cell comes from counter (cell, 0, 0, 0), identity (population, name);
- Bernoulli targets of a source come leaf by leaf as geometric gaps, counter (source, leaf, draw // 4, 0);
- k of n numbers come from counter (row, branch, draw // 4, round), sorted, repetitions drawn again;
- weight and delay of a synapse come from counter (source, target, ordinal, 0);
- the gaps of a Poisson train, exponential numbers, come from counter (cell, window, draw, 0), and each
  window of 1024 steps begins anew.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator

import numpy as np

from hhsim.model import (
    AllToAll,
    Constant,
    FixedIndegree,
    FixedOutdegree,
    Model,
    Normal,
    OneToOne,
    PairwiseBernoulli,
    Projection,
    Uniform,
    Value,
)

INITIAL, PARAMETER, CONNECT, WEIGHT, DELAY = 1, 2, 3, 4, 5
LEAF, RARE, DENSE = 16384, 16, 64
WORD = 2**64

Synapse = tuple[int, int, float, int]  # source, number of the target in the union, weight, delay in steps


def block(seed: int, purpose: int, identity: int, *counter: int) -> list[int]:
    """Four random words for a counter of up to four words."""
    number = sum(word << 64 * i for i, word in enumerate(counter))
    # NumPy's generator adds one to its counter before each block.
    generator = np.random.Philox(
        key=np.array([seed % WORD, purpose << 56 | identity], np.uint64), counter=(number - 1) % WORD**4
    )
    return generator.random_raw(4).tolist()


def name_identity(*names: str) -> int:
    digest = hashlib.blake2b("\0".join(names).encode(), digest_size=7).digest()
    return int.from_bytes(digest, "little")


def uniform(word: int) -> float:
    return (word >> 11) / 2**53


def value(words: list[int], law: Normal | Uniform) -> float:
    if isinstance(law, Uniform):
        return law.low + (law.high - law.low) * uniform(words[0])
    radius = math.sqrt(-2 * math.log(1 - uniform(words[0])))
    drawn = law.mean + law.sd * radius * math.cos(2 * math.pi * uniform(words[1]))
    return min(max(drawn, law.min), law.max)


def cell_values(seed: int, purpose: int, population: str, name: str, law: Value, size: int) -> np.ndarray:
    """The values of an initial state or a parameter for the cells of a population."""
    if isinstance(law, Constant):
        return np.full(size, law.value)
    identity = name_identity(population, name)
    return np.array([value(block(seed, purpose, identity, cell), law) for cell in range(size)])


def pairs(model: Model, index: int) -> list[tuple[int, int]]:
    """(source, number of the target) of every synapse of a projection, by source, then target."""
    projection = model.projections[index]
    sources, targets, own = _sizes(model, projection)
    match projection.rule:
        case AllToAll():
            return [(s, t) for s in range(sources) for t in range(targets)]
        case OneToOne():
            return [(s, s) for s in range(sources)]
        case PairwiseBernoulli(p):
            return [(s, t) for s in range(sources) for t in _bernoulli(model.run.seed, index, p, s, targets)]
        case FixedOutdegree(k, replacement, autapses):
            return [
                (s, t)
                for s in range(sources)
                for t in _choose(
                    model.run.seed,
                    index,
                    s,
                    targets,
                    k,
                    replacement,
                    own + s if own is not None and not autapses else None,
                )
            ]
        case FixedIndegree(k, replacement, autapses):
            found = []
            for t in range(targets):
                itself = t - own if own is not None and not autapses and own <= t < own + sources else None
                found += [(s, t) for s in _choose(model.run.seed, index, t, sources, k, replacement, itself)]
            return sorted(found)
    raise AssertionError(projection.rule)


def _sizes(model: Model, projection: Projection) -> tuple[int, int, int | None]:
    """Sources, targets, and which target the first source is; targets count in the order of the config."""
    number, own = 0, None
    for name, population in model.populations.items():
        if name in projection.targets:
            own = number if name == projection.source else own
            number += population.size
    return model.populations[projection.source].size, number, own


def _bernoulli(seed: int, index: int, p: float, source: int, targets: int) -> Iterator[int]:
    if p == 1:
        yield from range(targets)
        return
    width = LEAF
    while width * p < RARE and width < targets:
        width *= 2
    for leaf in range(-(-targets // width) if p > 0 else 0):
        at, end, draw = leaf * width, min((leaf + 1) * width, targets), 0
        while True:
            word = block(seed, CONNECT, index, source, leaf, draw // 4)[draw % 4]
            gap = math.log(1 - uniform(word)) / math.log1p(-p)
            if gap >= end - at:
                break
            at += int(gap)
            yield at
            at += 1
            draw += 1


def _choose(
    seed: int, index: int, row: int, size: int, k: int, replacement: bool, skip: int | None
) -> list[int]:
    """k of the numbers below `size`, but for `skip`: those of a single branch, for small sizes."""
    size -= skip is not None
    assert size <= LEAF
    branch = 1  # from leaf 0 to leaf 1
    if k * DENSE > size:
        drawn = _many(seed, index, row, branch, size, k, replacement)
    else:
        drawn = _few(seed, index, row, branch, size, k, replacement)
    return [number + (skip is not None and number >= skip) for number in drawn]


def _bounded(words: Iterator[int], size: int) -> Iterator[int]:
    return (word * size >> 64 for word in words)


def _words(seed: int, index: int, row: int, branch: int, round_: int) -> Iterator[int]:
    draw = 0
    while True:
        yield from block(seed, CONNECT, index, row, branch, draw, round_)
        draw += 1


def _many(seed: int, index: int, row: int, branch: int, size: int, k: int, replacement: bool) -> list[int]:
    numbers = _bounded(_words(seed, index, row, branch, 0), size)
    if replacement:
        return sorted(next(numbers) for _ in range(k))
    inverse = 2 * k > size
    drawn: set[int] = set()
    while len(drawn) < (size - k if inverse else k):
        drawn.add(next(numbers))
    return sorted(set(range(size)) - drawn if inverse else drawn)


def _few(seed: int, index: int, row: int, branch: int, size: int, k: int, replacement: bool) -> list[int]:
    drawn: list[int] = []
    round_ = 0
    while len(drawn) < k:
        numbers = _bounded(_words(seed, index, row, branch, round_), size)
        drawn += [next(numbers) for _ in range(k - len(drawn))]
        if not replacement:
            drawn = sorted(set(drawn))
        round_ += 1
    return sorted(drawn)


def synapses(model: Model, index: int) -> list[Synapse]:
    """Every synapse of a projection with its weight (nS) and its delay (steps)."""
    projection, seed, dt = model.projections[index], model.run.seed, model.run.dt
    result: list[Synapse] = []
    before, ordinal = (-1, -1), 0
    for pair in pairs(model, index):
        ordinal = ordinal + 1 if pair == before else 0
        before = pair
        weight, delay = (
            law.value
            if isinstance(law, Constant)
            else value(block(seed, purpose, index, *pair, ordinal), law)
            for purpose, law in ((WEIGHT, projection.weight), (DELAY, projection.delay))
        )
        result.append((*pair, weight, max(0, round(delay / dt))))
    return result


def train(key: tuple[int, int], cell: int, gap: float, steps: int) -> list[int]:
    """The steps of a Poisson train's spikes; `gap` is their mean distance in steps."""
    found = []
    for window in range(-(-steps // 1024)):
        time, draw = 0.0, 0
        while True:
            word = block(key[0], key[1] >> 56, key[1] & (1 << 56) - 1, cell, window, draw)[0]
            time += -math.log(1 - uniform(word)) * gap
            draw += 1
            if time >= 1024:
                break
            found.append(window * 1024 + int(time))
    return [step for step in found if step < steps]
