"""What an earlier run left in an output, for a run that is to go on where there is no checkpoint."""

from __future__ import annotations

from pathlib import Path

from hhsim.config import Loaded, differing_keys
from hhsim.errors import FileFailed
from hhsim.recording import open_recording
from hhsim.recording.recovery import finish
from hhsim.simulation.checkpoint import store
from hhsim.simulation.checkpoint.continuing import WORDS, check_config
from hhsim.simulation.checkpoint.store import Found
from hhsim.simulation.summary import Summary
from hhsim.system.failures import damage_errors


def stored_config(output: Path, found: Found | None) -> tuple[str, str] | None:
    """The resolved config of the run that is to go on, as TOML, and the file that holds it.

    That is the checkpoint that was found, else the output itself; None if there is neither. Raises
    FileFailed.
    """
    if found is not None:
        return found.checkpoint.config, str(store.checkpoint_path(output))
    if not output.exists():
        return None
    finish(output)
    with open_recording(output) as recording:
        return recording.config, str(output)


def finished(output: Path, loaded: Loaded) -> Summary | None:
    """The summary of a run of this config that came to its end; None if there is none."""
    if not output.exists():
        return None
    finish(output)
    with open_recording(output) as recording, damage_errors(output):
        if not recording.complete:
            return None
        if any(entry.key not in WORDS for entry in differing_keys(recording.config, loaded.resolved)):
            return None
        recording.verify()
        summary = Summary(**recording.summary)
        if summary.spikes_sha256 != recording.checksums:
            raise FileFailed(str(output), "is damaged: its spikes are not those that were written")
        return summary


def check_unsaved(output: Path, loaded: Loaded) -> float:
    """The end, in ms, of an output without any checkpoint so far, which a run of `loaded` may begin anew.

    Nothing is lost by that: the same config gives the same bits once more. Raises CheckpointRefused for
    another config, and FileFailed for a run that was complete, or whose checkpoint is gone.
    """
    finish(output)
    with open_recording(output) as recording:
        if recording.complete or recording.saved:
            raise FileFailed(
                str(output), f"cannot be continued: it has no {store.checkpoint_path(output).name}"
            )
        check_config(recording.config, loaded, str(output))
        return recording.stopped_at_ms
