"""Guards stop a run at the step that the rules say, on any machine, and leave it so that it can go on."""

from __future__ import annotations

import json
import re
import signal
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import hhsim
from hhsim.config import parse
from hhsim.errors import ConfigRefused, GuardStopped, Interrupted
from hhsim.simulation.checkpoint.store import checkpoint_path, load
from hhsim.simulation.simulation import Simulation

EVERY = 5.0  # ms
EPOCH = 1.6  # ms between meetings of the threads, by the delays below
DELAYS = [f'projection.{i}.delay="1.5 ms"' for i in range(2)]
LOOKS = [f'guards.every="{EVERY:g} ms"', *DELAYS]
ALL_V = [
    'record.trace=[{population="exc", variable="v", nodes=[0, 160], every="0.1 ms"},'
    '{population="inh", variable="v", nodes=[0, 40], every="0.1 ms"}]'
]
# Conductances that the network begins with let it fire once; then nothing drives it.
SILENCE = ['cell.hh.channel.leak.e_rev="-75 mV"', *(f'projection.{i}.weight="0 nS"' for i in range(2))]
RATE = ('guards.rate_max="40 Hz"',)
SILENT = ('guards.silent_for="30 ms"',)
RANGE = ('guards.v_range=["-95 mV", "40 mV"]',)
GUARDS = {"rate_max": RATE, "silent_for": SILENT, "v_range": RANGE}


def overrides_of(guard: str) -> list[str]:
    return [*LOOKS, *ALL_V, *(SILENCE if guard == "silent_for" else []), *GUARDS[guard]]


@pytest.fixture(scope="module")
def unguarded(small, tmp_path_factory):
    """The recordings of the same runs without guards."""
    folder = tmp_path_factory.mktemp("unguarded")
    found = {}
    for guard in GUARDS:
        kept = [each for each in overrides_of(guard) if not each.startswith("guards")]
        hhsim.run(small, output=folder / f"{guard}.h5", threads=2, overrides=kept)
        found[guard] = hhsim.open(folder / f"{guard}.h5")
    yield found
    for recording in found.values():
        recording.close()


def looks(duration: float = 100.0) -> list[int]:
    """The steps at which the guards look: every EVERY ms, at the next meeting of the threads."""
    found, meeting = [0], round(EPOCH / 0.1)
    while True:
        wanted = (found[-1] // round(EVERY / 0.1) + 1) * round(EVERY / 0.1)
        found.append(-(-wanted // meeting) * meeting)
        if found[-1] * 0.1 >= duration:
            return found[:-1]


def expected(guard: str, recording) -> tuple[str, float, list[float]]:
    """Where the guard must stop by its definition: population, time and the numbers of its message, from an
    unguarded run."""
    steps = looks()
    for before, now in pairwise(steps):
        t_ms = now * 0.1
        for name, size in (("exc", 160), ("inh", 40)):
            spikes = recording.spikes[name].steps
            if guard == "rate_max":
                count = np.count_nonzero((spikes >= before) & (spikes < now))
                rate = count / size / ((now - before) * 0.1 / 1000)
                if rate > 40:
                    return name, t_ms, [rate, before * 0.1, t_ms, 40]
            elif guard == "silent_for":
                last = (spikes[spikes < now].max(initial=-1) + 1) * 0.1
                if t_ms - last >= 30:
                    return name, t_ms, [30, t_ms, last]
            else:
                v = recording.trace(name).data[now]
                outside = np.flatnonzero((v < -95) | (v > 40))
                if outside.size:
                    told = [number for node in outside[:5] for number in (node, v[node])]
                    more = [outside.size - 5] if outside.size > 5 else []
                    return name, t_ms, [outside.size, size, -95, 40, t_ms, *told, *more]
    raise AssertionError(f"{guard} would stop nothing")


def stopped(small: Path, output: Path, guard: str, **options) -> GuardStopped:
    with pytest.raises(GuardStopped) as found:
        hhsim.run(small, output=output, overrides=overrides_of(guard), **options)
    return found.value


@pytest.mark.parametrize("guard", GUARDS)
def test_a_guard_stops_where_its_rule_says(small, unguarded, tmp_path, guard) -> None:
    population, t_ms, numbers = expected(guard, unguarded[guard])
    error = stopped(small, tmp_path / "out.h5", guard, threads=1)
    told = re.findall(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?", str(error).split(":", 1)[1])
    assert [float(number) for number in told] == pytest.approx(numbers, rel=1e-3)
    assert (error.guard, error.population) == (guard, population)
    assert error.t_ms == pytest.approx(t_ms)
    assert 0 < t_ms < 100
    with hhsim.open(tmp_path / "out.h5") as recording:
        assert not recording.complete
        assert recording.stopped_at_ms == pytest.approx(t_ms)
        for name, spikes in unguarded[guard].spikes.items():
            early = spikes.steps < round(t_ms / 0.1)
            assert np.array_equal(recording.spikes[name].nodes, spikes.nodes[early])
    assert checkpoint_path(tmp_path / "out.h5").exists()


@pytest.mark.parametrize("guard", GUARDS)
def test_neither_threads_nor_chunks_change_when_a_guard_stops(small, tmp_path, monkeypatch, guard) -> None:
    advance, errors = Simulation.advance, []
    for threads, most in ((1, 10_000), (1, 1), (2, 17), (3, 33), (2, 1000)):
        monkeypatch.setattr(
            Simulation, "advance", lambda self, steps=None, most=most: advance(self, min(steps or most, most))
        )
        errors.append(stopped(small, tmp_path / f"{len(errors)}.h5", guard, threads=threads).args)
    assert errors == [errors[0]] * len(errors)


@pytest.mark.parametrize("guard", GUARDS)
def test_a_guard_that_was_interrupted_stops_at_the_same_moment(small, tmp_path, monkeypatch, guard) -> None:
    """What it has seen is in the checkpoint: here at each of a few moments between two looks."""
    whole = stopped(small, tmp_path / "whole.h5", guard, threads=2)
    advance, begun = Simulation.advance, [0]

    def briefly(self: Simulation, most: int | None = None):
        if self.step >= begun[-1] + 30:
            begun.append(self.step)
            signal.raise_signal(signal.SIGTERM)
        return advance(self, min(most or 16, 16))

    monkeypatch.setattr(Simulation, "advance", briefly)
    ends: list[type[BaseException]] = []
    while GuardStopped not in ends:
        with pytest.raises((Interrupted, GuardStopped)) as found:
            hhsim.run(
                small,
                output=tmp_path / "out.h5",
                overrides=overrides_of(guard),
                threads=1 + len(ends) % 3,
                resume=True,
            )
        ends.append(found.type)
    assert len(ends) > 1
    assert found.value.args == whole.args


@pytest.mark.parametrize("guard", GUARDS)
def test_without_its_guard_a_stopped_run_goes_on_to_the_bits_of_one_without(
    small, unguarded, tmp_path, guard
) -> None:
    stopped(small, tmp_path / "out.h5", guard, threads=2)
    loosened = [each for each in overrides_of(guard) if not each.startswith("guards")]
    hhsim.run(small, output=tmp_path / "out.h5", overrides=loosened, threads=1, resume=True)
    with hhsim.open(tmp_path / "out.h5") as recording:
        assert recording.complete
        assert recording.checksums == unguarded[guard].checksums
        for key, trace in unguarded[guard].traces.items():
            assert np.array_equal(recording.traces[key].data, trace.data)


@pytest.mark.parametrize(
    ("guard", "tight", "loose"),
    [
        ("rate_max", "5 Hz", "40 Hz"),
        ("silent_for", "10 ms", "30 ms"),
        ("v_range", ["-95 mV", "40 mV"], ["-95 mV", "45 mV"]),
    ],
)
def test_a_guard_that_was_loosened_stops_where_it_would_have(small, tmp_path, guard, tight, loose) -> None:
    """The stop itself leaves no trace in what the guard has seen."""
    others = [each for each in overrides_of(guard) if not each.startswith(f"guards.{guard}")]

    def run_until_stopped(output: str, limit: object, resume: bool = False) -> GuardStopped:
        overrides = [*others, f"guards.{guard}={json.dumps(limit)}"]
        with pytest.raises(GuardStopped) as found:
            hhsim.run(small, output=tmp_path / output, overrides=overrides, resume=resume)
        return found.value

    whole = run_until_stopped("whole.h5", loose)
    assert run_until_stopped("out.h5", tight).t_ms < whole.t_ms
    assert run_until_stopped("out.h5", loose, resume=True).args == whole.args


def test_guards_that_see_nothing_change_nothing(small, unguarded, tmp_path) -> None:
    wide = ['guards.rate_max="10 kHz"', 'guards.v_range=["-1 V", "1 V"]', 'guards.silent_for="99 ms"']
    summary = hhsim.run(small, output=tmp_path / "out.h5", overrides=[*LOOKS, *ALL_V, *wide])
    assert dict(summary.spikes_sha256) == unguarded["rate_max"].checksums


def test_the_command_says_what_happened_and_what_to_do(command, small) -> None:
    options = [option for each in overrides_of("v_range") for option in ("--set", each)]
    result = command("run", small, "-q", *options)
    assert (result.code, result.out) == (4, "")
    assert result.err.startswith("hhsim: guards.v_range: v of ")
    for words in ("cells of population 'exc' is outside -95 to 40 mV at t = ", "(cell: mV: ", "--resume"):
        assert words in result.err
    again = command("run", "-q", "--resume")
    assert again.code in (0, 4)  # the same guard looks on
    wider = command("run", "-q", "--resume", "--set", 'guards.v_range=["-1 V", "1 V"]')
    assert wider.code == 0, wider.err
    assert hhsim.open("out.h5").complete


def test_a_population_that_never_fires_is_told_as_such(small, tmp_path) -> None:
    still = [f'population.{name}.initial={{v="-75 mV"}}' for name in ("exc", "inh")]
    overrides = [*SILENCE, *still, *LOOKS, 'guards.silent_for="20 ms"']
    with pytest.raises(GuardStopped, match=r"no spike for 20 ms at t = 20\.8 ms: there was none at all"):
        hhsim.run(small, output=tmp_path / "out.h5", overrides=overrides)


def test_a_potential_that_is_no_number_is_always_guarded_and_its_cell_is_shown(command, small) -> None:
    flood = 'target="inh", nodes=[7, 8], start="50 ms", rate="20 kHz", receptor="exc", weight="1e308 nS"'
    result = command("run", small, "-q", "--set", f'input=[{{model="poisson", {flood}}}]')
    assert result.code == 4
    assert "cell 7 of population 'inh' is no longer a finite number at t = 50" in result.err
    for state in ("v", "na.m", "na.h", "k.n", "g.exc", "g.inh"):
        assert f"{state} = " in result.err
    assert not Path("out.checkpoint").exists()  # nothing would come of going on


def test_a_checkpoint_from_before_a_potential_was_no_number_stays(command, small, monkeypatch) -> None:
    """And from there another config may not, but the same one does come to the same end."""
    advance = Simulation.advance
    monkeypatch.setattr(Simulation, "advance", lambda self, most=None: advance(self, min(most or 100, 100)))
    flood = 'target="inh", nodes=[7, 8], start="50 ms", rate="20 kHz", receptor="exc", weight="1e308 nS"'
    options = ("run", small, "-q", "--set", f'input=[{{model="poisson", {flood}}}]')
    first = command(*options, "--checkpoint-every", "0s")
    assert first.code == 4
    found, remark = load(Path("out.h5"))
    assert remark == ""
    assert 0 < found.positions.t_ms <= 50
    assert np.isfinite(found.snapshot.arrays["state"]).all()
    again = command(*options, "--resume")
    assert again.code == 4
    assert again.err.partition("(")[0] == first.err.partition("(")[0]


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("guards={}", "has no effect: set rate_max, silent_for or v_range"),
        ('guards={every="10 ms"}', "has no effect"),
        ('guards={rate_max="10 mV"}', "guards.rate_max"),
        ('guards={rate_max="-1 Hz"}', "guards.rate_max"),
        ('guards={rate_max="1 Hz", every="0.15 ms"}', "guards.every: 0.15 ms is not a multiple of dt"),
        ('guards={rate_max="1 Hz", every="0 ms"}', "guards.every"),
        ('guards={silent_for="10 ms"}', "guards.silent_for: is shorter than every = 100 ms"),
        ('guards={silent_for="0 ms"}', "guards.silent_for"),
        ('guards={v_range="10 mV"}', "guards.v_range"),
        ('guards={v_range=["10 mV"]}', "guards.v_range"),
        ('guards={v_range=["10 mV", "-10 mV"]}', "guards.v_range"),
        ('guards={v_range=["10 nS", "20 nS"]}', "guards.v_range"),
        ('guards={rate_mx="1 Hz"}', 'did you mean "rate_max"'),
        ("guards=5", "guards: expected a table"),
        ('guards=["rate_max"]', "guards: expected a table"),
    ],
)
def test_guards_that_make_no_sense_are_refused(small, override, words) -> None:
    with pytest.raises(ConfigRefused) as refused:
        parse(small.read_text(), overrides=[override])
    assert words in str(refused.value)


def test_guards_survive_being_written(small) -> None:
    guards = 'guards={rate_max="40 Hz", silent_for="1 s", v_range=["-0.1 V", "50 mV"], every="20 ms"}'
    loaded = parse(small.read_text(), overrides=[guards])
    assert parse(loaded.resolved).model == loaded.model
    assert loaded.model.guards is not None
    assert loaded.model.guards.v_range == (-100.0, 50.0)
    assert loaded.model.guards.rate_max == 0.04
