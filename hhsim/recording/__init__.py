"""The output of a run: a SONATA file, written while the run goes on and read back afterwards."""

from __future__ import annotations

from hhsim.recording.contents import Spikes, Trace
from hhsim.recording.files import check_output
from hhsim.recording.foreign import ForeignRecording, Given, open_any, open_pair
from hhsim.recording.layout import TraceColumns
from hhsim.recording.reader import Recording, open_recording
from hhsim.recording.recovery import Recovered, recover
from hhsim.recording.selection import Selection, select, selected_spikes
from hhsim.recording.writer import Positions, Recorder

__all__ = [
    "ForeignRecording",
    "Given",
    "Positions",
    "Recorder",
    "Recording",
    "Recovered",
    "Selection",
    "Spikes",
    "Trace",
    "TraceColumns",
    "check_output",
    "open_any",
    "open_pair",
    "open_recording",
    "recover",
    "select",
    "selected_spikes",
]
