"""What has to be known of a foreign HDF5 file before the library may look at it."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py

from hhsim.errors import FileFailed

LOOKED_THROUGH = 1 << 20  # bytes at the beginning and at the end, where texts are written
_HEAD = struct.Struct("<4sB3xQ")  # signature, version, size of a global heap
_OBJECT = struct.Struct("<HH4xQ")  # number, references, size


@contextmanager
def foreign(path: Path, what: str) -> Iterator[None]:
    """Around all that is done with a file of unknown content: whatever h5py raises becomes FileFailed.

    Raises FileFailed also as `refuse_endless` does.
    """
    try:
        refuse_endless(path)
        yield
    except FileNotFoundError:
        raise FileFailed(str(path), "there is no such file") from None
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, ArithmeticError) as error:
        reason = error.args[0] if isinstance(error, KeyError) and error.args else error
        raise FileFailed(str(path), f"cannot be read as {what} ({reason})") from error


def require_plain(*sources: Any) -> None:
    """Raise ValueError unless each dataset or attribute (`h5py.h5a.AttrID`) holds ordinary numbers or texts.

    Where the description of a type is damaged, a float with its exponent beyond its last bit or a text that
    has become a list, HDF5 (2.0) ends the process with a segmentation fault when it converts the values.
    """
    for source in sources:
        kind = source.dtype
        found = source.get_type() if isinstance(source, h5py.h5a.AttrID) else source.id.get_type()
        other = kind.kind == "O" and h5py.check_string_dtype(kind) is None
        if other or (kind.kind in "iufO" and not found.equal(h5py.h5t.py_create(kind, logical=True))):
            name = source.name if isinstance(source.name, str) else source.name.decode(errors="replace")
            raise ValueError(f"{name} holds values of no known type")


def attribute(source: Any, name: str) -> Any:
    """An attribute of a group or dataset; raises KeyError where there is none, and ValueError as above."""
    require_plain(source.attrs.get_id(name))
    return source.attrs[name]


def refuse_endless(path: Path) -> None:
    """Raise FileFailed for a file on which the HDF5 library (2.0 and before) would never come to an end.

    That is one with zeros where a heap of texts was, as a loss of power may leave it. Raises OSError where
    the file cannot be read.
    """
    with path.open("rb") as file:
        begin = file.read(LOOKED_THROUGH)
        size = file.seek(0, 2)
        file.seek(max(len(begin), size - LOOKED_THROUGH))
        if any(_has_empty_object(part) for part in (begin, file.read())):
            raise FileFailed(str(path), "is damaged: there are zeros where texts were")


def _has_empty_object(part: bytes) -> bool:
    """Is there a global heap (format specification III.E) with an object that takes no room?"""
    at = part.find(b"GCOL")
    while at >= 0:
        if at + _HEAD.size <= len(part):
            end = min(at + _HEAD.unpack_from(part, at)[2], len(part)) - _OBJECT.size
            place = at + _HEAD.size
            while place <= end:
                number, _, size = _OBJECT.unpack_from(part, place)
                need = size if number == 0 else _OBJECT.size + -(-size // 8) * 8
                if need == 0:
                    return True
                place += need
        at = part.find(b"GCOL", at + 4)
    return False
