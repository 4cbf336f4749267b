"""HDF5 files that nobody can be sure of: what has to be known of one before its content is believed.

A file holds its own numbers: what it says of other files (external links, virtual datasets, external storage)
is never followed, and no text or array in it is longer than the file itself.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py

from hhsim.errors import FileFailed
from hhsim.system.plainfile import require_plain_file
from hhsim.system.scarcity import little_memory

# Bytes of a file that are looked through for damaged texts: so many at both ends, where texts are written.
LOOKED_THROUGH = 1 << 20
ROOM_FOR_TEXTS = 1 << 28  # bytes beside the size of a file that reading its texts may take
INFLATED = 1100  # times that deflate, the strongest of the usual filters, makes a block larger at most
SMALL_CHUNK = 1 << 26  # bytes that any machine can spare
_HEAD = struct.Struct("<4sB3xQ")  # signature, version, size of a global heap
_OBJECT = struct.Struct("<HH4xQ")  # number, references, size


@contextmanager
def foreign(path: Path, what: str) -> Iterator[None]:
    """Around all that is done with a file of unknown content: whatever h5py raises becomes FileFailed."""
    try:
        yield
    except FileNotFoundError:
        raise FileFailed(str(path), "there is no such file") from None
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, ArithmeticError) as error:
        reason = error.args[0] if isinstance(error, KeyError) and error.args else error
        raise FileFailed(str(path), f"cannot be read as {what} ({reason})") from error


def open_plain(path: Path) -> h5py.File:
    """Open a file for reading, without a lock, if it is an ordinary file that holds its own numbers.

    Raises FileFailed where it is not, and what h5py raises for a file that is no HDF5.
    """
    require_plain_file(path)
    refuse_empty_texts(path)
    file = h5py.File(path, "r", locking=False)
    try:
        require_own_content(file, path)
    except BaseException:
        file.close()
        raise
    return file


def names_in(path: Path) -> set[str]:
    """The names at the root of a file, whatever they lead to; raises as `open_plain` does."""
    require_plain_file(path)
    with h5py.File(path, "r", locking=False) as file:
        return set(file)


def require_own_content(file: h5py.File, path: Path) -> None:
    """Raise FileFailed unless an open file holds its own numbers, and texts that can be read.

    That is: it refers to no other file, and claims no array that is longer than itself. Where the length of a
    text is damaged, the HDF5 library takes memory for it, up to 4 GB, before it looks: so each attribute, and
    each dataset that is one text, is read once here with little memory to be had.
    """
    size = file.id.get_filesize()
    links: list[tuple[bytes, int]] = []
    names: list[str | bytes] = []
    # Names alone are gathered within the library: no exception may pass through it.
    file.id.links.visit(lambda name, about: links.append((name, about.type)), info=True)
    file.visit(names.append)
    for link, kind in links:
        if kind == h5py.h5l.TYPE_EXTERNAL:
            where = _shown(file.id.links.get_val(link)[0])
            raise FileFailed(str(path), f"{_shown(link)} is a link to another file, {where!r}")
        if kind not in (h5py.h5l.TYPE_HARD, h5py.h5l.TYPE_SOFT):
            raise FileFailed(str(path), f"{_shown(link)} is a link of an unknown kind")
    with little_memory(size + ROOM_FOR_TEXTS):
        for name, found in (("/", file), *((name, file[name]) for name in names)):
            if reason := _why_not_own(found, size) or _why_unreadable(found):
                raise FileFailed(str(path), f"{_shown(name)} {reason}")


def _why_not_own(found: Any, size: int) -> str:
    """Why an object of a file of so many bytes does not hold its own numbers, in words; empty if it does."""
    if not isinstance(found, h5py.Dataset):
        return ""
    how = found.id.get_create_plist()
    layout = how.get_layout()
    if layout == h5py.h5d.VIRTUAL:
        return "is a virtual dataset, whose numbers are in other files"
    if layout == h5py.h5d.CONTIGUOUS and how.get_external_count():
        return "has its numbers in another file"
    return _why_too_large(found, how, size)


def _why_too_large(dataset: h5py.Dataset, how: h5py.h5p.PropDCID, size: int) -> str:
    """Why a dataset cannot be what it claims in a file of so many bytes, in words; empty if it can."""
    if how.get_layout() != h5py.h5d.CHUNKED:
        return f"claims {dataset.nbytes:,} bytes, more than the file has" if dataset.nbytes > size else ""
    filters = [how.get_filter(i)[0] for i in range(how.get_nfilters())]
    for number in filters:
        if not h5py.h5z.filter_avail(number):
            return f"is compressed by a filter that is not there ({number})"
    # Each chunk is in the file; of one that is compressed, INFLATED times what is stored.
    chunk = dataset.dtype.itemsize * math.prod(dataset.chunks)
    if filters and chunk > max(SMALL_CHUNK, INFLATED * size):
        return f"claims chunks of {chunk:,} bytes, more than the file can have"
    chunks = math.prod(-(-n // m) for n, m in zip(dataset.shape, dataset.chunks, strict=True))
    if dataset.nbytes > size and not (filters and dataset.id.get_num_chunks() >= chunks):
        return f"claims {dataset.nbytes:,} bytes, more than the file has"
    return ""


def _shown(name: str | bytes) -> str:
    return name if isinstance(name, str) else name.decode(errors="replace")


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


def members(of: Any) -> list[tuple[str, Any]]:
    """The names and values of a group, or of its attributes, all at once.

    h5py keeps its lock while a loop over `items()` is under way: an error within such a loop would leave all
    other threads waiting for as long as somebody holds on to it.
    """
    return list(of.items())


def refuse_empty_texts(path: Path) -> None:
    """Raise FileFailed for zeros where a heap of texts was, as a loss of power may leave it.

    On those the HDF5 library (2.0 and before) never comes to an end. Raises OSError where the file cannot be
    read.
    """
    with path.open("rb") as file:
        begin = file.read(LOOKED_THROUGH)
        size = file.seek(0, 2)
        file.seek(max(len(begin), size - LOOKED_THROUGH))
        if any(_has_empty_text(part) for part in (begin, file.read())):
            raise FileFailed(str(path), "is damaged: there are zeros where texts were")


def _has_empty_text(part: bytes) -> bool:
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


def _why_unreadable(found: Any) -> str:
    """Why a text of an object cannot be read, in words; empty if all can."""
    for key in found.attrs:
        if found.attrs.get_id(key).dtype.kind == "O" and not _can_be_read(lambda key=key: found.attrs[key]):
            return f"is damaged: the text of its attribute {_shown(key)} cannot be read"
    one_text = isinstance(found, h5py.Dataset) and found.dtype.kind == "O" and found.shape == ()
    if one_text and not _can_be_read(lambda: found[()]):
        return "is damaged: its text cannot be read"
    return ""


def _can_be_read(read: Any) -> bool:
    try:
        read()
    except (OSError, RuntimeError, ValueError, TypeError, MemoryError):
        return False
    return True
