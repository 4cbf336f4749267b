"""The commands. Each parses, calls one function and prints; heavy imports stand inside."""

from __future__ import annotations

from hhsim.commands.network import export, kernel, validate
from hhsim.commands.run import run

COMMANDS = (run, validate, export, kernel)

__all__ = ["COMMANDS"]
