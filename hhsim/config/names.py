"""What things of a config may be called."""

from __future__ import annotations

import re

from hhsim.config.problems import KeyPath, Report

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def check_name(name: str, path: KeyPath, report: Report) -> None:
    """Refuse a name that could not be part of a state's name, of a key path or of a group in a file."""
    if not _NAME.fullmatch(name):
        report.add(path, f'"{name}" is no name: letters, digits and _ alone, and no digit at the start')
