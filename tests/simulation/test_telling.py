"""What a run says of itself: while it goes on, of the part that it simulated, and of the whole."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hhsim.report.progress import BAR_WIDTH, LEAST_BAR, fitting, watching
from hhsim.report.words import compared, pace
from hhsim.simulation.summary import Progress


def test_a_part_is_told_with_its_own_time(command, small) -> None:
    first = command("run", small, "--checkpoint-every", "1h", "--duration", "30 ms")
    assert "simulated  30 ms in " in first.out
    part = command("run", small, "--resume", "--duration", "40 ms", "--checkpoint-every", "1h")
    assert "simulated  10 ms (from 30 ms on) in " in part.out
    assert "so far     40 ms" in part.out
    more = command("run", small, "--resume", "--duration", "45 ms", "--json")
    told = json.loads(more.out)
    assert (told["biological_s"], told["resumed_at_ms"]) == (0.045, 40)
    assert told["realtime_factor"] == pytest.approx(told["wall_s"]["simulate"] / 0.005, rel=1e-3)
    assert "(the last part, from 40 ms on)" in command("info", "out.h5").out


def test_a_finished_run_says_that_all_is_done(command, small) -> None:
    assert command("run", small, "--duration", "30 ms", "-q").code == 0
    again = command("run", small, "--resume", "--duration", "30 ms")
    assert again.code == 0
    assert "all is done  30 ms, simulated before" in again.out
    assert "real time" not in again.out
    assert "ns for each" not in again.out
    told = json.loads(command("run", small, "--resume", "--duration", "30 ms", "--json").out)
    assert told["realtime_factor"] is told["ns_per_neuron_step"] is None
    assert told["wall_s"]["simulate"] == 0
    assert (told["biological_s"], told["resumed_at_ms"], told["complete"]) == (0.03, 30, True)


def test_another_title_goes_on_to_the_same_bits(command, small, tmp_path) -> None:
    whole = json.loads(command("run", small, "--duration", "40 ms", "--json", "-o", "whole.h5").out)
    other = tmp_path / "other.toml"
    text, count = re.subn(r'(?m)^title = ".*"$', 'title = "another title"', small.read_text())
    assert count == 1
    other.write_text(text)
    assert command("run", small, "--duration", "30 ms", "-q", "--checkpoint-every", "1h").code == 0
    done = command("run", other, "--resume", "--duration", "30 ms")
    assert "all is done" in done.out
    rest = command("run", other, "--resume", "--duration", "40 ms", "--json")
    assert rest.code == 0, rest.err
    assert json.loads(rest.out)["spikes_sha256"] == whole["spikes_sha256"]
    assert command("info", "out.h5").out.startswith("out.h5: another title")


@pytest.mark.parametrize(
    ("factor", "text"),
    [
        (0.14, "0.14 s per biological second: 7.1x faster than real time"),
        (1.7, "1.7 s per biological second: 1.7x slower than real time"),
        (1.0, "1 s per biological second: real time"),
        (1234.5, "1,234 s per biological second: 1,234x slower than real time"),
        (0.0005, "0.0005 s per biological second: 2,000x faster than real time"),
    ],
)
def test_the_text_names_the_factor_of_the_json(factor, text) -> None:
    assert pace(factor) == text


@given(st.floats(1e-6, 1e6))
def test_faster_means_a_factor_below_one(factor) -> None:
    said = compared(factor)
    assert ("faster" in said) == (factor < 1 and said != "real time")
    assert ("slower" in said) == (factor > 1 and said != "real time")


@given(*[st.integers(0, 40)] * 4, st.integers(0, 120))
def test_what_is_shown_fits_and_the_time_left_comes_first(where, left, pace_, rates, width) -> None:
    shows_pace, bar, shows_rates = fitting(width, where, left, pace_, rates)
    fixed = where + (left + 2 if left else 0)
    if shows_pace or bar or shows_rates:
        assert fixed + (pace_ + 2 if shows_pace else 0) + (bar + 2 if bar else 0) < width
    assert bar == 0 or LEAST_BAR <= bar <= BAR_WIDTH
    if width > fixed + pace_ + BAR_WIDTH + 6:
        assert bar == BAR_WIDTH
        assert shows_pace == bool(pace_)


def test_without_a_terminal_compiling_and_simulating_are_told_once(capsys) -> None:
    with watching(quiet=False) as watch:
        assert watch is not None
        for phase in ("build", "load", "compile", "compile"):
            watch(Progress(phase, 0.0, 50.0))
        for t in (20.0, 30.0, 50.0):
            watch(Progress("simulate", t, 50.0, 0.1, {"exc": 1.0}, from_ms=20.0))
    captured = capsys.readouterr()
    assert (
        captured.err == "compiling (only the first time: the code is kept)\nsimulating from 20 ms to 50 ms\n"
    )
    assert captured.out == ""


def test_a_run_that_need_not_compile_does_not_say_so(command, small, small_run) -> None:
    told = command("run", small, "--duration", "20 ms")
    assert told.err.count("simulating 20 ms\n") == 1
    assert "compiling" not in told.err
    assert command("run", small, "--duration", "20 ms", "-q", "--force").err == ""
