"""Checkpoints on disk: the newest beside the output, the one before it, and which of them to believe."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from hhsim.errors import FileFailed
from hhsim.recording.writer import Positions
from hhsim.simulation.checkpoint import container
from hhsim.simulation.checkpoint.snapshot import Snapshot

FORMAT = 1


@dataclass(frozen=True)
class Checkpoint:
    """All that a run needs to go on, beside its config."""

    snapshot: Snapshot
    positions: Positions  # of the output
    config: str  # resolved, TOML
    origin: Mapping[str, str]  # versions of programs, hash of the compiled code, processor
    guards: Mapping[str, Any]  # what they have seen


class Found(NamedTuple):
    """A whole checkpoint that was read, and verified."""

    checkpoint: Checkpoint
    remark: str  # why it is not the newest of all, in words; empty if it is


# How the names of checkpoints end: an output of such a name could be taken for one of another output's.
ENDINGS = (".checkpoint", ".ckpt", ".checkpoint.previous", ".ckpt.previous")


def checkpoint_path(output: Path) -> Path:
    """`out.h5` has its checkpoint in `out.checkpoint`, and the one before in `out.checkpoint.previous`.

    An output of another name has it in `NAME.ckpt`: no two outputs share one.
    """
    if output.suffix == ".h5":
        return output.with_suffix(".checkpoint")
    return output.with_name(f"{output.name}.ckpt")


def previous_path(output: Path) -> Path:
    path = checkpoint_path(output)
    return path.with_name(f"{path.name}.previous")


def save(output: Path, checkpoint: Checkpoint) -> None:
    """Make this the newest checkpoint of `output`; at each moment there is a whole one.

    Raises FileFailed, with the earlier ones untouched, if it cannot be written.
    """
    path = checkpoint_path(output)
    hidden = _hidden_path(output)
    facts = {
        "format": FORMAT,
        "snapshot": checkpoint.snapshot.facts,
        "positions": asdict(checkpoint.positions),
        "config": checkpoint.config,
        "origin": dict(checkpoint.origin),
        "guards": dict(checkpoint.guards),
    }
    try:
        hidden.unlink(missing_ok=True)
        container.write(hidden, facts, checkpoint.snapshot.arrays)
        if path.exists():
            os.replace(path, previous_path(output))
        os.replace(hidden, path)
        _sync_folder(path.parent)
    except OSError as error:
        hidden.unlink(missing_ok=True)
        raise FileFailed(str(path), f"the checkpoint cannot be written ({error.strerror})") from error


def _hidden_path(output: Path) -> Path:
    """Where a checkpoint is written: the lock on the output keeps others from it."""
    path = checkpoint_path(output)
    return path.with_name(f".{path.name}.tmp")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(output: Path) -> None:
    """Forget the checkpoints of an earlier run on the same output."""
    for path in (checkpoint_path(output), previous_path(output), _hidden_path(output)):
        path.unlink(missing_ok=True)


def drop_newest(output: Path) -> None:
    """Let the checkpoint before the newest take its place, where `load` found that one damaged, or gone.

    Else the next one would push out the only one that is whole. Raises FileFailed if it cannot be done.
    """
    newest = checkpoint_path(output)
    try:
        os.replace(previous_path(output), newest)
        _sync_folder(newest.parent)
    except OSError as error:
        raise FileFailed(str(newest), f"cannot be replaced ({error.strerror})") from error


def exists(output: Path) -> bool:
    return checkpoint_path(output).exists() or previous_path(output).exists()


def load(output: Path) -> Found:
    """The newest checkpoint of `output` that is whole, with a remark if it is not the newest of all.

    Raises FileFailed if there is none.
    """
    newest, previous = checkpoint_path(output), previous_path(output)
    try:
        return Found(_read(newest), "")
    except FileFailed as failed:
        try:
            found = _read(previous)
        except FileFailed as other:
            if not previous.exists():
                raise failed from None
            raise FileFailed(str(newest), f"{failed.reason}; and {other}") from None
        before = f"going on from the checkpoint before it, at {found.positions.t_ms:g} ms ({previous.name})"
        return Found(found, f"{failed}; {before}")


def _read(path: Path) -> Checkpoint:
    facts, arrays = container.read(path)
    if facts.get("format") != FORMAT:
        raise FileFailed(str(path), f"has format {facts.get('format')}, and this version reads {FORMAT}")
    try:
        return Checkpoint(
            Snapshot(**facts["snapshot"], arrays=arrays),
            Positions.from_dict(facts["positions"]),
            facts["config"],
            facts["origin"],
            facts["guards"],
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise FileFailed(str(path), f"is no checkpoint of hhsim ({error})") from error
