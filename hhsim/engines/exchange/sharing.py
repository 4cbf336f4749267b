"""What the ranks of a run have to agree on before it begins."""

from __future__ import annotations

from collections.abc import Callable

from hhsim.config import Loaded, parse
from hhsim.engines.exchange.base import Exchange


def threads_of(exchange: Exchange, threads: int | None) -> int:
    """Threads for each rank: those that are asked for, or else the processors that it may use, shared with
    the ranks that may use the same."""
    from hhsim.jit import options as jit

    if threads is not None:
        return threads
    return max(jit.available_processors() // exchange.sharing, 1)


def shared_config(exchange: Exchange, load: Callable[[], Loaded]) -> Loaded:
    """The config that rank 0 loads, on every rank: the same seed where the config leaves it to chance."""
    loaded = load() if exchange.rank == 0 else None
    if exchange.ranks > 1:
        resolved = exchange.share(loaded.resolved if loaded else "")
        source = exchange.share(loaded.source if loaded else "")
        loaded = loaded or parse(resolved, source=source)
    assert loaded is not None
    return loaded
