"""What spike trains tell: rates, intervals, counts, synchrony and spectra, on flat arrays.

`statistics(hhsim.open("out.h5")).populations["exc"].cv` is one figure of the whole table; the other functions
take spikes as they come.

A population's spikes are two arrays of the same length, `times_ms` and `nodes`; nothing here loops over
cells. As in a recording, a window from `start_ms` to `stop_ms` holds its end but not its start. What cannot
be said of too few spikes is NaN in an array and None in a table.
"""

from __future__ import annotations

from hhsim.analysis.counts import population_rate
from hhsim.analysis.intervals import intervals, local_variation, variation
from hhsim.analysis.populations import PopulationStatistics, RecordingStatistics, statistics
from hhsim.analysis.spectrum import Peak, power_spectrum, spectrum_peak

__all__ = [
    "Peak",
    "PopulationStatistics",
    "RecordingStatistics",
    "intervals",
    "local_variation",
    "population_rate",
    "power_spectrum",
    "spectrum_peak",
    "statistics",
    "variation",
]
