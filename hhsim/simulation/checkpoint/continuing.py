"""Whether a run can go on from its checkpoint: to the same bits, or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

from hhsim.config import Loaded, differing_keys
from hhsim.errors import CheckpointRefused
from hhsim.jit import options as jit
from hhsim.kernels.render import render
from hhsim.network.fingerprint import fingerprint
from hhsim.simulation.checkpoint import snapshot, store
from hhsim.simulation.checkpoint.store import Checkpoint
from hhsim.simulation.simulation import Simulation
from hhsim.system.machine import describe_machine, versions

WORDS = ("title",)  # what no number depends on
FREE = ("run.duration", "guards", *WORDS)  # what may be changed on the way


def origin_of(simulation: Simulation) -> dict[str, str]:
    """On what the bits of a run depend beside its config."""
    kernel = hashlib.sha256(render(simulation.structures).encode()).hexdigest()
    code = {"code": jit.source_key(), "kernel": kernel[:16], "processor": describe_machine()["processor"]}
    code["device"] = simulation.device
    return code | {f"versions.{name}": version for name, version in versions().items()}


def check_config(config: str, loaded: Loaded, path: str) -> None:
    """Raise CheckpointRefused if `loaded` is another config than that, as TOML, of the run behind `path`."""
    differences = [
        f"{entry.key}: {_shown(entry.a)} then, {_shown(entry.b)} now"
        for entry in differing_keys(config, loaded.resolved)
        if not entry.key.startswith(FREE)
    ]
    if differences:
        raise CheckpointRefused(path, "the config is another one", differences)


def check_fits(checkpoint: Checkpoint, loaded: Loaded, output: Path) -> None:
    """Raise CheckpointRefused if `loaded` is another config, or ends before the checkpoint."""
    path = str(store.checkpoint_path(output))
    check_config(checkpoint.config, loaded, path)
    run = loaded.model.run
    if run.steps < checkpoint.snapshot.step:
        t_ms = checkpoint.snapshot.step * run.dt
        raise CheckpointRefused(path, f"the run is at {t_ms:g} ms already, beyond {run.duration:g} ms", [])


def _shown(value: object) -> str:
    return "nothing" if value is None else str(value)


def go_on(
    simulation: Simulation, checkpoint: Checkpoint | None, output: Path, note: Callable[[str], None]
) -> None:
    """Put `simulation` where the checkpoint was taken, which rank 0 alone has.

    Raises CheckpointRefused if code, channels or network are others; tells `note` of what may change the last
    bits.
    """
    network = fingerprint(simulation.connections, simulation.exchange.gather)
    if checkpoint is None:
        snapshot.restore(simulation, None)
        return
    path = str(store.checkpoint_path(output))
    now, then = origin_of(simulation), checkpoint.origin
    changed = _changed(then, now)
    if now["code"] != then["code"]:
        raise CheckpointRefused(path, "it was written by another version of the program", changed)
    if now["kernel"] != then["kernel"]:
        raise CheckpointRefused(path, "the channels of its cells were other ones", changed)
    if network != checkpoint.snapshot.network:
        raise CheckpointRefused(path, "the network is another one: an edges file was changed", [])
    try:
        snapshot.restore(simulation, checkpoint.snapshot)
    except (KeyError, ValueError) as error:
        raise CheckpointRefused(path, f"its state does not fit the network ({error})", []) from error
    if changed:
        note(f"spikes may differ in the last bits from those of a run in one go: {'; '.join(changed)}")


def _changed(then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    return [
        f"{name.removeprefix('versions.')} {then.get(name, 'unknown')} then, {value} now"
        for name, value in now.items()
        if then.get(name) != value and name not in ("code", "kernel")
    ]
