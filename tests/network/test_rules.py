"""A connection rule is two files of one name, and each stage asks it: what each must be able to do."""

from __future__ import annotations

import ast
import dataclasses
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import networks
import pytest
from places import ROOT

from hhsim.circuits.edges import count_synapses
from hhsim.config import parse
from hhsim.config.advice import warnings
from hhsim.config.write import write
from hhsim.errors import ConfigRefused
from hhsim.model import rules as declarations
from hhsim.model.rules import AllToAll, Ends, Rule, all_rules
from hhsim.network import rules as drawings
from hhsim.network.build import expected_synapses, memory_needed
from hhsim.network.rules import InFile, way_of
from hhsim.simulation.estimate.shrinking import shrunk

PACKAGE = ROOT / "hhsim"
CONFIG = (ROOT / "configs" / "coba.toml").read_text()
RULES = list(all_rules().values())
SHARED = {"__init__", "base", "degree"}  # files beside those of the rules

each_rule = pytest.mark.parametrize("rule", RULES, ids=[rule.name for rule in RULES])


@pytest.fixture
def folder(tmp_path) -> Path:
    """Where the files lie that the examples of usage name."""
    (tmp_path / "edges.h5").touch()
    return tmp_path


def config_with(rule: str, folder: Path, *more: str):
    overrides = ["population.inh.size=3200", "projection.0.target=inh", f"projection.0.rule={rule}"]
    return parse(CONFIG, folder=folder, overrides=[*overrides, *more])


def example(rule: type[Rule], folder: Path) -> Rule:
    return config_with(rule.usage, folder).model.projections[0].rule


def test_each_rule_is_two_files_of_its_name() -> None:
    names = set(all_rules())
    assert {path.stem for path in (PACKAGE / "model/rules").glob("*.py")} - SHARED == names
    assert {path.stem for path in (PACKAGE / "network/rules").glob("*.py")} - SHARED == names
    for name, rule in all_rules().items():
        assert rule.__module__ == f"hhsim.model.rules.{name}"
        assert isinstance(import_module(f"hhsim.network.rules.{name}").WAY, drawings.Way)


def test_no_stage_names_a_rule() -> None:
    """What asks a rule cannot forget one; what reads and writes files of edges names the rule of files."""
    names = {rule.__name__ for rule in RULES}
    for path in PACKAGE.rglob("*.py"):
        place = path.relative_to(PACKAGE).as_posix()
        if place.startswith(("model/rules/", "network/rules/")) or place == "model/__init__.py":
            continue
        used = {node.id for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Name)}
        of_files = {"EdgesFromFile"} if place.startswith(("circuits/", "exporting/")) else set()
        assert used & names <= of_files, place


@pytest.mark.parametrize("stage", sorted(Rule.__abstractmethods__))
def test_a_rule_that_forgets_a_stage_cannot_be_made(stage: str) -> None:
    others = {name: getattr(AllToAll, name) for name in Rule.__abstractmethods__ if name != stage}
    with pytest.raises(TypeError, match=stage):
        type("Forgetful", (Rule,), others)()


@each_rule
def test_a_rule_declares_its_keys(rule) -> None:
    fields = {field.name: field for field in dataclasses.fields(rule)}
    assert list(rule.keys)[:1] in ([rule.name], [])
    assert {key.field for key in rule.keys.values()} == set(fields)
    for key in list(rule.keys.values())[1:]:
        may_be_left_out = fields[key.field].default is not dataclasses.MISSING
        assert may_be_left_out != bool(key.missing)
        if key.recurrent:
            assert fields[key.field].default is True
    assert isinstance(rule.drawn, bool)
    assert isinstance(rule.in_file, bool)


@each_rule
def test_a_rule_is_read_and_written_back(rule, folder) -> None:
    model = config_with(rule.usage, folder).model
    assert isinstance(model.projections[0].rule, rule)
    assert parse(write(model)).model == model


@each_rule
def test_what_a_rule_expects_is_drawn(rule, folder) -> None:
    one = example(rule, folder)
    if rule.in_file:
        assert isinstance(way_of(one), InFile)
        assert way_of(one).count is count_synapses
        return
    model = networks.network((300, 300), one, sources=("a",), targets=("b",))
    synapses = networks.synapses_of(model, 2)[0]
    expected = model.expected_synapses(model.projections[0])
    assert len(synapses) == (pytest.approx(expected, rel=0.1) if rule.drawn else expected)


@each_rule
@pytest.mark.parametrize("share", [0.5, 1, 3])
def test_a_resized_rule_keeps_the_synapses_of_a_cell(rule, share, folder) -> None:
    one = example(rule, folder)
    before, after = Ends(1000, 1000, False), Ends(round(1000 * share), round(1000 * share), False)
    new = one.resized(before, after)
    assert bool(new.obstacle) == (rule.in_file or rule is AllToAll)
    if rule.in_file:
        assert new.rule == one
        return
    assert new.rule.expected(after) / after.sources == pytest.approx(one.expected(before) / before.sources)
    assert new.rule.impossible(*after) is None


@pytest.mark.parametrize(
    ("rule", "after"),
    [("{pairwise_bernoulli=0.5}", 20), ("{fixed_outdegree=60}", 20), ("{fixed_indegree=60}", 20)],
)
def test_a_rule_that_finds_too_few_cells_chooses_them_more_than_once(rule, after, folder) -> None:
    one = config_with(rule, folder).model.projections[0].rule
    new = one.resized(Ends(200, 200, True), Ends(after, after, True))
    assert "more than the 20 cells to choose from" in new.obstacle
    assert new.rule.impossible(after, after, True) is None
    assert new.rule.expected(Ends(after, after, True)) / after == one.expected(Ends(200, 200, True)) / 200


def test_sizes_that_were_rounded_apart_still_have_a_source_for_each_target() -> None:
    one = all_rules()["one_to_one"]()
    new = one.resized(Ends(10, 10, False), Ends(3, 4, False))
    assert "3 sources meet 4 targets" in new.obstacle
    assert new.rule.expected(Ends(3, 4, False)) == 4


# A rule of its own

DECLARATION = '''
from dataclasses import dataclass
from hhsim.model.rules.base import Ends, Key, Resized, Rule

@dataclass(frozen=True)
class Halves(Rule):
    """Each cell of the first half of the sources is joined to the target of its number."""

    share: float = 0.5
    name = "halves"
    usage = "{ halves = 0.5 }"
    keys = {"halves": Key("share", "probability")}
    drawn = False
    in_file = False

    def expected(self, ends):
        return ends.sources

    def impossible(self, sources, targets, recurrent):
        return ("halves", "is too many") if self.share > 0.9 else None

    def resized(self, before, after):
        return Resized(self)

    def without_synapses(self):
        return "the half is none" if self.share == 0 else ""
'''
DRAWING = """
from hhsim.network.rules import BySources, Numbers
from hhsim.network.rules.one_to_one import equal_rows

WAY = BySources(lambda rule: Numbers(p=rule.share), equal_rows)
"""


@pytest.fixture
def own_rule(tmp_path, monkeypatch) -> Iterator[SimpleNamespace]:
    """A rule that was added to the folders of the package, as far as imports can tell."""
    for package, text in ((declarations, DECLARATION), (drawings, DRAWING)):
        place = tmp_path / package.__name__
        place.mkdir()
        (place / "halves.py").write_text(text)
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(place)])
    all_rules.cache_clear()
    yield SimpleNamespace(text="{halves=0.25}")
    monkeypatch.undo()
    all_rules.cache_clear()
    for package in (declarations, drawings):
        sys.modules.pop(f"{package.__name__}.halves", None)
        vars(package).pop("halves", None)


def test_a_new_rule_is_two_new_files_and_nothing_else(own_rule, folder) -> None:
    loaded = config_with(own_rule.text, folder)
    model = loaded.model
    rule = model.projections[0].rule
    assert (rule.name, rule.share) == ("halves", 0.25)
    assert parse(write(model)).model == model
    assert expected_synapses(model, 0) == 3200
    assert memory_needed(model, 1) > 0
    assert shrunk(model, 0.1).projections[0].rule == rule
    small = networks.network((30, 30), rule, sources=("a",), targets=("b",))
    assert len(networks.synapses_of(small)[0]) == 30
    none = config_with("{halves=0}", folder).model
    assert any("no synapses: the half is none" in text for text in warnings(none))
    for text, words in (("{halves=0.95}", "is too many"), ("{halfs=0.1}", 'did you mean "halves"')):
        with pytest.raises(ConfigRefused) as refused:
            config_with(text, folder)
        assert words in str(refused.value.problems)
