"""Laws of the config: what it means, what it refuses and in which words, and what may override it."""

from __future__ import annotations

import dataclasses
import math
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from places import ROOT

from hhsim.config import describe, load, parse
from hhsim.config.locate import locate
from hhsim.config.write import write
from hhsim.errors import ConfigRefused, FileFailed
from hhsim.model import (
    AllToAll,
    Constant,
    EdgesFromFile,
    FixedIndegree,
    FixedOutdegree,
    FromFile,
    Model,
    Normal,
    OneToOne,
    PairwiseBernoulli,
    Steady,
    Uniform,
)
from hhsim.model.units import NotAQuantity, read

CONFIGS = ROOT / "configs"
COBA = CONFIGS / "coba.toml"
TEXT = COBA.read_text()


def problems(text: str = TEXT, *overrides: str, folder: Path | None = None) -> dict[str, str]:
    """The messages of a config that must be refused, by key path."""
    with pytest.raises(ConfigRefused) as refused:
        parse(text, folder=folder, overrides=overrides)
    return {problem.path: problem.message for problem in refused.value.problems}


def changed(old: str, new: str) -> str:
    assert old in TEXT
    return TEXT.replace(old, new, 1)


# What a config means


def test_coba_is_the_benchmark_in_coherent_units() -> None:
    model = load(COBA).model
    cell = model.cells["hh"]
    g_max = {channel.key: channel.parameters["g_max"] for channel in cell.channels}
    assert cell.capacitance == Constant(200.0)
    assert g_max == {"leak": Constant(10.0), "na": Constant(20000.0), "k": Constant(6000.0)}
    assert model.run.steps == 10000
    assert model.projections[1].weight == Constant(67.0)
    assert model.projections[0].delay == Constant(0.0)
    assert model.populations["exc"].initial["g.exc"] == Normal(40.0, 15.0, min=0.0)
    assert model.populations["exc"].initial["na.m"] == Constant(0.0)
    assert model.record_spikes == ("exc", "inh")


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.toml")), ids=lambda path: path.stem)
def test_a_resolved_config_means_the_same(path: Path) -> None:
    loaded = load(path)
    again = parse(loaded.resolved)
    assert again.model == loaded.model
    assert again.resolved == loaded.resolved


POSITIVE = st.floats(1e-6, 1e6)
REAL = st.floats(-1e6, 1e6)
NORMAL = st.builds(Normal, POSITIVE, POSITIVE, st.just(0.0), st.just(math.inf) | st.just(1e7))
UNIFORM = st.tuples(POSITIVE, POSITIVE).map(lambda pair: Uniform(min(pair), max(pair)))
VALUES = st.builds(Constant, POSITIVE) | NORMAL | UNIFORM


@settings(max_examples=40, deadline=None)
@given(
    weight=VALUES,
    delay=VALUES,
    v=st.builds(Constant, REAL) | st.builds(Normal, REAL, POSITIVE),
    capacitance=POSITIVE,
    title=st.text(st.characters(codec="utf-8", exclude_characters="\0")),
    seed=st.integers(0, 2**64 - 1),
    rule=st.sampled_from(
        [AllToAll(), PairwiseBernoulli(0.3), FixedOutdegree(5, True, False), FixedIndegree(7, False, True)]
    ),
    gate=st.just(Steady()) | st.builds(Constant, st.floats(0, 1)),
)
def test_every_model_survives_being_written(weight, delay, v, capacitance, title, seed, rule, gate) -> None:
    coba = load(COBA).model
    model = dataclasses.replace(
        coba,
        title=title,
        run=dataclasses.replace(coba.run, seed=seed),
        cells={"hh": dataclasses.replace(coba.cells["hh"], capacitance=Constant(capacitance))},
        populations={
            name: dataclasses.replace(p, initial={**p.initial, "v": v, "k.n": gate})
            for name, p in coba.populations.items()
        },
        projections=(
            dataclasses.replace(coba.projections[0], weight=weight, delay=delay, rule=rule),
            coba.projections[1],
        ),
    )
    assert parse(write(model)).model == model


@pytest.mark.parametrize(
    ("text", "unit", "number"),
    [
        ("6 nS", "nS", 6.0),
        ("0.006uS", "nS", 6.0),
        ("6e-3 µS", "nS", 6.0),
        ("6e-3 μS", "nS", 6.0),
        ("  -65mV ", "mV", -65.0),
        ("+.5 V", "mV", 500.0),
        ("2.2250738585e-313 mV", "mV", 2.2250738585e-313),
        ("1 s", "ms", 1000.0),
        ("300 Hz", "1/ms", 0.3),
        ("300 1/s", "1/ms", 0.3),
        ("0.2 nF", "pF", 200.0),
        ("0.2 nA", "pA", 200.0),
        ("2e-4 cm^2", "um^2", 20000.0),
        ("2e-4 cm**2", "um^2", 20000.0),
        ("0.1 ms", "ms", 0.1),
    ],
)
def test_quantities_are_converted_to_the_last_bit(text: str, unit: str, number: float) -> None:
    assert float(read(text, unit)[0]) == number


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=12) | st.from_regex(r"\A[0-9.e-]{1,5} ?[munpkV^*/()SFsmA0-9-]{0,8}\Z"))
def test_a_text_is_a_quantity_or_refused(text: str) -> None:
    try:
        number, density = read(text, "nS", per_area=True)
    except NotAQuantity:
        return
    assert math.isfinite(float(number))
    assert isinstance(density, bool)


def test_a_distribution_is_clipped_where_its_quantity_ends() -> None:
    model = parse(TEXT, overrides=['projection.0.weight={normal=["6 nS", "1 nS"]}']).model
    assert model.projections[0].weight == Normal(6.0, 1.0, 0.0, math.inf)
    model = parse(TEXT, overrides=['cell.hh.channel.leak.g_max={uniform=["5 nS", "0.05 mS/cm^2"]}']).model
    assert model.cells["hh"].channels[0].parameters["g_max"] == Uniform(5.0, 10.0)


def test_a_seed_is_drawn_once_and_written_down() -> None:
    text = changed("seed      = 2007\n", "")
    first, second = parse(text), parse(text)
    assert first.model.run.seed != second.model.run.seed
    assert 0 <= first.model.run.seed < 2**63
    assert parse(first.resolved).model == first.model


def test_an_input_to_several_populations_is_one_for_each() -> None:
    text = TEXT + '[[input]]\ntarget = ["exc", "inh"]\nmodel = "step_current"\namplitude = "0.2 nA"\n'
    inputs = parse(text).model.inputs
    assert [(one.target, one.nodes, one.stop) for one in inputs] == [
        ("exc", (0, 3200), math.inf),
        ("inh", (0, 800), math.inf),
    ]
    assert parse(parse(text).resolved).model.inputs == inputs


def test_what_is_left_out_has_its_default() -> None:
    short = TEXT[: TEXT.index("[record]")] + '[[record.trace]]\npopulation = "inh"\nvariable = "g.exc"\n'
    model = parse(short.replace('method    = "exponential_euler"', "")).model
    assert model.run.method == "exponential_euler"
    assert model.record_spikes == ("exc", "inh")
    assert (model.traces[0].nodes, model.traces[0].every) == ((0, 800), 0.1)


def test_states_may_stand_without_quotes() -> None:
    assert parse(TEXT.replace('"g.exc" =', "g.exc =")).model == parse(TEXT).model


def test_files_are_found_beside_the_config(tmp_path: Path) -> None:
    (tmp_path / "edges.h5").touch()
    (tmp_path / "nodes.h5").touch()
    text = changed(
        'target   = ["exc", "inh"]\nreceptor = "exc"\nrule     = { pairwise_bernoulli = 0.02 }\n'
        'weight   = "6 nS"\ndelay    = "0 ms"\n',
        'target = "inh"\nreceptor = "exc"\nrule = { file = "edges.h5", edges = "exc__inh" }\n',
    ).replace('v       = { normal = ["-65 mV", "5 mV"] }', 'v = { file = "nodes.h5" }')
    (tmp_path / "net.toml").write_text(text)
    loaded = load(tmp_path / "net.toml")
    projection = loaded.model.projections[0]
    assert projection.rule == EdgesFromFile(tmp_path / "edges.h5", "exc__inh")
    assert (projection.weight, projection.delay) == (None, None)
    assert loaded.model.populations["exc"].initial["v"] == FromFile(tmp_path / "nodes.h5")
    assert parse(loaded.resolved, folder=Path("/")).model == loaded.model
    missing = problems(text, folder=tmp_path / "elsewhere")
    assert "no file" in missing["projection[0].rule.file"]
    assert "no file" in missing["population.inh.initial.v.file"]


# What is refused

REFUSED = [
    # quantities
    ("run.duration=5", "run.duration", ["no unit", "a time", '"5 ms"']),
    ('run.duration="5"', "run.duration", ["no unit", "a time"]),
    ('run.duration="1 mV"', "run.duration", ["is a potential", "expected a time"]),
    ('run.duration="1 msec"', "run.duration", ['unknown unit "msec"']),
    ('run.duration="one ms"', "run.duration", ["not a number and a unit"]),
    ('run.duration="inf ms"', "run.duration", ["not a finite"]),
    ('run.duration="1e999999999 ms"', "run.duration", ["out of range"]),
    ('run.duration="1e309 ms"', "run.duration", ["out of range"]),
    ("run.duration=nan", "run.duration", ["no unit"]),
    ("run.duration=true", "run.duration", ["expected a time", "true"]),
    ('run.duration="0 ms"', "run.duration", ["must be positive"]),
    ('run.duration="0.25 ms"', "run.duration", ["not a multiple of dt = 0.1 ms"]),
    ('run.dt="2 s"', "run.duration", ["not a multiple of dt"]),
    ('run.dt="1e-300 ms"', "run.duration", ["1 s is too long", "steps of 1e-300 ms"]),
    ('cell.hh.channel.na.v_t="-63 mv"', "cell.hh.channel.na.v_t", ['did you mean "mV"']),
    ("cell.hh.channel.na.g_max=100", "cell.hh.channel.na.g_max", ["a conductance", "per area", "mS/cm^2"]),
    ('cell.hh.channel.na.g_max="-1 nS"', "cell.hh.channel.na.g_max", ["negative"]),
    ('cell.hh.receptor.exc.tau="0 ms"', "cell.hh.receptor.exc.tau", ["positive"]),
    ('cell.hh.capacitance="0 pF"', "cell.hh.capacitance", ["positive"]),
    ('cell.hh.capacitance="-1 uF/cm^2"', "cell.hh.capacitance", ["positive"]),
    ('cell.hh.area="0 um^2"', "cell.hh.area", ["positive"]),
    ('cell.hh.area={normal=["1 um^2", "1 um^2"]}', "cell.hh.area", ["an area", "a table"]),
    # distributions
    ('projection.0.weight={normal=["6 nS","-1 nS"]}', "projection[0].weight.normal[1]", ["deviation"]),
    ('projection.0.weight={normal=["6 nS"]}', "projection[0].weight.normal", ["[mean, sd]"]),
    ('projection.0.weight={normal=["6 nS",1]}', "projection[0].weight.normal[1]", ["no unit"]),
    ('projection.0.weight={uniform=["6 nS","1 nS"]}', "projection[0].weight.uniform", ["low is above high"]),
    ('projection.0.weight={uniform=["0 nS","1 nS"],min="0 nS"}', "projection[0].weight.min", ["no effect"]),
    ('projection.0.weight={nromal=["0 nS","1 nS"]}', "projection[0].weight.nromal", ['"normal"']),
    ('projection.0.weight={min="0 nS"}', "projection[0].weight", ["normal", "uniform"]),
    (
        'projection.0.weight={normal=["6 nS","1 nS"], min="2 nS", max="1 nS"}',
        "projection[0].weight.min",
        ["above max"],
    ),
    ('cell.hh.capacitance={normal=["200 pF","9 pF"]}', "cell.hh.capacitance", ["needs a min"]),
    # words and numbers
    ("run.method=eulr", "run.method", ["unknown method", "exponential_euler"]),
    ("run.precision=float63", "run.precision", ['did you mean "float64"']),
    ("run.seed=-1", "run.seed", ["negative"]),
    ("run.seed=18446744073709551616", "run.seed", ["2**64"]),
    ("run.seed=1.5", "run.seed", ["whole number"]),
    ("population.exc.size=0", "population.exc.size", ["positive"]),
    ("population.exc.size=true", "population.exc.size", ["whole number"]),
    ("title=5", "title", ["in quotes"]),
    ("cell.hh.spike.rule=levle", "cell.hh.spike.rule", ['"level"']),
    ('cell.hh.spike.refractory="-1 ms"', "cell.hh.spike.refractory", ["negative"]),
    ("cell.hh.channel.na.model=Na_TM1919", "cell.hh.channel.na.model", ['did you mean "Na_TM1991"']),
    ("cell.hh.receptor.exc.model=5", "cell.hh.receptor.exc.model", ["in quotes"]),
    # unknown keys
    ("run.durtion=5", "run.durtion", ["unknown key", 'did you mean "duration"']),
    ("rnu={}", "rnu", ['did you mean "run"']),
    ("cell.hh.channel.na.vt=5", "cell.hh.channel.na.vt", ["unknown parameter", '"v_t"']),
    ("population.exc.initial.na.q=0", "population.exc.initial.na.q", ["unknown state", '"na.m"']),
    # names
    ("population.exc.cell=hhh", "population.exc.cell", ["unknown cell", '"hh"']),
    ("projection.0.source=ecx", "projection[0].source", ["unknown population", '"exc"']),
    ("projection.0.target.1=ihn", "projection[0].target[1]", ["unknown population", '"inh"']),
    ('projection.0.target=["exc","exc"]', "projection[0].target[1]", ["twice"]),
    ("projection.0.target=[]", "projection[0].target", ["empty list"]),
    ("projection.0.receptor=ecx", "projection[0].receptor", ["unknown receptor", '"exc"', 'cell "hh"']),
    # initial values
    ("population.exc.initial.na.m=1.5", "population.exc.initial.na.m", ["between 0 and 1"]),
    ("population.exc.initial.na.m=nan", "population.exc.initial.na.m", ["finite"]),
    ('population.exc.initial.na.m="0 mV"', "population.exc.initial.na.m", ["plain number"]),
    ("population.exc.initial.v=steady", "population.exc.initial.v", ["gates"]),
    ("population.exc.initial.v=-65", "population.exc.initial.v", ["a potential"]),
    # rules
    ("projection.0.rule={pairwise_bernuli=0.1}", "projection[0].rule.pairwise_bernuli", ["unknown rule"]),
    ("projection.0.rule.pairwise_bernoulli=1.1", "projection[0].rule.pairwise_bernoulli", ["0 and 1"]),
    ("projection.0.rule.pairwise_bernoulli=nan", "projection[0].rule.pairwise_bernoulli", ["finite"]),
    ("projection.0.rule.replacement=true", "projection[0].rule.replacement", ["no effect"]),
    ("projection.0.rule.fixed_indegree=5", "projection[0].rule", ["2 rules"]),
    ("projection.0.rule={fixed_indegree=-1}", "projection[0].rule.fixed_indegree", ["negative"]),
    ("projection.0.rule={fixed_indegree=2.5}", "projection[0].rule.fixed_indegree", ["whole number"]),
    ("projection.0.rule={fixed_indegree=3201}", "projection[0].rule.fixed_indegree", ["3200 sources"]),
    ("projection.0.rule={fixed_outdegree=4001}", "projection[0].rule.fixed_outdegree", ["4000 targets"]),
    (
        "projection.0.rule={fixed_outdegree=4000, autapses=false}",
        "projection[0].rule.fixed_outdegree",
        ["3999 targets", "itself"],
    ),
    ("projection.0.rule={fixed_outdegree=5, autapses=1}", "projection[0].rule.autapses", ["true or false"]),
    ("projection.0.rule={fixed_outdegree=5, autapsis=true}", "projection[0].rule.autapsis", ['"autapses"']),
    ("projection.0.rule=one_to_one", "projection[0].rule", ["equal sizes", "3200", "4000"]),
    ("projection.0.rule=one_to_oen", "projection[0].rule", ['did you mean "one_to_one"']),
    ("projection.0.rule=fixed_indegree", "projection[0].rule", ["needs its number"]),
    ("projection.0.rule={all_to_all=1}", "projection[0].rule.all_to_all", ['rule = "all_to_all"']),
    ("projection.0.rule={autapses=true}", "projection[0].rule", ["names no rule"]),
    ("projection.0.rule=5", "projection[0].rule", ["expected a rule"]),
    ('projection.0.rule={file="no.h5"}', "projection[0].rule.file", ["no file"]),
    ('projection.0.rule={file="no.h5"}', "projection[0].rule", ["edges"]),
    # record
    ('record.spikes=["exc","axc"]', "record.spikes[1]", ["unknown population", '"exc"']),
    ('record.trace.0.every="0.25 ms"', "record.trace[0].every", ["not a multiple of dt"]),
    ("record.trace.0.variable=na.mm", "record.trace[0].variable", ["unknown state", '"na.m"']),
    ("record.trace.0.population=ecx", "record.trace[0].population", ['"exc"']),
    ("record.trace.0.nodes=[0,3201]", "record.trace[0].nodes", ["3200 cells"]),
    ("record.trace.0.nodes=[5,5]", "record.trace[0].nodes", ["empty"]),
    ("record.trace.0.nodes=[5]", "record.trace[0].nodes", ["[first, end]"]),
    ("record.trace.0.nodes=[-1, 5]", "record.trace[0].nodes[0]", ["negative"]),
    # tables of another kind
    ("run=5", "run", ["a table"]),
    ("population={}", "population", ["none"]),
    ("projection={}", "projection", ["[[projection]]"]),
    ("cell.hh.channel.na=5", "cell.hh.channel.na", ["a table"]),
]


@pytest.mark.parametrize(("override", "path", "words"), REFUSED, ids=[case[0] for case in REFUSED])
def test_a_mistake_is_told_with_its_place(override: str, path: str, words: list[str]) -> None:
    found = problems(TEXT, override)
    assert path in found, found
    for word in words:
        assert word in found[path]
    for message in found.values():
        assert "Input should" not in message
        assert "type=" not in message


POISSON = """
[[input]]
target   = "exc"
model    = "poisson"
rate     = "300 Hz"
weight   = "6 nS"
receptor = "exc"
"""

EDITED = [
    ("weight   = \"6 nS\"\n", "", "projection[0].weight", ["is missing"]),
    ('receptor = "exc"\n', "", "projection[0].receptor", ["is missing"]),
    ('v_t   = "-63 mV"\n', "", "cell.hh.channel.na.v_t", ["is missing"]),
    ('area        = "20000 um^2"\n', "", "cell.hh.channel.leak.g_max", ["per area", "has no area"]),
    ("[cell.hh]\n", "[cell.hi]\ncapacitance = '1 pF'\n[cell.hh]\n", "cell.hi.spike", ["is missing"]),
    (
        "[cell.hh]\n",
        "[cell.hi]\ncapacitance = '1 pF'\nspike = {rule = 'peak', threshold = '0 mV'}\n[cell.hh]\n",
        "cell.hi",
        ["no effect", "no population"],
    ),
    (
        "[cell.hh]\n",
        "[cell.hi]\narea = '1 um^2'\ncapacitance = '1 pF'\n[cell.hh]\n",
        "cell.hi.area",
        ["no effect", "per area"],
    ),
    ('"g.exc" =', 'g.exc = "1 nS"\n"g.exc" =', "population.exc.initial.g.exc", ["twice"]),
    ('target   = ["exc", "inh"]\nreceptor = "exc"\nrule     = { pairwise_bernoulli = 0.02 }',
     'target = "inh"\nreceptor = "exc"\nrule = { fixed_outdegree = 5, autapses = false }',
     "projection[0].rule.autapses", ["no effect", "not among the targets"]),
    ("[record]", POISSON + 'start = "5 ms"\nstop = "4 ms"\n[record]', "input[0].stop", ["before start"]),
    ("[record]", POISSON + "nodes = [0, 3201]\n[record]", "input[0].nodes", ["3200 cells"]),
    ("[record]", POISSON.replace('"exc"\nmodel', '"ecx"\nmodel') + "[record]", "input[0].target", ['"exc"']),
    ("[record]", POISSON + 'amplitude = "1 pA"\n[record]', "input[0].amplitude", ["unknown key"]),
    ("[record]", POISSON.replace("poisson", "poison") + "[record]", "input[0].model", ['"poisson"']),
    ("[record]", POISSON.replace("300 Hz", "-3 Hz") + "[record]", "input[0].rate", ["negative"]),
    ("[record]", POISSON.replace("300 Hz", "20 MHz") + "[record]", "input[0].rate", ["2000 spikes", "1000"]),
    ("[[record.trace]]", "[record.trace]", "record.trace", ["a list", "[[record.trace]]"]),
    ("[[record.trace]]", '[[record.trace]]\npopulation = "exc"\nvariable = "v"\n[[record.trace]]',
     "record.trace[1]", ["already", "record.trace[0]"]),
    ('[population.exc]', '[population."a/b"]\n[population.exc]', 'population."a/b"', ['holds a "/"', "HDF5"]),
    ("[cell.hh.channel.k]", "[cell.hh.channel.g]", "cell.hh.channel.g", ["cannot be called"]),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "path", "words"), EDITED, ids=[case[2] for case in EDITED])
def test_a_contradiction_is_told_with_its_place(old: str, new: str, path: str, words: list[str]) -> None:
    found = problems(changed(old, new))
    assert path in found, found
    for word in words:
        assert word in found[path]


def test_all_problems_are_told_at_once_in_the_order_of_the_file() -> None:
    text = (
        TEXT.replace('dt        = "0.1 ms"', "dt = 0.1")
        .replace('model = "leak"', 'model = "leek"')
        .replace("size = 800", "size = -800")
        .replace('source   = "inh"', 'source = "ihn"')
        .replace('variable   = "v"', 'variable = "u"')
    )
    with pytest.raises(ConfigRefused) as refused:
        parse(text, source="my.toml")
    found = refused.value.problems
    assert [problem.path for problem in found] == [
        "run.dt",
        "cell.hh.channel.leak.model",
        "population.inh.size",
        "projection[1].source",
        "record.trace[0].variable",
    ]
    lines = text.splitlines()
    for problem in found:
        assert problem.line is not None
        assert problem.path.rpartition(".")[2] in lines[problem.line - 1]
    assert f"my.toml:{found[0].line}: run.dt: 0.1 has no unit" in str(refused.value)


def test_a_missing_key_is_told_at_its_table() -> None:
    with pytest.raises(ConfigRefused) as refused:
        parse(TEXT.replace('source   = "inh"\n', ""))
    (problem,) = refused.value.problems
    assert problem.path == "projection[1].source"
    assert TEXT.splitlines()[(problem.line or 0) - 1] == "[[projection]]"
    assert TEXT[: TEXT.rindex("[[projection]]")].count("\n") + 1 == problem.line


def test_nothing_is_refused_because_of_another_mistake() -> None:
    assert set(problems(TEXT, "cell.hh.channel.na.model=nonsense")) == {"cell.hh.channel.na.model"}
    assert set(problems(TEXT, "cell.hh.area=5")) == {"cell.hh.area"}
    assert set(problems(TEXT, "population.exc.size=no")) == {"population.exc.size"}
    assert set(problems(TEXT, "population.exc.cell=5")) == {"population.exc.cell"}
    assert set(problems(TEXT, "run.dt=5")) == {"run.dt"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a = \nb = 1", ["not valid TOML"]),
        ("[run]\ndt = 0.1 ms\n", ['stands in quotes: "0.1 ms"']),
        ("[run]\n[run]\n", ["not valid TOML"]),
        ("x = [1, 2", ["not valid TOML"]),
    ],
)
def test_a_text_that_is_no_toml_is_refused(text: str, words: list[str]) -> None:
    (message,) = problems(text).values()
    for word in words:
        assert word in message


def test_an_empty_config_names_all_that_it_lacks() -> None:
    assert set(problems("")) == {"run", "cell", "population"}


def test_a_file_that_cannot_be_read_is_no_mistake_of_the_config(tmp_path: Path) -> None:
    with pytest.raises(FileFailed, match="no such file"):
        load(tmp_path / "none.toml")
    with pytest.raises(FileFailed):
        load(tmp_path)
    (tmp_path / "latin.toml").write_bytes(b"title = '\xe9'")
    with pytest.raises(ConfigRefused, match="not UTF-8"):
        load(tmp_path / "latin.toml")


# What counts as enough candidates


@pytest.mark.parametrize(
    "rule",
    [
        "{fixed_outdegree=4000}",
        "{fixed_outdegree=3999, autapses=false}",
        "{fixed_outdegree=5000, replacement=true}",
        "{fixed_indegree=3200}",
        "all_to_all",
        "{pairwise_bernoulli=1}",
    ],
)
def test_a_rule_may_use_all_candidates(rule: str) -> None:
    parse(TEXT, overrides=[f"projection.0.rule={rule}"])


def test_one_to_one_fits_the_union_of_its_targets() -> None:
    overrides = ["population.inh.size=3200", "projection.0.target=inh", "projection.0.rule=one_to_one"]
    assert parse(TEXT, overrides=overrides).model.projections[0].rule == OneToOne()


# Overrides


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ('run.duration="500 ms"', lambda model: model.run.duration == 500.0),
        ("run.duration=500 ms", lambda model: model.run.duration == 500.0),
        (" run . duration = 500 ms ", lambda model: model.run.duration == 500.0),
        ("run.seed=7", lambda model: model.run.seed == 7),
        ("title=a = b", lambda model: model.title == "a = b"),
        ('projection.0.weight="7 nS"', lambda model: model.projections[0].weight == Constant(7.0)),
        ("projection[1].weight=7 nS", lambda model: model.projections[1].weight == Constant(7.0)),
        ("projection.0.target.1=exc", None),
        ("projection.0.target=exc", lambda model: model.projections[0].targets == ("exc",)),
        (
            "population.exc.initial.g.exc=5 nS",
            lambda model: model.populations["exc"].initial["g.exc"] == Constant(5.0),
        ),
        (
            'population.exc.initial."g.exc".normal.0=50 nS',
            lambda model: model.populations["exc"].initial["g.exc"] == Normal(50.0, 15.0, 0.0),
        ),
        (
            "population.exc.initial.g.exc.normal.1=5 nS",
            lambda model: model.populations["exc"].initial["g.exc"] == Normal(40.0, 5.0, 0.0),
        ),
        (
            "population.exc.initial.na.m=steady",
            lambda model: model.populations["exc"].initial["na.m"] == Steady(),
        ),
        (
            "population.exc.initial.v.normal.0=-60 mV",
            lambda model: model.populations["exc"].initial["v"] == Normal(-60.0, 5.0),
        ),
        ("record.trace.0.nodes.1=20", lambda model: model.traces[0].nodes == (0, 20)),
        ("cell.hh.spike.refractory=2 ms", lambda model: model.cells["hh"].spike.refractory == 2.0),
        ("record.spikes=[]", lambda model: model.record_spikes == ()),
    ],
)
def test_an_override_reaches_its_key(override: str, value) -> None:
    if value is None:
        assert "twice" in str(problems(TEXT, override))
    else:
        assert value(parse(TEXT, overrides=[override]).model)


def test_an_override_may_add_what_the_file_leaves_out() -> None:
    short = TEXT[: TEXT.index("[record]")].replace("seed      = 2007", "")
    model = parse(short, overrides=["run.seed=3", 'record.spikes=["inh"]']).model
    assert (model.run.seed, model.record_spikes) == (3, ("inh",))


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("run.duration", ["KEY.PATH=VALUE"]),
        ("=5", ["KEY.PATH=VALUE"]),
        ("population.exd.size=5", ["unknown population", 'did you mean "exc"']),
        ("cell.hhh.area=5", ["unknown cell", '"hh"']),
        ("cell.hh.channel.nax.g_max=5", ["unknown channel", '"na"']),
        ("projection.2.weight=5 nS", ["no element 2", "2, counted from 0"]),
        ("projection.-1.weight=5 nS", ["number of an element"]),
        ("projection.weight=5 nS", ["is a list"]),
        ("input.0.weight=5 nS", ["not in the file"]),
        ("projection.0.source.x=1", ["no keys inside"]),
    ],
)
def test_an_override_that_names_nothing_is_refused(override: str, words: list[str]) -> None:
    (message,) = problems(TEXT, override).values()
    assert f"--set {override}" in message
    for word in words:
        assert word in message


def test_a_mistake_in_an_override_names_the_option() -> None:
    with pytest.raises(ConfigRefused) as refused:
        load(COBA, ["run.dt=5", "run.durtion=1"], run={"seed": -1})
    found = {problem.path: problem for problem in refused.value.problems}
    assert "--set run.dt=5" in found["run.dt"].message
    assert 'did you mean "duration"' in found["run.durtion"].message
    assert "--seed" in found["run.seed"].message
    assert all(problem.line is None for problem in found.values())


def test_options_win_over_overrides_and_those_over_the_file() -> None:
    run = load(COBA, ["run.seed=1", "run.seed=2", "run.dt=0.05 ms"], run={"seed": 3, "precision": "float32"})
    assert (run.model.run.seed, run.model.run.dt, run.model.run.precision) == (3, 0.05, "float32")
    assert "seed = 3" in run.resolved


JUNK = [
    "5",
    "-1",
    "nan",
    "true",
    '"6 nS"',
    '"x"',
    "[]",
    "{}",
    "[1, 2]",
    '{normal=["1 mV","1 mV"]}',
    "{a={b=1}}",
]
KEYS = sorted(
    path.replace("[", ".").replace("]", "") for path in locate(TEXT) if path not in ("population", "cell")
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(KEYS), st.sampled_from(JUNK)), min_size=1, max_size=3))
def test_whatever_stands_in_a_config_it_is_read_or_refused(changes) -> None:
    message = ""
    try:
        loaded = parse(TEXT, overrides=[f"{path}={value}" for path, value in changes])
    except ConfigRefused as refused:
        message = str(refused)
    else:
        assert parse(loaded.resolved).model == loaded.model
    assert "Input should" not in message


# Lines


def test_lines_are_found_in_every_way_to_write_a_key() -> None:
    text = '''# comment [no.table]
title = """
[not.a.table] = 1
"""
a . "b.c" = 1
list = [ # first
  "x]", # ]
  { k = "}", l = [1, [2,
    3]] },
]
[t.u] # comment
'quoted' = 'it # is'
when = 1979-05-27 07:32:00
[[p]]
x = 1
[p.q]
y = 2
[[p]]
x = 3
[p.q]
y = 4
'''
    lines = locate(text)
    expected = {
        "title": 2, "a": 5, 'a."b.c"': 5, "list": 6, "list[0]": 7, "list[1].k": 8, "list[1].l[1][1]": 9,
        "t.u": 11, "t.u.quoted": 12, "t.u.when": 13, "p[0]": 14, "p[0].x": 15, "p[0].q.y": 17,
        "p[1]": 18, "p[1].x": 19, "p[1].q.y": 21,
    }  # fmt: skip
    assert {key: lines[key] for key in expected} == expected
    assert locate(text.replace("\n", "\r\n")) == lines


# The rest


def test_describe_counts_what_is_to_be_expected() -> None:
    described = describe(load(COBA).model)
    assert described["neurons"] == 4000
    assert described["synapses"] == pytest.approx(320000)
    assert described["populations"]["exc"]["states"] == {
        "v": "mV", "na.m": "1", "na.h": "1", "k.n": "1", "g.exc": "nS", "g.inh": "nS"
    }  # fmt: skip
    assert described["traces"][0]["frames"] == 1000
    counts = {
        "{fixed_outdegree=80}": 80 * 3200,
        "{fixed_indegree=80}": 80 * 4000,
        "all_to_all": 3200 * 4000,
    }
    for rule, count in counts.items():
        model: Model = parse(TEXT, overrides=[f"projection.0.rule={rule}"]).model
        assert describe(model)["projections"][0]["synapses"] == count


def test_a_config_is_refused_without_anything_heavy() -> None:
    code = (
        "import sys, hhsim.config, hhsim.config.advice\n"
        f"hhsim.config.advice.warnings(hhsim.config.load({str(COBA)!r}).model)\n"
        "heavy = {'numba', 'llvmlite', 'h5py', 'matplotlib', 'click'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, cwd=CONFIGS.parent, timeout=60)
