"""Files of others that point elsewhere, never end, or claim more than they hold: refused at once, by name."""

from __future__ import annotations

import ast
import os
import socket
import struct
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from places import ROOT

from hhsim.errors import FileFailed
from hhsim.recording import open_recording
from hhsim.simulation.checkpoint import container
from hhsim.simulation.memory import peak_bytes
from hhsim.system.hdf5 import open_plain

PACKAGE = ROOT / "hhsim"


def linked(file: h5py.File) -> None:
    file["deep/v"] = h5py.ExternalLink("pipe", "/v")


def linked_through_soft(file: h5py.File) -> None:
    file["deep/out"] = h5py.ExternalLink("pipe", "/")
    file["v"] = h5py.SoftLink("/deep/out/v")


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((20,), "f8")
    layout[:] = h5py.VirtualSource("missing.h5", "v", (20,))
    file.create_virtual_dataset("deep/v", layout)


def raw(file: h5py.File) -> None:
    file.create_dataset("deep/v", (20,), "f8", external=[("pipe", 0, 160)])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (linked, "deep/v is a link to another file, 'pipe'"),
        (linked_through_soft, "deep/out is a link to another file, 'pipe'"),
        (virtual, "deep/v is a virtual dataset, whose numbers are in other files"),
        (raw, "deep/v has its numbers in another file"),
    ],
)
def test_what_points_to_another_file_is_refused(
    tmp_path: Path, make: Callable[[h5py.File], None], words: str
) -> None:
    os.mkfifo(tmp_path / "pipe")
    path = tmp_path / "file.h5"
    with h5py.File(path, "w") as file:
        make(file)
    with pytest.raises(FileFailed) as refused:
        open_plain(path)
    assert refused.value.reason == words


def test_links_within_a_file_and_compressed_arrays_are_read(tmp_path: Path) -> None:
    path = tmp_path / "file.h5"
    with h5py.File(path, "w") as file:
        for name, how in (("gzip", 9), ("lzf", None)):
            file.create_dataset(
                name, data=np.zeros(1 << 20), chunks=(1 << 14,), compression=name, compression_opts=how
            )
        file["soft"], file["hard"], file["loop/up"] = h5py.SoftLink("/gzip"), file["lzf"], file["/"]
    assert path.stat().st_size < 1 << 20
    with open_plain(path) as file:
        assert all(not file[name][:].any() for name in ("gzip", "lzf", "soft", "hard"))


@pytest.mark.parametrize("how", [{}, {"chunks": (1 << 20,)}, {"chunks": (1 << 20,), "compression": "gzip"}])
def test_array_longer_than_its_file_is_refused(tmp_path: Path, how: dict[str, object]) -> None:
    path = tmp_path / "file.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("v", (1 << 40,), "f8", **how)
    with pytest.raises(FileFailed, match=r"v claims 8,796,093,022,208 bytes, more than the file has"):
        open_plain(path)


def test_chunk_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("v", (1 << 28,), "f8", chunks=(1 << 28,), compression="gzip")
    with pytest.raises(FileFailed, match="v claims chunks of 2,147,483,648 bytes, more than the file can"):
        open_plain(path)


def test_text_longer_than_it_is_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file.h5"
    with h5py.File(path, "w") as file:
        file.attrs["name"] = "a text"
    data = path.read_bytes()
    heap = struct.pack("<Q", data.find(b"GCOL"))
    at = data.find(struct.pack("<I", len("a text")) + heap)
    assert at > 0
    for length in (7, 1 << 20, 2**31, 2**32 - 1):
        path.write_bytes(data[:at] + struct.pack("<I", length) + data[at + 4 :])
        before = peak_bytes()
        with pytest.raises(FileFailed, match="the text of its attribute name cannot be read"):
            open_plain(path)
        assert peak_bytes() - before < 300 << 20


def test_texts_that_were_replaced_many_times_are_read(tmp_path: Path) -> None:
    """What is left of earlier ones in the file refers to texts of other lengths."""
    path = tmp_path / "file.h5"
    for i in range(30):
        with h5py.File(path, "a") as file:
            for name in ("a", "b"):
                if name in file:
                    del file[name]
                file.create_dataset(name, data="x" * (1 + 37 * i % 301), dtype=h5py.string_dtype())
                file.attrs[name] = "y" * (1 + 53 * i % 211)
        with open_plain(path) as file:
            assert file.attrs["a"] == "y" * (1 + 53 * i % 211)


def special(folder: Path, kind: str) -> Path:
    path = folder / "file.h5"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as opened:
            opened.bind(os.path.relpath(path))
    else:
        path.symlink_to("/dev/zero")
    return path


@pytest.mark.parametrize("read", [open_recording, open_plain, container.read], ids=lambda read: read.__name__)
@pytest.mark.parametrize("kind", ["pipe", "folder", "socket", "device"])
def test_what_is_no_file_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, read: Callable[[Path], object]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileFailed, match=f"is a {kind}"):
        read(special(tmp_path, kind))


@pytest.mark.parametrize("kind", ["pipe", "folder", "device"])
@pytest.mark.parametrize(
    "arguments",
    ["info", "recover", "stats", "plot", "diff FILE", "validate", "rerun", "run", "run --channels"],
)
def test_every_command_refuses_what_is_no_file(
    tmp_path: Path, command: Callable[..., object], small: Path, kind: str, arguments: str
) -> None:
    path = special(tmp_path, kind)
    name, *rest = arguments.split()
    given = [path if each == "FILE" else each for each in rest]
    told = command(name, *([small] if "--channels" in rest else []), *given, path)
    assert told.code == 5  # type: ignore[attr-defined]
    assert f"is a {kind}" in told.err  # type: ignore[attr-defined]


def test_nobody_opens_a_file_of_others_without_a_look() -> None:
    """Only `open_plain` reads with h5py; others write files of their own."""
    found = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "h5py.File"
    }
    assert found == {"system/hdf5.py", "exporting/circuit.py", "exporting/formats/nwb.py"} | {
        "recording/bundle.py",
        "recording/digest.py",  # in memory
    }
