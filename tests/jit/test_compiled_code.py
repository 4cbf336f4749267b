"""Compiled code on disk: what its key depends on, who may use it, who compiles it, and when it goes."""

from __future__ import annotations

import ast
import builtins
import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hhsim.jit import compiling, keys
from hhsim.jit.compiling import Compiling, Turn
from hhsim.system import folders, trust

PACKAGE = keys.PACKAGE
DECORATORS = {"kernel", "kernel_parallel", "compiled", "compiled_parallel", "compiled_inline", "inline"}
BUILTINS = {*dir(builtins)}


def decorated(tree: ast.Module) -> list[ast.FunctionDef]:
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        and any(isinstance(each, ast.Name) and each.id in DECORATORS for each in node.decorator_list)
    ]


def names_in(function: ast.FunctionDef) -> set[str]:
    """The names that the body of a function reads, and not the annotations of its arguments."""
    return {
        node.id
        for statement in function.body
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.stem)
def test_what_compiled_functions_name_stands_in_files_of_the_key(path: Path) -> None:
    tree = ast.parse(path.read_text())
    functions = decorated(tree)
    name = path.relative_to(PACKAGE).as_posix()
    if not functions or name.startswith(("bench/", "kernels/cuda/", "kernels/render/")):
        return
    assert name in keys.COMPILED_FILES
    used = set().union(*map(names_in, functions))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("hhsim"):
            origin = node.module.removeprefix("hhsim.").replace(".", "/") + ".py"
            for each in node.names:
                if (each.asname or each.name) in used:
                    assert origin in keys.COMPILED_FILES, f"{name} names {each.name} of {origin}"


def test_all_files_of_the_key_are_there() -> None:
    for name in keys.COMPILED_FILES:
        assert (PACKAGE / name).is_file()
    assert len({*keys.COMPILED_FILES}) == len(keys.COMPILED_FILES)


MODULE = '''"""What it is for."""
X = 1


def f(x):
    """Twice."""
    return 2 * x  # a remark
'''


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("What it is for", "Another word", True),
        ('    """Twice."""\n', "", True),
        ("  # a remark", "", True),
        ("X = 1", "\n\nX = 1", True),
        ("2 * x", "x * 2", False),
        ("X = 1", "X = 2", False),
        ("f(x)", "f(x, y=1)", False),
    ],
)
def test_a_key_is_of_what_sources_do(old: str, new: str, same: bool) -> None:
    assert old in MODULE
    assert (keys.meaning(MODULE) == keys.meaning(MODULE.replace(old, new))) == same


def test_a_remembered_key_is_the_one_that_is_found_afresh(tmp_path: Path, monkeypatch) -> None:
    fresh = keys.compiled_key()
    assert keys.compiled_key(tmp_path / "keys") == fresh == keys.compiled_key(tmp_path / "keys")
    (known,) = (tmp_path / "keys").iterdir()
    assert known.read_text().split()[0] == fresh
    known.write_text("damaged")
    assert keys.compiled_key(tmp_path / "keys") == fresh
    monkeypatch.setattr(keys, "compilers", lambda: "3.11 0.1 0.2 2.0")
    assert keys.compiled_key(tmp_path / "keys") != fresh


def test_what_compiles_is_part_of_the_key() -> None:
    import llvmlite
    import numba
    import numpy as np

    assert {numba.__version__, llvmlite.__version__, np.__version__} <= {*keys.compilers().split()}


# Old folders


def folder_of(base: Path, digit: str, age_s: float) -> Path:
    folder = base / (digit * 16)
    folder.mkdir()
    (folder / "code").write_text("x")
    mark = folder / folders.USED
    mark.touch()
    os.utime(mark, (time.time() - age_s,) * 2)
    return folder


def test_old_folders_go_and_no_others(tmp_path: Path) -> None:
    old, young = folder_of(tmp_path, "a", folders.OLD_S + 60), folder_of(tmp_path, "b", folders.OLD_S - 60)
    own = tmp_path / "mine"
    own.mkdir()
    os.utime(own, (0, 0))
    assert folders.sweep(tmp_path) == [old]
    assert sorted(tmp_path.iterdir()) == [young, own]


def test_a_folder_that_a_process_holds_stays(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "c", folders.OLD_S + 60)
    with (folder / folders.USED).open() as mark:
        fcntl.flock(mark, fcntl.LOCK_SH)
        assert folders.sweep(tmp_path) == []
        assert (folder / "code").exists()
    assert folders.sweep(tmp_path) == [folder]


def test_who_starts_makes_its_folder_young(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(folders, "_held", {})
    folder = folder_of(tmp_path, "d", folders.OLD_S + 60)
    folders.hold(folder)
    assert folders.sweep(tmp_path) == []
    assert folders.sweep(tmp_path, time.time() + 2 * folders.OLD_S) == []  # held
    os.close(folders._held.pop(folder))
    assert folders.sweep(tmp_path, time.time() + 2 * folders.OLD_S) == [folder]


# Whose turn it is

HOLDER = """
import fcntl, sys
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, tmp_path / "turn"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.communicate()


def step_0() -> None:
    """Stands for the step of a cell type."""


def test_the_second_waits_for_the_first_and_says_so(holder, tmp_path: Path, monkeypatch) -> None:
    told: list[Compiling] = []

    def listen(news: Compiling) -> None:
        told.append(news)
        holder.kill()  # a process that dies gives its turn away

    turn = Turn()
    with compiling.listening(listen):
        assert turn.begin(tmp_path, step_0)
    assert [each.elsewhere for each in told] == [True]
    assert told[0].what.startswith("the step of Compiled code on disk")
    assert told[0].about_s > 0
    assert not turn.begin(tmp_path, step_0)  # within: the turn is taken already
    turn.end()
    assert not other_can_lock(tmp_path)
    turn.end()
    assert other_can_lock(tmp_path)


def other_can_lock(folder: Path) -> bool:
    with (folder / "turn").open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def test_patience_ends(holder, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(compiling, "PATIENCE_S", 0.1)
    turn = Turn()
    assert turn.begin(tmp_path, step_0)
    assert holder.poll() is None
    turn.end()


CODE = """
import sys
from hhsim.jit import compiling, options
options.kernel
told = []
from hhsim.network.random import Purpose, draw_values
from hhsim.model import Uniform
with compiling.listening(told.append):
    print(draw_values(1, Purpose.WEIGHT, 2, Uniform(0.0, 1.0), 0, 2).tolist())
print(sorted({each.what for each in told if not each.elsewhere}))
print(hhsim.__file__ if "hhsim" in globals() else sys.modules["hhsim"].__file__)
"""


def test_two_installs_share_what_is_compiled(tmp_path: Path) -> None:
    """The second finds what the first has compiled, though its files lie elsewhere and have other remarks."""
    import shutil

    answers = []
    for name in ("one", "two"):
        shutil.copytree(PACKAGE, tmp_path / name / "hhsim", ignore=shutil.ignore_patterns("__pycache__"))
        if name == "two":
            path = tmp_path / name / "hhsim" / "network" / "random.py"
            path.write_text("# a remark\n\n" + path.read_text())
        done = subprocess.run(
            [sys.executable, "-c", CODE],
            cwd=tmp_path / name,
            env={
                **os.environ,
                "HHSIM_CACHE_DIR": str(tmp_path / "cache"),
                "PYTHONPATH": str(tmp_path / name),
            },
            capture_output=True,
            text=True,
            check=True,
        )
        answers.append(done.stdout.splitlines())
    assert answers[0][0] == answers[1][0]
    assert answers[0][1] == f"[{compiling.NETWORK[0]!r}]"
    assert answers[1][1] == "[]"
    assert answers[0][2] != answers[1][2]


# Where others can write


def test_a_key_that_another_could_have_remembered_is_found_afresh(tmp_path: Path) -> None:
    memory = tmp_path / "keys"
    fresh = keys.compiled_key(memory)
    (known,) = memory.iterdir()
    wrong = "0" * len(fresh)
    known.write_text(f"{wrong} {keys._check(known.name, wrong)}")
    assert keys.compiled_key(memory) == wrong  # one's own memory is believed: what follows is for this reason
    memory.chmod(0o777)
    assert keys.compiled_key(memory) == fresh
    assert known.read_text().startswith(wrong)  # nor is anything written there
    memory.chmod(0o700)
    known.chmod(0o666)
    assert keys.compiled_key(memory) == fresh


def test_an_old_folder_where_others_can_write_is_left_alone(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "e", folders.OLD_S + 60)
    (tmp_path / "mine").write_text("kept")
    (folder / "link").symlink_to(tmp_path / "mine")
    assert folders.sweep(tmp_path) == []
    (folder / "link").unlink()
    folder.chmod(0o777)
    assert folders.sweep(tmp_path) == []
    folder.chmod(0o755)
    assert folders.sweep(tmp_path) == [folder]


def test_all_that_a_run_leaves_in_an_empty_cache_is_its_users_alone_whatever_the_umask(
    tmp_path: Path,
) -> None:
    environment = {**os.environ, "HHSIM_CACHE_DIR": str(tmp_path / "cache")}
    environment["PYTHONPATH"] = str(PACKAGE.parent)
    environment.pop(trust.GROUP, None)
    program = [sys.executable, "-c", "import os; os.umask(0)\n" + CODE]
    for compiled in (f"[{compiling.NETWORK[0]!r}]", "[]"):
        done = subprocess.run(
            program, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
        )
        assert "not trusted" not in done.stderr
        assert done.stdout.splitlines()[1] == compiled
        made = [tmp_path / "cache", *(tmp_path / "cache").rglob("*")]
        assert {"keys", "numba", "turn", folders.USED, "lock"} <= {path.name for path in made}
        assert [path for path in made if path.stat().st_mode & trust.OTHERS_WRITE] == []
