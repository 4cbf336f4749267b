"""The config that is stored in a recording, run once more."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from hhsim.comparing.diff import Comparison, compare
from hhsim.config import Loaded, parse
from hhsim.errors import Diverged, FileFailed, GuardStopped, Interrupted, Stopped
from hhsim.recording import Recording, open_recording
from hhsim.recording.files import output_paths
from hhsim.simulation.execute import execute
from hhsim.simulation.prepare import prepare
from hhsim.simulation.request import ConfigChoice, Request
from hhsim.simulation.summary import Summary, Watcher


@dataclass(frozen=True)
class Rerun:
    """What a rerun did."""

    summary: Summary | None  # None if the run broke off, as the recorded one may have
    comparison: Comparison | None  # None if none was asked for

    def to_json(self) -> str:
        """The summary as `hhsim run --json` prints it; with a comparison, an object that holds both."""
        if self.comparison is None:
            assert self.summary is not None
            return self.summary.to_json()
        summary = None if self.summary is None else asdict(self.summary)
        return json.dumps({"summary": summary, "comparison": self.comparison.as_data()}, indent=2)


def rerun(
    path: str | os.PathLike[str],
    *,
    output: str | os.PathLike[str] | None,
    threads: int | None = None,
    verify: bool = False,
    overwrite: bool = False,
    watch: Watcher | None = None,
) -> Rerun:
    """Run the config stored in the recording at `path` again.

    Parameters
    ----------
    output : the file to write; None keeps nothing, and runs only as far as the recording goes
    verify : whether to compare, as far as the recording goes
    threads, overwrite, watch : as `hhsim.run` takes them

    Raises
    ------
    FileFailed
        if the recording cannot be read, holds nothing to compare with, or is what `output` would replace
    ConfigRefused, OutputExists, NotEnoughMemory, Diverged, GuardStopped, Interrupted
        as `hhsim.run` does
    """
    place = Path(path)
    with open_recording(place) as recording:
        end = recording.stopped_at_ms
        if verify and not end > 0:
            raise FileFailed(
                str(place), "was cut off before anything was written: there is nothing to verify"
            )
        loaded = _stored(recording, None if output is not None or recording.complete else end)
        choice = ConfigChoice(loaded)
        if output is not None:
            _keep(place, recording, Path(output))
            request = Request(choice, Path(output), overwrite=overwrite, threads=threads)
            return _run(recording, request, verify, watch)
        with tempfile.TemporaryDirectory(prefix="hhsim-") as folder:
            request = Request(choice, Path(folder, "again.h5"), threads=threads)
            try:
                return _run(recording, request, verify, watch)
            except Interrupted as error:
                raise Stopped(error.signal_number) from None  # nothing is kept that it could tell of


def _stored(recording: Recording, duration_ms: float | None) -> Loaded:
    """The config of a recording, with another duration if one is given."""
    settings: dict[str, str | int] = {} if duration_ms is None else {"duration": f"{duration_ms!r} ms"}
    source = f"the config in {recording.path}"
    return parse(recording.config, source=source, folder=recording.path.parent, run=settings)


def _keep(place: Path, recording: Recording, output: Path) -> None:
    """Refuse an output that would replace a file of the recording itself."""
    variables = [variable for _, variable in recording.traces]
    mine = {os.path.realpath(file) for file in output_paths(place, variables).values()}
    for file in output_paths(output, variables).values():
        if os.path.realpath(file) in mine:
            raise FileFailed(str(file), "is the recording itself; choose another name with -o")


def _run(recording: Recording, request: Request, verify: bool, watch: Watcher | None) -> Rerun:
    summary = None
    try:
        summary = execute(prepare(request), watch)
    except (Diverged, GuardStopped):
        if not verify:
            raise  # else the comparison tells whether the recorded run broke off as well, and when
    if not verify:
        return Rerun(summary, None)
    with open_recording(request.output) as again:
        found = compare(recording, again, stop_ms=recording.stopped_at_ms, verify=False)
    return Rerun(summary, replace(found, b="the rerun"))
