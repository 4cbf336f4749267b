"""Ranks in one process (`Loopback`): however a network is shared out, it computes the same bits."""

from __future__ import annotations

import threading
import warnings
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from conftest import estimated
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import listed, network
from runs import run
from test_reproducible import LEAST_DELAYS, model, plain

from hhsim.config import load
from hhsim.engines.exchange import Exchange, share_out
from hhsim.engines.exchange.loopback import run_loopback
from hhsim.engines.exchange.sharing import shared_config
from hhsim.errors import (
    ComparisonFailed,
    Diverged,
    FailedElsewhere,
    GuardStopped,
    HhsimError,
    HhsimWarning,
    exit_code_of,
)
from hhsim.model import (
    AllToAll,
    Constant,
    FixedIndegree,
    FixedOutdegree,
    Guards,
    Normal,
    OneToOne,
    PairwiseBernoulli,
    Uniform,
)
from hhsim.network.build import connect
from hhsim.network.connections import LAG_BASE, WEIGHT_BASE
from hhsim.network.fingerprint import fingerprint
from hhsim.network.layout import lay_out
from hhsim.simulation import memory
from hhsim.simulation.checkpoint.snapshot import restore, take
from hhsim.simulation.estimate import probe
from hhsim.simulation.guards import Watch
from hhsim.simulation.prepare import prepare
from hhsim.simulation.request import ConfigChoice, Request
from hhsim.simulation.simulation import Simulation
from hhsim.system.ranks import launched_rank, launched_ranks

several = st.lists(st.integers(1, 3), min_size=2, max_size=7)  # threads of each rank
few = st.lists(st.integers(1, 2), min_size=2, max_size=3)  # where they all compute


@pytest.fixture(autouse=True)
def _no_price():
    """The price of an exchange in each step is looked at where it matters."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "the least delay is 0", HhsimWarning)
        yield


@pytest.mark.parametrize(
    ("delay", "precision", "threads", "chunk_steps"),
    [
        ("0.3 ms", "float64", [1, 1], 1000),
        ("0.3 ms", "float64", [2, 1, 1], 3),
        ("0.3 ms", "float32", [1] * 7, 57),
        ("0.3 ms", "float64", [1] * 13, 400),  # more than there are blocks
        ("0 ms", "float64", [1, 2], 57),
        ("0 ms", "float32", [1, 1, 1], 400),
    ],
)
def test_ranks_do_not_change_a_bit(delay, precision, threads, chunk_steps) -> None:
    def on_rank(exchange: Exchange):
        outcome = run(model(delay, precision), threads[exchange.rank], chunk_steps, exchange=exchange)
        return outcome.spikes, outcome.suppressed, outcome.sha256()

    whole = plain(delay, precision)
    told = run_loopback(len(threads), on_rank)
    assert all(spikes == whole.spikes for spikes, _, _ in told)  # every rank knows all spikes
    assert all(suppressed == whole.suppressed for _, suppressed, _ in told)
    assert told[0][2] == whole.sha256()  # traces are on rank 0


@pytest.mark.parametrize("delay", LEAST_DELAYS)
@given(first=few, second=few, steps=st.integers(1, 300))
@settings(max_examples=2, deadline=None)
def test_what_some_ranks_began_others_finish(delay, first, second, steps) -> None:
    """Also one process alone, and the other way round; the snapshot itself is the same, too."""
    described = model(delay, "float64")

    def begin(exchange: Exchange):
        simulation = Simulation(described, first[exchange.rank], exchange=exchange)
        simulation.compile()
        while simulation.step < steps:
            simulation.advance(steps - simulation.step)
        return take(simulation)

    def end(exchange: Exchange | None, snapshot):
        simulation = Simulation(
            described, 1 if exchange is None else second[exchange.rank], exchange=exchange
        )
        simulation.compile()
        restore(simulation, snapshot if exchange is None or exchange.rank == 0 else None)
        while simulation.step < described.run.steps:
            simulation.advance()
        return [simulation.values_of(name, "v") for name in described.populations], simulation.spike_counts

    def alone():
        simulation = Simulation(described)
        simulation.compile()
        while simulation.step < steps:
            simulation.advance(steps - simulation.step)
        return take(simulation)

    whole = plain(delay, "float64")
    snapshot, expected = run_loopback(len(first), begin)[0], alone()
    assert snapshot.facts == expected.facts
    for name, array in expected.arrays.items():
        assert np.array_equal(snapshot.arrays[name], array), name
    for potentials, counts in (
        end(None, snapshot),
        *run_loopback(len(second), lambda exchange: end(exchange, expected)),
    ):
        assert counts == whole.simulation.spike_counts
        for name, v in zip(described.populations, potentials, strict=True):
            assert np.array_equal(v, whole.state(name, "v"))


@given(
    sizes=st.tuples(st.integers(1, 400), st.integers(1, 300)),
    rule=st.sampled_from(
        [PairwiseBernoulli(0.05), FixedOutdegree(3, True), FixedIndegree(4, True), AllToAll(), OneToOne()]
    ),
    weight=st.sampled_from([Constant(1.0), Normal(5.0, 2.0)]),
    delay=st.sampled_from([Constant(0.4), Uniform(0.2, 3.0)]),
    threads=several,
    seed=st.integers(0, 9),
)
@settings(max_examples=15, deadline=None)
def test_ranks_build_the_network_that_one_process_builds(sizes, rule, weight, delay, threads, seed) -> None:
    targets = ("a", "b") if not isinstance(rule, OneToOne) else ("b",)
    sizes = (sizes[0], sizes[0]) if isinstance(rule, OneToOne) else sizes
    described = network(sizes, rule, weight, delay, seed=seed, sources=("a",), targets=targets)
    layout = lay_out(described)

    def on_rank(exchange: Exchange):
        cuts = share_out(layout.blocks, threads)[exchange.rank]
        return connect(described, layout, cuts, np.float64, 1, exchange.gather), exchange

    whole = connect(described, layout, [0, layout.blocks], np.float64, 1)
    shares = [connections for connections, _ in run_loopback(len(threads), on_rank)]
    assert sorted(entry for share in shares for entry in listed(share)[0]) == sorted(listed(whole)[0])
    assert sum(share.synapses for share in shares) == whole.synapses
    for share in shares:
        assert np.array_equal(share.projections, whole.projections)
        for column, array in ((WEIGHT_BASE, share.weights), (LAG_BASE, share.lags)):
            assert array.size == (share.synapses if (share.places[:, :, column] >= 0).any() else 0)
    prints = run_loopback(len(threads), lambda exchange: fingerprint(shares[exchange.rank], exchange.gather))
    assert prints == [fingerprint(whole)] * len(threads)


def test_each_rank_holds_its_share_and_no_more() -> None:
    described = model("0.3 ms", "float64")

    def sizes(exchange: Exchange | None) -> list[int]:
        network = Simulation(described, exchange=exchange).engine.host.network
        arrays = (
            *(network.cells.state, network.inboxes.counts, network.inboxes.sums),
            *(network.connections.targets, network.connections.weights, network.connections.lags),
            *(network.inputs.poisson.next, network.inputs.step_current.amplitudes, network.samples.places),
        )
        return [array.size for array in arrays]

    shares, whole = run_loopback(3, sizes), sizes(None)
    assert np.sum(shares, axis=0).tolist() == whole
    assert max(share[0] for share in shares) <= whole[0] / 3 * 1.1


@given(blocks=st.integers(0, 60), threads=several)
def test_blocks_are_shared_out_evenly_by_threads(blocks, threads) -> None:
    shares = share_out(blocks, threads)
    cuts = [cut for share in shares for cut in share[:-1]] + [shares[-1][-1]]
    assert [len(share) - 1 for share in shares] == threads
    assert all(a[-1] == b[0] for a, b in pairwise(shares))
    assert (cuts[0], cuts[-1]) == (0, blocks)
    assert set(np.diff(cuts)) <= {blocks // sum(threads), -(-blocks // sum(threads))}


class Broken(ComparisonFailed):
    pass


@given(ranks=st.integers(2, 5), failing=st.integers(0, 4), after=st.integers(0, 6), data=st.data())
@settings(max_examples=30, deadline=None)
def test_a_rank_that_fails_anywhere_ends_all_with_its_error(ranks, failing, after, data) -> None:
    """Whatever the others are doing together meanwhile; and none of them waits for ever."""
    failing %= ranks
    verbs = data.draw(
        st.lists(st.sampled_from(["tell", "gather", "to_root", "from_root", "share"]), min_size=7)
    )
    seen = []

    def on_rank(exchange: Exchange) -> None:
        own = np.full(exchange.rank + 1, exchange.rank)
        try:
            for i, verb in enumerate(verbs):
                if i == after and exchange.rank == failing:
                    raise Broken
                if verb == "tell":
                    assert exchange.tell(exchange.rank)[:, 0].tolist() == list(range(ranks))
                elif verb == "gather":
                    assert [len(each) for each in exchange.gather(own)] == list(range(1, ranks + 1))
                elif verb == "to_root":
                    assert len(exchange.to_root(own)) == (ranks if exchange.rank == 0 else 0)
                elif verb == "from_root":
                    out = np.zeros(exchange.rank + 1, np.int64)
                    exchange.from_root([np.full(rank + 1, rank) for rank in range(ranks)], out)
                    assert np.array_equal(out, own)
                else:
                    assert exchange.share("µ" if exchange.rank == 0 else "") == "µ"
        except FailedElsewhere as error:
            seen.append((error.rank, error.exit_code))
            raise

    threads = threading.active_count()
    with pytest.raises(Broken):
        run_loopback(ranks, on_rank)
    assert seen == [(failing, 7)] * (ranks - 1)
    assert threading.active_count() == threads


def test_of_two_that_fail_at_once_the_lowest_says_why() -> None:
    def on_rank(exchange: Exchange) -> None:
        if exchange.rank > 0:
            raise Broken(exchange.rank)
        exchange.tell()

    with pytest.raises(Broken, match="1"):
        run_loopback(4, on_rank)


def test_a_potential_that_is_not_finite_stops_all_ranks_at_the_same_step() -> None:
    described = model("0.3 ms", "float64")
    hot = replace(described.inputs[-1], amplitude=Constant(1e300), nodes=(1000, 1001))
    broken = replace(described, inputs=(*described.inputs[:-1], hot))
    alone = run(broken)

    def on_rank(exchange: Exchange):
        outcome = run(broken, exchange=exchange)
        return outcome.diverged, outcome.spikes

    assert isinstance(alone.diverged, Diverged)
    for diverged, spikes in run_loopback(3, on_rank):
        assert (diverged.population, diverged.node, diverged.t_ms) == ("exc", 1000, alone.diverged.t_ms)
        assert str(diverged) == str(alone.diverged)
        assert spikes == alone.spikes


def test_guards_see_the_whole_network_on_every_rank() -> None:
    described = replace(
        model("0.3 ms", "float64"), guards=Guards(every=2.0, v_range=(-75.0, 30.0), rate_max=1.0)
    )

    def found(exchange: Exchange | None) -> str:
        simulation = Simulation(described, exchange=exchange)
        simulation.compile()
        watch = Watch(simulation)
        while simulation.step < described.run.steps:
            try:
                watch.look(simulation.advance(watch.steps_left()))
            except GuardStopped as stopped:
                return str(stopped)
        raise AssertionError("no guard saw anything")

    assert run_loopback(3, found) == [found(None)] * 3


def test_an_exchange_in_every_step_has_its_price_told() -> None:
    with pytest.warns(
        HhsimWarning, match=r"the 2 ranks meet after every step: .* µs a step .* s for this run"
    ):
        run_loopback(2, lambda exchange: Simulation(model("0 ms", "float64"), exchange=exchange))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run_loopback(2, lambda exchange: Simulation(model("0.3 ms", "float64"), exchange=exchange))
        Simulation(model("0 ms", "float64"))


def test_the_seed_that_a_config_leaves_to_chance_is_the_same_everywhere(small) -> None:
    text = small.read_text().replace("seed      = 2007", "")
    path = small.with_name("seedless.toml")
    path.write_text(text)
    loaded = run_loopback(3, lambda exchange: shared_config(exchange, lambda: load(path)))
    assert len({each.model.run.seed for each in loaded}) == 1
    assert all(each == loaded[0] for each in loaded)


@pytest.mark.parametrize(
    ("config", "changed", "code"),
    [
        (None, {}, 2),
        ("SMALL", {"overrides": ["run.durration=1"]}, 3),
        ("SMALL", {"channels": ["nothing.py"]}, 5),
        ("nothing.toml", {}, 5),
        ("SMALL", {}, 5),  # as the output is there
    ],
)
def test_what_one_rank_refuses_ends_all_before_any_work(small, tmp_path, config, changed, code) -> None:
    (tmp_path / "out.h5").write_text("precious")
    output = tmp_path / ("none.h5" if config is None else "out.h5")
    choice = ConfigChoice(small if config == "SMALL" else config, **changed)
    seen = []

    def on_rank(exchange: Exchange) -> None:
        try:
            prepare(Request(choice, output, resume=config is None, threads=1, exchange=exchange))
        except FailedElsewhere as error:
            seen.append(exit_code_of(error))
            raise

    with pytest.raises(HhsimError) as refused:
        run_loopback(3, on_rank)
    assert exit_code_of(refused.value) == code
    assert set(seen) <= {code}  # a rank that refused the same by itself is told nothing
    assert [path.name for path in tmp_path.iterdir()] == ["out.h5"]


def test_all_ranks_know_that_all_is_done(small, small_run) -> None:
    def on_rank(exchange: Exchange):
        output = Path(small_run.output)
        return prepare(Request(ConfigChoice(small), output, resume=True, threads=1, exchange=exchange)).done

    first, second = run_loopback(2, on_rank)
    assert first == second
    assert first.spikes_sha256 == small_run.spikes_sha256
    assert first.ns_per_neuron_step is None


def test_each_rank_needs_its_share_of_the_memory(small) -> None:
    large = load(small, ("population.exc.size=160000",)).model
    one, four = memory.needed(large, 2), memory.needed(large, 1, 4)
    assert four.state == pytest.approx(one.state / 4, rel=0.01)
    # What does not shrink is where the rows of all sources begin, 4 bytes each, for each thread.
    assert four.network - one.network / 4 < 4 * 160040 * 2
    assert memory.needed(large, 1, 1) == memory.needed(large, 1)


def test_an_estimate_is_that_of_each_rank(small, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(probe, "PROBE_SECONDS", 0.1)
    told = run_loopback(2, lambda exchange: estimated(load(small), threads=1, exchange=exchange))
    alone = estimated(load(small), threads=1)
    assert [(each.ranks, each.threads, each.neurons) for each in told] == [(2, 1, 200)] * 2
    assert {each.synapses for each in told} == {alone.synapses}
    assert told[0].memory_bytes["state"] == pytest.approx(alone.memory_bytes["state"] / 2, rel=0.01)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("environment", "ranks", "rank"),
    [
        ({}, 1, 0),
        ({"PMI_SIZE": "4", "PMI_RANK": "3"}, 4, 3),
        ({"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "1"}, 2, 1),
        ({"SLURM_STEP_NUM_TASKS": "8", "SLURM_PROCID": "5"}, 8, 5),
        ({"SLURM_NTASKS": "8", "SLURM_PROCID": "0"}, 1, 0),  # the script of a batch job, outside of any step
        ({"PMI_SIZE": "1", "PMI_RANK": "0"}, 1, 0),
        ({"PMI_SIZE": "several"}, 1, 0),
    ],
)
def test_a_process_knows_how_many_were_started_with_it(monkeypatch, environment, ranks, rank) -> None:
    for name in ("PMI_SIZE", "PMI_RANK", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert (launched_ranks(), launched_rank()) == (ranks, rank)
