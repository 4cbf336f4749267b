"""Configs: TOML → quantities → one immutable model. The only room that knows pint and pydantic."""

from hhsim.config.compare import Entry, differing_keys
from hhsim.config.describe import describe
from hhsim.config.load import Loaded, load, parse
from hhsim.config.override import sets

__all__ = ["Entry", "Loaded", "describe", "differing_keys", "load", "parse", "sets"]
