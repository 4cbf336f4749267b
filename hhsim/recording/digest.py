"""A checksum of all that a file of a recording says beside its rows: attributes, config, mapping of cells."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import h5py
import numpy as np

from hhsim.recording.layout import OURS, REPORT, SPIKES, TraceColumns, create_rows
from hhsim.system.hdf5 import attribute, members, require_plain

DIGEST = "content_sha256"  # attribute of /hhsim, set when a file is closed
ROWS = {SPIKES: ("timestamps", "node_ids"), REPORT: ("data",)}  # they have checksums of their own


def content_digest(file: h5py.File, besides: str = "") -> str:
    """SHA-256 over each attribute and each dataset of a file by its path, but for the rows and itself, and
    for the group `besides`."""
    digest = hashlib.sha256()

    def add(*parts: str | bytes) -> None:
        for part in parts:
            data = part if isinstance(part, bytes) else part.encode(errors="surrogateescape")
            digest.update(len(data).to_bytes(8, "little") + data)

    def add_attributes(name: str, found: Any) -> None:
        require_plain(*(found.attrs.get_id(key) for key in found.attrs))
        for key in sorted(found.attrs):
            if (name, key) != (OURS, DIGEST):
                add(name, key, *_parts(found.attrs[key]))

    names: list[str] = []
    file.visit(names.append)
    add_attributes("", file)
    for name in sorted(names):
        if besides and name.partition("/")[0] == besides:
            continue
        each = file[name]
        add(name)
        add_attributes(name, each)
        if isinstance(each, h5py.Dataset) and not _holds_rows(name):
            require_plain(each)
            add(*_parts(each[()]))
    return digest.hexdigest()


def check_content(file: h5py.File) -> None:
    """Raise ValueError if anything beside the rows is not as it was when the file was closed."""
    ours = file.get(OURS)
    if ours is not None and DIGEST in ours.attrs and attribute(ours, DIGEST) != content_digest(file):
        raise ValueError("what it tells of its run was changed after the run")


def check_surroundings(
    file: h5py.File, populations: Iterable[str] | None, traces: Iterable[TraceColumns]
) -> None:
    """Raise ValueError if anything beside the rows and /hhsim is not as in a new file of these trains and
    reports: what a killed run left has no checksum yet."""
    with h5py.File("new.h5", "w", driver="core", backing_store=False) as new:
        create_rows(new, populations, traces)
        for name, report in members(new[REPORT]):
            report["mapping/time"][1] = file[REPORT][name]["mapping/time"][1]  # it grows with the rows
        if content_digest(file, OURS) != content_digest(new, OURS):
            raise ValueError("what surrounds its rows is not what the run wrote")


def _holds_rows(name: str) -> bool:
    group, *_, last = name.split("/")
    return name.count("/") == 2 and last in ROWS.get(group, ())


def _parts(value: Any) -> tuple[str | bytes, ...]:
    """What a value is, and its bytes; texts as they are, whatever type of text holds them."""
    if isinstance(value, str | bytes):
        return "text", value
    array = np.asarray(value)
    if array.dtype.kind == "O":
        return "texts", *(each if isinstance(each, str | bytes) else repr(each) for each in array.ravel())
    return array.dtype.str, repr(array.shape), array.tobytes()
