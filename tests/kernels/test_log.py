"""The log of spikes holds whatever fires, however long the delays reach back."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import CONFIGS

from hhsim.config import load
from hhsim.engines import host
from hhsim.simulation.simulation import Simulation

SMALL = [
    "population.exc.size=200",
    "population.inh.size=100",
    "record.trace=[]",
    'run.duration="30 ms"',
    'cell.hh.spike.threshold="-500 mV"',  # every cell fires at every step
    'cell.hh.spike.refractory="0 ms"',
]


@pytest.mark.parametrize("room", [0, host.LOG_SPIKES])
@pytest.mark.parametrize("delay", ["0 ms", "0.3 ms", "20 ms"])
@pytest.mark.parametrize("threads", [1, 2])
def test_every_cell_may_fire_at_every_step(monkeypatch, room, delay, threads):
    monkeypatch.setattr(host, "LOG_SPIKES", room)
    delays = [f'projection.{i}.delay="{delay}"' for i in (0, 1)]
    model = load(CONFIGS / "coba.toml", [*SMALL, *delays]).model
    run = Simulation(model, threads)
    run.compile()
    found = []
    while run.step < model.run.steps:
        chunk = run.advance()
        log = run.engine.host.network.log
        assert log.ends.max() <= log.lanes.shape[1]
        found.append(np.bincount(chunk.spikes["exc"][0] - chunk.first_step, minlength=chunk.steps))
    assert (np.concatenate(found) == 200).all()
    assert run.spike_counts == {"exc": 200 * 300, "inh": 100 * 300}
