"""A file of named arrays and facts that is either exactly what was written, or refused.

    magic, 8 bytes · length of the header, uint64 · header, JSON · arrays, from multiples of 64 bytes on ·
    SHA-256 of all before

Everything is verified before anything is believed, and nothing in it is ever executed.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hhsim.errors import FileFailed
from hhsim.system.plainfile import require_plain_file

MAGIC = b"hhsimck1"
START = struct.Struct("<8sQ")
ALIGNMENT = 64
DIGEST = hashlib.sha256().digest_size
PIECE = 1 << 20
TYPES = ("<f8", "<f4", "<i8", "<i4", "<u2", "<u4")

Arrays = Mapping[str, npt.NDArray[Any]]


def write(path: Path, facts: Mapping[str, Any], arrays: Arrays) -> None:
    """Write a new file, and wait until the disk has it. `facts` are what JSON can hold; raises OSError."""
    entries, at = {}, 0
    for name, array in arrays.items():
        if array.dtype.str not in TYPES:
            raise TypeError(f"{name}: arrays of {array.dtype} are not kept")
        entries[name] = {"type": array.dtype.str, "shape": list(array.shape), "at": at}
        at += -(-array.nbytes // ALIGNMENT) * ALIGNMENT
    header = json.dumps({"facts": facts, "arrays": entries}).encode()
    header += b" " * (-(START.size + len(header)) % ALIGNMENT)
    digest = hashlib.sha256()
    with path.open("xb") as file:
        for piece in _pieces(header, arrays):
            file.write(piece)
            digest.update(piece)
        file.write(digest.digest())
        file.flush()
        os.fsync(file.fileno())


def _pieces(header: bytes, arrays: Arrays) -> Iterator[bytes | memoryview]:
    yield START.pack(MAGIC, len(header)) + header
    for array in arrays.values():
        yield np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
        yield bytes(-array.nbytes % ALIGNMENT)


def is_checkpoint(path: Path) -> bool:
    """Does a file begin as those do that `write` makes?"""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except (OSError, ValueError):
        return False


def read(path: Path) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    """The facts and arrays of a file; raises FileFailed unless it is to the bit what was written."""
    require_plain_file(path)
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size < START.size + DIGEST or START.unpack(file.read(START.size))[0] != MAGIC:
                raise FileFailed(str(path), "is no checkpoint of hhsim")
            file.seek(0)
            digest, left = hashlib.sha256(), size - DIGEST
            while left:
                piece = file.read(min(PIECE, left))
                if not piece:
                    raise FileFailed(str(path), "became shorter while it was read")
                digest.update(piece)
                left -= len(piece)
            if file.read(DIGEST) != digest.digest():
                raise FileFailed(str(path), "is damaged: its checksum does not fit its content")
            return _content(file, size - DIGEST)
    except OSError as error:
        reason = "there is no such file" if isinstance(error, FileNotFoundError) else str(error.strerror)
        raise FileFailed(str(path), reason) from error
    except (KeyError, ValueError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        raise FileFailed(str(path), f"is no checkpoint of hhsim: {error}") from error


def _content(file: io.BufferedReader, size: int) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    """Facts and arrays of a file of `size` bytes before its checksum; no array is larger than that."""
    file.seek(0)
    _, length = START.unpack(file.read(START.size))
    header = json.loads(file.read(min(length, size)))
    arrays = {}
    for name, entry in header["arrays"].items():
        shape, begin = [int(each) for each in entry["shape"]], START.size + length + int(entry["at"])
        if entry["type"] not in TYPES or min([0, *shape]) < 0:
            raise ValueError(f"{name} is no array")
        array_bytes = math.prod(shape) * np.dtype(entry["type"]).itemsize
        if not 0 <= begin <= size - array_bytes:
            raise ValueError(f"{name} of {array_bytes:,} bytes is not in it")
        array = np.empty(shape, entry["type"])
        file.seek(begin)
        file.readinto(array.reshape(-1).view(np.uint8).data)
        arrays[name] = array
    return dict(header["facts"]), arrays
