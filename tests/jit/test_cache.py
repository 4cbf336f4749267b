"""The cache of compiled code: cold, damaged, for several types, and where nothing can be written."""

from __future__ import annotations

import errno
import json
import os
import random
import sys
import time
from pathlib import Path

import pytest
from conftest import CONFIGS
from processes import ENVIRONMENT, MAIN, names, on_a_small_disk, python, start

import hhsim
from hhsim.errors import FileFailed, HhsimWarning
from hhsim.jit import options as jit
from hhsim.kernels.render import program

COMPILING = "compiling (only the first time: the code is kept)"


@pytest.fixture(scope="module")
def shared_cache(small, small_run, tmp_path_factory) -> Path:
    """A cache that was empty when several processes started at once; they compiled into it together."""
    folder = tmp_path_factory.mktemp("cache")
    options = ("run", small, "--json", "--duration", "50 ms", "--threads", "1")
    runs = [
        start(MAIN, *options, "-o", f"{i}.h5", cwd=folder, HHSIM_CACHE_DIR=str(folder / "cache"))
        for i in range(2)
    ]
    answers, said = [], []
    for run in runs:
        out, err = run.communicate(timeout=240)
        assert run.returncode == 0, err
        answers.append(json.loads(out)["spikes_sha256"])
        said.append(err.splitlines())
    assert any(COMPILING in lines for lines in said), said
    assert all("simulating 50 ms" in lines for lines in said), said
    assert answers == [answers[0]] * len(answers)
    whole = hhsim.run(small, output=folder / "whole.h5", duration="50 ms")
    assert answers[0] == whole.spikes_sha256
    (folder / "wanted").write_text(json.dumps(answers[0]))
    return folder


def test_a_cold_cache_may_be_filled_by_many_at_once(shared_cache) -> None:
    left = [path for path in (shared_cache / "cache").rglob("*") if ".tmp" in path.name]
    assert left == []
    assert list((shared_cache / "cache").rglob("*.nbc"))


def test_a_run_says_so_only_if_it_compiles(shared_cache, small, tmp_path) -> None:
    """Those that filled the cache said so."""
    line = ("run", small, "--duration", "50 ms", "--threads", "1")
    done = python(MAIN, *line, cwd=tmp_path, HHSIM_CACHE_DIR=str(shared_cache / "cache"))
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    assert "simulating 50 ms" in lines
    assert COMPILING not in lines


def test_a_damaged_cache_is_compiled_anew(shared_cache, small, tmp_path) -> None:
    """Cut off, with flipped bits, empty: every file of it."""
    rng = random.Random(2007)
    files = [path for path in (shared_cache / "cache").rglob("*") if path.is_file() and path.stat().st_size]
    kernels = [path for path in files if path.name.startswith("hhsim_kernel") and path.suffix == ".py"]
    assert kernels
    for path in files:
        whole = bytearray(path.read_bytes())
        at = rng.randrange(len(whole))
        how = rng.randrange(3)
        if how == 0:
            del whole[at:]
        else:
            whole[at] ^= 1 << rng.randrange(7)
        path.write_bytes(b"" if how == 2 else whole)
    options = ("run", small, "-q", "--json", "--duration", "50 ms", "--threads", "1")
    for output in ("first.h5", "second.h5"):
        done = python(MAIN, *options, "-o", output, cwd=tmp_path, HHSIM_CACHE_DIR=str(shared_cache / "cache"))
        assert (done.returncode, done.stderr) == (0, "")
        told = json.loads(done.stdout)
        assert told["spikes_sha256"] == json.loads((shared_cache / "wanted").read_text())
    assert told["wall_s"]["compile"] < 2  # all is there again


def test_what_was_compiled_for_one_type_is_never_taken_for_another(tmp_path) -> None:
    """Four processes at once, a function compiled for float32 in two and for float64 in the others.

    Numba's own cache lets them write into one file, and serves it for both.
    """
    (tmp_path / "kernel.py").write_text(
        "from hhsim.jit.options import compiled\n\n@compiled\ndef width(x):\n    return x.itemsize\n"
    )
    code = (
        "import sys, time, numpy as np\nfrom kernel import width\n"
        "kind = np.float32 if int(sys.argv[1]) % 2 else np.float64\n"
        "x = np.zeros(3, kind)\n"
        "time.sleep(max(0, float(sys.argv[2]) - time.time()))\n"
        "print(width(x) == x.itemsize)\n"
    )
    cache = {
        "HHSIM_CACHE_DIR": str(tmp_path / "cache"),
        "PYTHONPATH": f"{tmp_path}:{ENVIRONMENT['PYTHONPATH']}",
    }
    for begin, count in ((time.time() + 2, 4), (0.0, 2)):  # with an empty cache, then from it
        runs = [start(code, i, begin, cwd=tmp_path, **cache) for i in range(count)]
        assert [run.communicate(timeout=60)[0] for run in runs] == ["True\n"] * count
    (index,) = (tmp_path / "cache").rglob("kernel.width*.nbi")
    assert len(list(index.parent.glob("kernel.width*.nbc"))) == 2


def test_a_cache_folder_that_cannot_be_written_is_a_warning(tmp_path, monkeypatch) -> None:
    (tmp_path / "file").write_text("precious")
    for folder in (tmp_path / "file", Path("/proc/none")):
        monkeypatch.setenv("HHSIM_CACHE_DIR", str(folder))
        with pytest.warns(HhsimWarning, match=r"cannot be written .* set HHSIM_CACHE_DIR"):
            instead = jit.cache_folder.__wrapped__()
        (instead / "file").write_text("")
    assert (tmp_path / "file").read_text() == "precious"


def test_who_has_no_home_gets_a_cache_of_their_own(monkeypatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("HHSIM_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    with pytest.warns(HhsimWarning, match=r"Could not determine home directory.*set HHSIM_CACHE_DIR"):
        assert jit.cache_folder.__wrapped__().is_dir()


def test_where_nothing_can_be_written_that_is_said(tmp_path) -> None:
    environment = {"HHSIM_CACHE_DIR": "/proc/none", "TMPDIR": "/proc/none"}
    code = "import tempfile; tempfile._get_default_tempdir = lambda *_: '/proc/none'; " + MAIN
    done = python(code, "run", CONFIGS / "coba.toml", "-q", cwd=tmp_path, **environment)
    assert done.returncode == 5, done.stderr
    assert done.stderr.startswith("hhsim: /proc/none/")
    assert "compiled code cannot be kept" in done.stderr


def test_a_temporary_cache_goes_with_its_process(tmp_path) -> None:
    code = "from hhsim.jit import options; print(options.cache_folder())"
    environment = {"HHSIM_CACHE_DIR": "/proc/none", "TMPDIR": str(tmp_path)}
    done = python(code, cwd=tmp_path, **environment)
    assert Path(done.stdout.strip()).parent == tmp_path
    assert not Path(done.stdout.strip()).exists()


def test_a_cache_may_belong_to_a_group(tmp_path, monkeypatch) -> None:
    """Others may read what one of them rendered, as far as their umask lets them."""
    monkeypatch.setattr(jit, "cache_folder", lambda: tmp_path)
    before = os.umask(0o022)
    try:
        module = program.load("def answer():\n    return 43\n")
    finally:
        os.umask(before)
    del sys.modules[module.__name__]
    assert Path(module.__file__).stat().st_mode & 0o777 == 0o644


def test_a_kernel_that_finds_no_room_is_an_error_with_a_reason(tmp_path, monkeypatch) -> None:
    def full(*arguments: object, **named: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_text", full)
    monkeypatch.setattr(jit, "cache_folder", lambda: tmp_path)
    with pytest.raises(FileFailed, match=r"compiled code cannot be kept \(No space left on device\)"):
        program.load("def answer():\n    return 44\n")
    assert names(tmp_path) == []


def test_a_rendered_kernel_needs_no_hard_links_and_is_mended(tmp_path, monkeypatch) -> None:
    def refused(*arguments: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    monkeypatch.setattr(jit, "cache_folder", lambda: tmp_path)
    text = "def answer():\n    return 42\n"
    path = tmp_path / "none"
    for content in (None, text[:20], "def answer():\n    return 41\n", "\udcff"):
        if content is not None:
            path.write_text(content, errors="surrogateescape")
        module = program.load(text)
        del sys.modules[module.__name__]
        assert module.answer() == 42
        path = Path(module.__file__)
        assert path.read_text() == text
        assert names(tmp_path) == [path.name]


def test_a_cache_on_a_full_disk_is_a_warning(tmp_path) -> None:
    code = """
mount("-o", "size=200k")
os.environ["HHSIM_CACHE_DIR"] = str(disk)
sys.path.insert(0, ".")
import numpy as np, total
fill()
tell(int(total.total(np.arange(10))))
"""
    (tmp_path / "total.py").write_text(
        "from hhsim.jit.options import compiled\n\n@compiled\ndef total(x):\n    return x.sum()\n"
    )
    told, err = on_a_small_disk(tmp_path, code)
    assert told == [[45]]
    assert "compiled code cannot be kept" in err
    assert "No space left on device" in err
