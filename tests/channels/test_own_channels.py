"""Channel files of users, with every mistake that can be made in one: a line that says where and what.

Each is tried with every command that takes `--channels`; nothing may end in exit code 1 or in a traceback.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hhsim.channels import all_channels, declare_from
from hhsim.channels.checks import formula_of
from hhsim.channels.definition import Declarations
from hhsim.config import parse
from hhsim.errors import ChannelRefused
from hhsim.formulas.evaluate import Formula
from hhsim.formulas.singular import singularity
from hhsim.mathx import exp as _exp
from hhsim.mathx import exprel as _exprel
from hhsim.state.build import initial_values

CONFIG = """
[run]
duration = "1 ms"
seed = 1
[cell.c]
capacitance = "200 pF"
spike = { rule = "crossing", threshold = "0 mV" }
channel.leak = { model = "leak", g_max = "10 nS", e_rev = "-65 mV" }
channel.own = { model = "Own", g_max = "1 uS", e_rev = "-90 mV" }
[population.a]
cell = "c"
size = 2
initial = { v = "-65 mV", "own.m" = "steady" }
"""

HEAD = """from hhsim.channels import Parameter, channel, receptor
from hhsim.mathx import exp, exprel, exprelr
"""


def rates(body: str, arguments: str = "v", gates: str = '{"m": 3}', before: str = "", more: str = "") -> str:
    return (
        f"{HEAD}{before}\n@channel('Own', gates={gates}, source='nobody 2026'{more})\n"
        f"def own({arguments}):\n    {body}\n"
    )


V_T = ', parameters={"v_t": Parameter("mV", "shift", -63.25)}'

# What the file holds, and what its refusal says.
REFUSED = {
    "0/0 at -35 mV": (
        rates("return 0.1 * (v + 35) / (1 - exp(-0.1 * (v + 35))), 1"),
        ["own.py:6: ", '"Own"', "alpha of m", "0/0 at v = -35 mV", "exprelr"],
    ),
    "0/0 between the whole mV": (
        rates("return 1, (v + 40.3) / (exp((v + 40.3) / 9) - 1)"),
        ["beta of m", "v = -40.3 mV", "exprelr"],
    ),
    "0/0 where a parameter says": (
        rates("u = v - v_t\n    return u / (1 - exp(-u / 5)), 1", "v, v_t", more=V_T),
        ["own.py:7", "0/0 at v = -63.25 mV", "cell.c.channel.own"],
    ),
    "0/0 in a helper": (
        rates("return f(v + 50), f(-v)", before="def f(u):\n    return u / (exp(u / 9) - 1)\n"),
        ["own.py:4", "v = -50 mV"],
    ),
    "pole": (rates("return 1 / (v + 55.5), 1"), ["divided by zero at v = -55.5 mV"]),
    "double pole": (rates("return 1 / (v + 55.123) ** 2, 1"), ["divided by zero at v = -55.123 mV"]),
    "infinite": (rates("return exp(v * v * 9) ** 9, 1"), ["infinite at v ="]),
    "not finite anywhere": (rates("return 1e308 * v * v, 1"), ["alpha of m is infinite"]),
    "np.exp": (rates("return np.exp(v), 1", before="import numpy as np"), [":6: ", "np.exp", "hhsim.mathx"]),
    "math.exp": (
        rates("return exp(v), 1", before="from math import exp"),
        ["'exp' is not a function that a kernel can call", "from hhsim.mathx import exp"],
    ),
    "log": (rates("return math.log(v), 1", before="import math"), ["math.log cannot be called"]),
    "fraction as a power": (rates("return v ** 0.5, 1"), ["whole number as exponent"]),
    "undeclared argument": (rates("return v, v_half", "v, v_half"), ['"v_half" is none of its parameters']),
    "one rate too few": (rates("return v"), ["returns 1 number", "its gate m needs 2"]),
    "one rate too many": (rates("return 1, 2, v"), ["own.py:6: ", "returns 3 numbers"]),
    "of two gates": (rates("return 1, 2, v", gates='{"m": 3, "h": 1}'), ["its 2 gates (m, h) need 4"]),
    "no rates at all": (rates("pass"), ["must end with a return"]),
    "no value": (rates("return"), ["a return without a value"]),
    "no number": (rates("return 1, 'x'"), ["is not a number"]),
    "a comparison": (rates("return v > 0, 1"), ["which is no number"]),
    "a list": (rates("return [1, 2]"), ["cannot stand in a kernel"]),
    "complex": (rates("return 1j * v, 1"), ["is not a number"]),
    "no arguments": (rates("return 1, 2", ""), ["needs the potential as first argument"]),
    "unknown name": (rates("return v * SLOPE, 1"), ["'SLOPE'"]),
    "closure": (
        f"{HEAD}def make(k):\n    @channel('Own', gates={{'m': 1}}, source='x 1')\n"
        "    def own(v):\n        return k * v, 1\nmake(2)\n",
        ["k stands in a function around it"],
    ),
    "loop": (rates("while True:\n        v = v + 1\n    return v, 1"), ["own.py:6: ", "`while`"]),
    "for": (rates("for i in range(3):\n        v = v + i\n    return v, 1"), ["`for`"]),
    "try": (rates("try:\n        return v, 1\n    except ValueError:\n        return 1, 1"), ["`try`"]),
    "import within": (rates("import math\n    return v, 1"), ["`import`"]),
    "walrus": (rates("return (u := v), u"), ["cannot stand in a kernel"]),
    "lambda": (rates("f = lambda x: x\n    return f(v), 1"), ["cannot stand in a kernel"]),
    "subscript": (rates("return T[0], 1", before="T = [1, 2]"), ["`T[0]` cannot stand in a kernel"]),
    "floor": (rates("return v // 2, 1"), ["operator"]),
    "keyword": (rates("return exp(x=v), 1"), ["plain arguments"]),
    "endless recursion": (rates("return f(v), 1", before="def f(x):\n    return f(x)\n"), ["calls itself"]),
    "wrong arity": (rates("return exp(v, v), 1"), ["exp takes 1 argument, but is called with 2"]),
    "min of one": (rates("return min(v), 1"), ["min is called with 1"]),
    "default": (rates("return v, v_t", "v, v_t=3", more=V_T), ["default values"]),
    "star": (rates("return v, 1", "v, *a"), ["plain names"]),
    "constant that fails": (rates("return v * (1 / 0), 1"), ["cannot be computed"]),
    "constant without end": (rates("return v * 9 ** 9 ** 9 ** 9, 1"), ["cannot be computed"]),
    "huge constant": (rates(f"return v * {'9' * 400}, 1"), ["cannot be computed"]),
    "huge power": (rates("return v ** 100000, 1"), ["a power of more than"]),
    "NaN": (rates("return v * math.nan, 1", before="import math"), ["NaN"]),
    "generator": (rates("yield v"), ["cannot stand in a kernel"]),
    "async": (rates("return 1, 2").replace("def own", "async def own"), ["made by `def`"]),
    "unbound": (rates("if v > 0:\n        u = 1.0\n    return u, 1"), ["cannot be computed at"]),
    "a lambda": (
        f"{HEAD}channel('Own', gates={{'m': 1}}, source='x')(lambda v: (1, 2))\n",
        ["made by `def`"],
    ),
    "a class": (f"{HEAD}channel('Own', gates={{'m': 1}}, source='x')(dict)\n", ["made by `def`"]),
    "a number": (f"{HEAD}channel('Own', gates={{'m': 1}}, source='x')(3)\n", ["made by `def`"]),
    "wrapped": (
        rates("return v, 1", before="import functools").replace("def own", "@functools.cache\ndef own"),
        ["made by `def`"],
    ),
    "exec": (
        f"{HEAD}exec(\"@channel('Own', gates={{'m': 1}}, source='x')\\ndef own(v): return v, 1\")\n",
        ["its text cannot be read"],
    ),
    "no gates": (f"{HEAD}@channel('Own', source='x')\ndef own(v):\n    return v, 1\n", ["gates", "own.py:3"]),
    "gates of another type": (rates("return v, 1", gates="['m']"), ["own.py:4: "]),
    "gate without a name": (rates("return v, 1", gates='{"a b": 1}'), ["a b is no name for a gate"]),
    "power of a gate": (rates("return v, 1", gates='{"m": 1.5}'), ["whole power"]),
    "power zero": (rates("return v, 1", gates='{"m": 0}'), ["whole power"]),
    "no name": (rates("return v, 1").replace("'Own'", "3"), ["is no name for a model"]),
    "quotes in the name": (rates("return v, 1").replace("'Own'", '\'"""\''), ["is no name for a model"]),
    "unhashable name": (rates("return v, 1").replace("'Own'", "[]"), ["TypeError"]),
    "twice": (rates("return v, 1") + rates("return v, 2"), ["declared twice", "own.py:10"]),
    "name of ours": (rates("return v, 1").replace("'Own'", "'leak'"), ["declared twice"]),
    "no parameter": (rates("return v, v_t", "v, v_t", more=', parameters={"v_t": "mV"}'), ["Parameter(unit"]),
    "default that is no number": (
        rates("return v, v_t", "v, v_t", more=', parameters={"v_t": Parameter("mV", "x", "-60 mV")}'),
        ['default of parameter "v_t"'],
    ),
    "infinite default": (
        rates("return v, v_t", "v, v_t", more=', parameters={"v_t": Parameter("mV", "x", float("inf"))}'),
        ['default of parameter "v_t"'],
    ),
    "unknown unit": (
        rates("return v, k", "v, k", more=', parameters={"k": Parameter("bananas", "x", 1.0)}'),
        ['parameter "k"', "bananas"],
    ),
    "other unit of g_max": (
        rates("return v, 1", more=', parameters={"g_max": Parameter("uS", "x")}'),
        ['the unit of "g_max" is nS'],
    ),
    "gate and parameter": (
        rates("return v, m", "v, m", more=', parameters={"m": Parameter("mV", "x", 1.0)}'),
        ["both a gate and a parameter"],
    ),
    "differs from its text": (
        rates("return 5 * v, 1") + "own.__code__ = own.__code__.replace(co_consts=(None, 6, 1))\n",
        ["its text and its results differ at -131.7 mV: -658.5, 1 and -790.2, 1"],
    ),
    "syntax": ("def f(:\n", ["own.py:1: ", "SyntaxError"]),
    "indentation": ("x = 1\n  y = 2\n", ["own.py:2: ", "IndentationError"]),
    "import": ("import no_such_package\n", ["own.py:1: ", "ModuleNotFoundError"]),
    "exit": ("import sys\nsys.exit(0)\n", ["own.py:2: ", "SystemExit"]),
    "interrupt": ("raise KeyboardInterrupt\n", ["own.py:1: ", "KeyboardInterrupt"]),
    "generator exit": ("raise GeneratorExit\n", ["own.py:1: ", "GeneratorExit"]),
    "recursion": ("def f():\n    f()\nf()\n", ["own.py:2: ", "RecursionError"]),
    "error without words": (
        "class E(Exception):\n    def __str__(self):\n        raise E\nraise E\n",
        ["own.py:4: ", "cannot be executed (E)"],
    ),
    "many lines": ("raise ValueError('a\\n\\n' * 500)\n", ["own.py:1: "]),
    "not UTF-8": (b"x = '\xff'\n", ["SyntaxError"]),
    "NUL": (b"x = 1\0\n", ["own.py"]),
    "unknown coding": (b"# coding: klingon\n", ["SyntaxError"]),
    "deep": (b"x = " + b"(" * 500 + b")" * 500, ["own.py"]),
    "deep formula": (rates("return " + "-" * 900 + "v, 1"), ["own.py"]),
    "deeper formula": (rates("return " + "-(" * 150 + "v" + ")" * 150 + " + 0 * v / 0 * 1, 1"), ["own.py"]),
    "long sum": (rates("return " + " + ".join(["v"] * 3000) + ", 1"), ["own.py"]),
    "surrogate": (rates("return v, 1").replace("'Own'", "'\\udc80'"), ["is no name for a model"]),
}


@pytest.fixture(autouse=True)
def _declared_for_one_test_alone():
    known = [(registry, dict(registry)) for registry in Declarations.registries]
    yield
    for registry, before in known:
        registry.clear()
        registry.update(before)


COMMANDS = {
    "validate": ["validate", "c.toml"],
    "run": ["run", "c.toml", "-q"],
    "dry run": ["run", "c.toml", "--dry-run"],
    "kernel": ["kernel", "c.toml"],
    "export": ["export", "c.toml", "-o", "exported"],
    "bench": ["bench", "c.toml"],
    "resume": ["run", "c.toml", "-q", "--resume"],
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_mistake_in_a_channel_file_is_told_with_its_place(command, name) -> None:
    content, words = REFUSED[name]
    Path("c.toml").write_text(CONFIG)
    Path("own.py").write_bytes(content if isinstance(content, bytes) else content.encode())
    told = set()
    for arguments in COMMANDS.values():
        result = command(*arguments, "--channels", "own.py")
        assert (result.code, result.out) == (3, ""), (arguments, result.err)
        told.add(result.err)
    assert len(told) == 1
    (text,) = told
    assert text.startswith("hhsim: own.py")
    assert text.count("\n") == 1
    for word in words:
        assert word in text
    assert sorted(each.name for each in Path().iterdir()) == ["c.toml", "own.py"]


def test_a_file_that_is_none_is_refused_by_its_name(command) -> None:
    Path("c.toml").write_text(CONFIG)
    Path("folder.py").mkdir()
    for name, words in (
        ("nowhere.py", "no such file"),
        ("folder.py", "is a folder"),
        ("/dev/zero", "is a device, not a file"),
    ):
        for arguments in COMMANDS.values():
            result = command(*arguments, "--channels", name)
            assert (result.code, result.out) == (5, ""), result.err
            assert words in result.err


def declare(text: str, name: str = "own.py") -> None:
    Path(name).write_text(text)
    declare_from(name)


def test_a_file_is_declared_again_and_replaces_what_it_declared(command) -> None:
    """The same size in the same second: Python itself would take what it had compiled before."""
    Path("c.toml").write_text(CONFIG)
    for factor in ("0.25", "0.75"):
        Path("own.py").write_text(rates(f"return {factor}, 1"))
        for _ in range(2):
            result = command("kernel", "c.toml", "--channels", "own.py", "--channels", "own.py")
            assert result.code == 0, result.err
            assert f"return ({factor}, 1.0)" in result.out
    assert not Path("__pycache__").exists()


def test_what_follows_a_line_break_in_a_docstring_is_no_code(command) -> None:
    Path("c.toml").write_text(CONFIG)
    body = '"""One\\rtwo\\x0cthree\\u2028four \\udc80"""\n    return v, 1'
    Path("own.py").write_text(rates(body))
    result = command("kernel", "c.toml", "--channels", "own.py")
    assert result.code == 0, result.err
    assert "# One two three" in result.out
    compile(result.out, "kernel", "exec")


# Names that hhsim uses itself mean in a user's file what they mean there.
NAMES = """
PHI = 3.0
TINY = 0.125
LN2 = 2.0


def scale(x, factor, more):
    return x * factor + more


def real(x):
    return x - 1


def max(a):
    return a * PHI


@channel("Own", gates={"m": 1}, source="nobody 2026", parameters={"real_": Parameter("1", "x", 2.0)})
def own(v, real_):
    index = 1
    exprel = scale(v, TINY, LN2)
    min = real(exprel) + index
    min += real_
    lane: float = max(min)
    return lane, 1 + 0 * exp(v)
"""


def test_the_names_of_a_file_are_its_own(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    declare(HEAD + NAMES)
    formula = formula_of(all_channels()["Own"])
    assert formula(-16.0, 2.0) == ((-16 * 0.125 + 2 - 1 + 1 + 2) * 3, 1.0)


GUARDED = {
    "chosen": "x = (v + 40.3) / 9\n    return (x / (exp(x) - 1) if abs(x) > 1e-3 else 1 - x / 2), 1",
    "chosen at the end": (
        "x = (v + 40.3) / 9\n    q = x / (exp(x) - 1)\n    return (q if abs(x) > 1e-3 else 1 - x / 2), 1"
    ),
    "by a statement": (
        "x = (v + 40.3) / 9\n    if abs(x) > 1e-3:\n        return x / (exp(x) - 1), 1\n"
        "    else:\n        return 1 - x / 2, 1"
    ),
    "exprelr": "return exprelr((v + 40.3) / 9), 1",
    "exprel": "return 1 / exprel((v + 40.3) / 9), 1",
}


@pytest.mark.parametrize("how", GUARDED)
def test_a_singularity_that_is_taken_care_of_runs_to_the_limit(command, how) -> None:
    text = CONFIG.replace('-65 mV", "own.m', '-40.3 mV", "own.m')
    Path("c.toml").write_text(text)
    Path("own.py").write_text(rates(GUARDED[how]))
    assert command("validate", "c.toml", "--channels", "own.py").code == 0
    model = parse(text).model
    population = model.populations["a"]
    assert initial_values(model, population)["own.m"] == pytest.approx(np.full(2, 0.5), abs=1e-12)
    formula = formula_of(all_channels()["Own"])
    for v in (-40.3, -40.3 + 1e-12, -40.299, -40.2, 0.0):
        x = (v + 40.3) / 9
        limit = x / np.expm1(x) if x else 1.0
        assert formula(v)[0] == pytest.approx(limit, rel=1e-6)


@pytest.mark.parametrize("v", [-177.7, -65.0, -1e-9, 0.0, 33.3333, 199.999])
@pytest.mark.parametrize("k", [0.5, 9.0, 80.0])
@pytest.mark.parametrize("form", ["u / (exp(u / k) - 1)", "u / (1 - exp(-u / k))", "1 / u", "1 / u ** 2"])
def test_a_zero_of_a_denominator_is_found_wherever_it_lies(tmp_path, monkeypatch, v, k, form) -> None:
    monkeypatch.chdir(tmp_path)
    parameters = ', parameters={"v_t": Parameter("mV", "x", 300.0), "k": Parameter("mV", "x", 9.0)}'
    declare(rates(f"u = v - v_t\n    return 1, {form}", "v, v_t, k", more=parameters))
    found = singularity(formula_of(all_channels()["Own"]), [v, k], -200.0, 200.0)
    assert found is not None
    assert found.v == pytest.approx(v, abs=1e-6)
    assert (found.results, found.removable) == ((1,), form.startswith("u"))
    assert found.division.text.replace("**", "").replace(" ", "") == form.replace("**", "").replace(" ", "")


def test_a_denominator_that_jumps_or_only_comes_near_zero_is_none(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    declare(rates("return 1 / (0.1 + (v + 40) ** 2), 1 / (1 if v > -40.3 else -1)"))
    assert singularity(formula_of(all_channels()["Own"]), [], -200.0, 200.0) is None


def test_formulas_never_raise() -> None:
    names = {"x": (0.0, -0.0, 1e308, -1e308, float("inf"), float("-inf"), float("nan"), 1e-320)}
    for function in (quotient, power, exponential):
        formula = Formula(function)
        for x in names["x"]:
            for y in names["x"]:
                assert isinstance(formula(x, y)[0], float)


def quotient(x, y):
    return x / y + (x * y) / (x - y)


def power(x, y):
    return x**99 + y**50 * x**3


def exponential(x, y):
    return _exp(x) * _exp(-y) + _exprel(x * y)


def test_steady_gates_without_a_value_are_refused_before_any_work(command) -> None:
    Path("own.py").write_text(rates("return 0 * v, 0 * v"))
    Path("c.toml").write_text(CONFIG)
    for arguments in COMMANDS.values():
        result = command(*arguments, "--channels", "own.py")
        assert result.code == 3
        assert '"own.m" has no steady value at v = -65 mV' in result.err
    Path("c.toml").write_text(CONFIG.replace('v = "-65 mV"', 'v = { uniform = ["-65 mV", "-60 mV"] }'))
    result = command("run", "c.toml", "-q", "--channels", "own.py")
    assert result.code == 3
    assert '"own.m" has no steady value at v = -6' in result.err
    assert not Path("out.h5").exists()


RECEPTOR = """
@receptor("Falls", parameters={"tau": Parameter("ms", "time")}, source="nobody 2026")
def falls(dt, tau):
    return BODY
"""


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("exp(-dt) / (tau - 3)", "its decay in 0.1 ms is inf"),
        ("1 - dt / (tau / 100)", "its decay in 0.1 ms is -2.33333"),
        ("exp(dt, tau)", "exp takes 1 argument"),
        ("dt, tau", "returns 2 numbers instead of one"),
        ("np.exp(-dt)", "np.exp cannot be called"),
        ("exp(-dt / k)", "'k' is not a number"),
    ],
)
def test_a_receptor_of_ones_own_is_looked_at_in_the_same_way(command, body, words) -> None:
    receptor = 'receptor.exc = { model = "Falls", tau = "3 ms", e_rev = "0 mV" }\n'
    own = 'channel.own = { model = "Own", g_max = "1 uS", e_rev = "-90 mV" }\n'
    Path("c.toml").write_text(CONFIG.replace(own, receptor).replace(', "own.m" = "steady"', ""))
    Path("own.py").write_text(HEAD + RECEPTOR.replace("BODY", body))
    result = command("validate", "c.toml", "--channels", "own.py")
    assert result.code == 3, result.err
    assert words in result.err, result.err
    assert 'receptor "Falls"' in result.err


def test_a_declaration_without_a_file_is_looked_at_when_a_config_names_it(tmp_path, monkeypatch) -> None:
    """As in a notebook, with the decorator alone."""
    from hhsim.channels import channel

    monkeypatch.chdir(tmp_path)
    channel("Own", gates={"m": 1}, source="nobody 2026")(textbook)
    with pytest.raises(ChannelRefused, match=r"test_own_channels.py:\d+: .*v = -41 mV"):
        parse(CONFIG)


def test_a_file_that_fails_declares_nothing_and_takes_nothing_away(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    declare(rates("return v, 1"))
    before = dict(all_channels())
    with pytest.raises(ChannelRefused, match=r"own\.py:8: cannot be executed"):
        declare(rates("return v, 1").replace("Own", "Other") + "\n1 / 0\n".replace("\n\n", "\n"))
    assert dict(all_channels()) == before


def textbook(v):
    return (v + 41) / (_exp(v / 7 + 41 / 7) - 1), 1
