"""The order of the house: which room may know which, and who may know the outside."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from places import ROOT, TESTS

from hhsim import errors
from hhsim.channels import all_channels, all_receptors
from hhsim.jit import keys
from hhsim.model import units

PACKAGE = ROOT / "hhsim"

MODULES = sorted(PACKAGE.rglob("*.py"))

# From the ground up: a room imports only from those before it, even inside its functions.
ROOMS = [
    "errors",
    "system",
    "mathx",
    "model",
    "formulas",
    "channels",
    "circuits",
    "config",
    "jit",
    "network",
    "state",
    "inputs",
    "kernels",
    "recording",
    "analysis",
    "plotting",
    "engines",
    "simulation",
    "bench",
    "exporting",
    "comparing",
    "report",
    "commands",
    "cli",
]
MOST_ROOMS = 24

# Who may import what from outside, or `*`; the standard library is free.
MAY_IMPORT = {
    "numpy": {"*"},
    "numba": {"jit", "kernels"},
    "llvmlite": {"jit", "kernels"},
    "cuda": {"kernels"},
    "h5py": {"system", "circuits", "recording", "state", "exporting"},
    "pint": {"model"},
    "pydantic": {"config"},
    "pydantic_core": {"config"},
    "click": {"cli", "commands", "report"},
    "rich": {"report"},
    "neo": {"recording", "exporting"},
    "quantities": {"recording"},
    "nixio": {"exporting"},
    "pynwb": {"exporting"},
    "hdmf": {"exporting"},
    "mpi4py": {"engines"},
    "matplotlib": {"plotting"},
}

# Rooms that answer at once, and hence know nothing of arrays.
LIGHT = {"errors", "system", "model", "channels", "config", "report", "commands", "cli"}
ARRAYS_IN_LIGHT = {"system/hdf5.py"}  # what reads the arrays of others

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
    assert len(ROOMS) <= MOST_ROOMS


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
        if name in ("numpy", "h5py") and room_of(path) in LIGHT:
            assert path.relative_to(PACKAGE).as_posix() in ARRAYS_IN_LIGHT


@module
def test_error_types_stand_in_their_room(path: Path) -> None:
    if room_of(path) == "errors":
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ClassDef):
            bases = {base.id for base in node.bases if isinstance(base, ast.Name)}
            assert not bases & {name for name in vars(errors) if name[0].isupper()}, node.name


def test_every_error_has_one_exit_code() -> None:
    """Or says it itself; one that is added and forgotten in the table would be called a mistake of hhsim."""
    by_itself = (errors.HhsimError, errors.FailedElsewhere, errors.Interrupted)
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, errors.HhsimError) and kind not in by_itself:
            codes = [code for code, kinds in errors.EXIT_CODES.items() if issubclass(kind, kinds)]
            assert len(codes) == 1, kind


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
    for path in MODULES:
        names = {name for name in imports(path) if name.startswith("hhsim.jit.options.")}
        decorators = {
            "kernel",
            "kernel_parallel",
            "compiled",
            "compiled_parallel",
            "inline",
            "compiled_inline",
        }
        if {name.rsplit(".", 1)[1] for name in names} & decorators:
            own = path.relative_to(PACKAGE).as_posix()
            assert own.startswith(keys.DECIDING) or room_of(path) in STANDS_ALONE


def test_kernels_of_different_devices_do_not_know_each_other() -> None:
    for device, other in (("cpu", "cuda"), ("cuda", "cpu")):
        for path in (PACKAGE / "kernels" / device).rglob("*.py"):
            assert not [name for name in imports(path) if name.startswith(f"hhsim.kernels.{other}.")], path


def test_only_its_backend_knows_cuda() -> None:
    """What a default install lacks is imported nowhere else, and there only when a device is asked for."""
    for path in MODULES:
        if path.parent.name != "cuda":
            assert not [name for name in imports(path) if name.startswith(("numba.cuda", "cuda."))]
        if path.parent.name != "cuda" and path.name != "cuda.py":
            body = ast.parse(path.read_text()).body
            top = {node.module for node in body if isinstance(node, ast.ImportFrom)}
            plain = {"hhsim.kernels.cuda", "hhsim.kernels.cuda.tables"}  # they import nothing of it
            assert not {name for name in top if name and ".cuda" in name} - plain, path


def test_a_channel_knows_only_its_definition_and_mathx() -> None:
    for path in (PACKAGE / "channels").glob("*.py"):
        if path.stem not in ("__init__", "definition", "checks", "files", "methods", "states", "structure"):
            known = {name.rsplit(".", 1)[0] for name in imports(path) if name.startswith("hhsim.")}
            assert known <= {"hhsim.channels.definition", "hhsim.mathx"}


@module
def test_no_room_but_the_channels_spells_the_names_of_states(path: Path) -> None:
    """What a state is called, its unit and its bounds are declared by what has it (`hhsim.channels`)."""
    if room_of(path) == "channels":
        return
    texts = {node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)}
    assert "g." not in texts, "ask `states_of` or `conductance`"


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
