"""Making a recording whole whose writer died."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hhsim.recording.journal import journal_path, replay
from hhsim.recording.layout import sibling_path
from hhsim.recording.reader import open_recording
from hhsim.system.plainfile import require_plain_file


@dataclass(frozen=True)
class Recovered:
    """What was found, and what was done about it."""

    path: str
    finished: tuple[str, ...]  # files in which an unfinished flush was finished
    complete: bool  # the run had come to its end
    stopped_at_ms: float  # all up to then is there
    spikes: dict[str, int]  # of each population


def recover(path: Path) -> Recovered:
    """Finish what the writer of a recording was about to do when it was killed, and check that all is there.

    Does nothing to a recording that is whole, however often it is called. Raises FileFailed if the recording
    is still being written, or if it is damaged in another way.
    """
    require_plain_file(path)
    finished = [str(path)] if finish(path) else []
    with open_recording(path) as recording:
        variables = dict.fromkeys(variable for _, variable in recording.traces)
    for place in (sibling_path(path, variable) for variable in variables):
        if place != path and place.exists() and finish(place):
            finished.append(str(place))
    with open_recording(path) as recording:
        recording.verify()
        counts = {name: len(spikes) for name, spikes in recording.spikes.items()}
        return Recovered(str(path), tuple(finished), recording.complete, recording.stopped_at_ms, counts)


def finish(path: Path) -> bool:
    """Finish the commit of this one file during which its writer died; was there one?"""
    return journal_path(path).exists() and replay(path)
