"""The order of the house: which room may know which, and who may know the outside."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hhsim.channels import all_channels, all_receptors
from hhsim.config import units

PACKAGE = Path(__file__).parents[1] / "hhsim"
TESTS = Path(__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

# From the ground up: a room imports only from those before it, even inside its functions.
ROOMS = [
    "errors",
    "plainfile",
    "scarcity",
    "hdf5",
    "launching",
    "standard",
    "stopping",
    "trust",
    "keys",
    "folders",
    "compiling",
    "cache",
    "jit",
    "intrinsics",
    "structs",
    "mathx",
    "formulas",
    "model",
    "random",
    "channels",
    "methods",
    "cell",
    "config",
    "network",
    "state",
    "arrivals",
    "inputs",
    "samples",
    "backends",
    "rendering",
    "recording",
    "analysis",
    "plotting",
    "exchange",
    "engines",
    "simulation",
    "guarding",
    "machine",
    "checkpoint",
    "advice",
    "memory",
    "running",
    "bench",
    "estimating",
    "interchange",
    "exporting",
    "inspecting",
    "comparing",
    "report",
    "commands",
    "cli",
]

# Who may import what from outside, or `*`; the standard library is free.
MAY_IMPORT = {
    "numpy": {"*"},
    "numba": {"keys", "cache", "jit", "intrinsics", "structs", "backends"},
    "llvmlite": {"keys", "jit", "intrinsics", "structs", "backends"},
    "cuda": {"backends"},
    "h5py": {"hdf5", "recording", "network", "state", "interchange"},
    "pint": {"config"},
    "pydantic": {"config"},
    "pydantic_core": {"config"},
    "click": {"cli", "commands", "report"},
    "rich": {"report"},
    "neo": {"recording", "interchange"},
    "quantities": {"recording"},
    "nixio": {"interchange"},
    "pynwb": {"interchange"},
    "hdmf": {"interchange"},
    "mpi4py": {"exchange"},
    "matplotlib": {"plotting"},
}

# Rooms that answer at once, and hence know nothing of arrays.
LIGHT = {
    "errors",
    "plainfile",
    "launching",
    "standard",
    "stopping",
    "model",
    "channels",
    "methods",
    "cell",
    "config",
    "advice",
    "report",
    "commands",
    "cli",
}

# Rooms with kernels of their own that call no function of another file: for those, Numba's own look at the
# file is enough.
STANDS_ALONE = {"bench"}

MOST_LINES = 350

module = pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[str]:
    """The full names of all that a module imports, wherever it does; those for type checkers, too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            assert node.module is not None
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_every_room_has_its_place() -> None:
    assert {room_of(path) for path in MODULES} == {*ROOMS, "__init__"}


@module
def test_rooms_import_only_from_those_below(path: Path) -> None:
    room = room_of(path)
    if room == "__init__":
        return
    allowed = {*ROOMS[: ROOMS.index(room) + 1], "__version__"}
    known = {name.split(".")[1] for name in imports(path) if name.startswith("hhsim.")}
    assert known <= allowed


@module
def test_only_those_who_may_import_from_outside(path: Path) -> None:
    for name in {name.split(".")[0] for name in imports(path)} - sys.stdlib_module_names - {"hhsim"}:
        assert MAY_IMPORT[name] & {room_of(path), "*"}, name
        assert name != "numpy" or room_of(path) not in LIGHT


@module
def test_modules_fit_a_few_screens(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MOST_LINES


@module
def test_every_module_says_what_it_is_for(path: Path) -> None:
    text = path.read_text()
    assert not text or ast.get_docstring(ast.parse(text))


@module
def test_numba_is_configured_in_one_place(path: Path) -> None:
    if room_of(path) == "jit":
        return
    text = path.read_text()
    for word in ("njit", "fastmath", "numba.config", "set_num_threads", "error_model"):
        assert word not in text


def test_the_bits_are_keyed_by_all_that_is_compiled() -> None:
    """Nothing that a compiled function could name stands outside the rooms whose syntax is in the key."""
    from hhsim import keys

    keyed = {*keys.DECIDING_ROOMS}
    assert keyed <= {*ROOMS}
    for path in MODULES:
        names = {name for name in imports(path) if name.startswith("hhsim.")}
        if room_of(path) not in keyed:
            assert room_of(path) in STANDS_ALONE or not any(name.startswith("hhsim.jit.") for name in names)


def test_backends_do_not_know_each_other() -> None:
    for path in (PACKAGE / "backends").rglob("*.py"):
        ours = path.parent.name == "cuda"
        for name in imports(path):
            if name.startswith("hhsim.backends."):
                assert name.startswith("hhsim.backends.cuda.") == ours, f"{path}: {name}"


def test_only_its_backend_knows_cuda() -> None:
    """What a default install lacks is imported nowhere else, and there only when a device is asked for."""
    for path in MODULES:
        if path.parent.name != "cuda":
            assert not [name for name in imports(path) if name.startswith(("numba.cuda", "cuda."))]
        if path.parent.name != "cuda" and path.name != "cuda.py":
            body = ast.parse(path.read_text()).body
            top = {node.module for node in body if isinstance(node, ast.ImportFrom)}
            plain = {"hhsim.backends.cuda", "hhsim.backends.cuda.tables"}  # they import nothing of it
            assert not {name for name in top if name and ".cuda" in name} - plain, path


def test_a_channel_knows_only_its_definition_and_mathx() -> None:
    for path in (PACKAGE / "channels").glob("*.py"):
        if path.stem not in ("__init__", "definition", "checks", "files"):
            known = {name.rsplit(".", 1)[0] for name in imports(path) if name.startswith("hhsim.")}
            assert known <= {"hhsim.channels.definition", "hhsim.mathx"}


@pytest.mark.parametrize(
    "model", [*all_channels().values(), *all_receptors().values()], ids=lambda model: model.name
)
def test_every_model_has_a_source_a_meaning_and_units(model) -> None:
    assert any(character.isdigit() for character in model.source), "a source has a year"
    assert model.meaning
    assert {"e_rev"} <= model.parameters.keys()
    for parameter in model.parameters.values():
        assert parameter.meaning
        assert units.read(f"1 {parameter.unit}", parameter.unit) == (1, False)


def loaded_after(arguments: list[str]) -> set[str]:
    """The packages from outside that a command has imported at its end."""
    code = (
        # Some packages load a module of theirs into every interpreter.
        f"import sys; before = set(sys.modules); from hhsim.cli import main; main({arguments!r}); "
        "print('\\n' + ' '.join({name.split('.')[0] for name in set(sys.modules) - before}))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=TESTS.parent, timeout=60
    )
    return set(run.stdout.splitlines()[-1].split()) & {*MAY_IMPORT, "matplotlib", "scipy"}


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["run", "--help"], ["run"]], ids=" ".join)
def test_help_imports_click_alone(arguments) -> None:
    assert loaded_after(arguments) == {"click"}


def test_validation_needs_neither_numba_nor_h5py() -> None:
    assert not loaded_after(["validate", "configs/coba.toml"]) & {"numba", "llvmlite", "h5py", "matplotlib"}


def test_the_package_itself_imports_nothing() -> None:
    code = "import sys; before = set(sys.modules); import hhsim; print(*(set(sys.modules) - before))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert {name.split(".")[0] for name in run.stdout.split()} - sys.stdlib_module_names == {"hhsim"}
