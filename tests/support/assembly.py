"""Machine code as text: its innermost loops, and whether this processor has AVX2."""

from __future__ import annotations

import platform
import re
import sys
from pathlib import Path

LABEL = re.compile(r"^(\.\w+):")
JUMP = re.compile(r"^\s+j\w+\s+(\.\w+)")


def has_avx2() -> bool:
    if platform.machine() != "x86_64" or sys.platform != "linux":
        return False
    return " avx2 " in Path("/proc/cpuinfo").read_text()


def innermost_loops(assembly: str) -> list[list[str]]:
    """The lines between a label and a jump back to it, where no such jump is in between."""
    lines = assembly.splitlines()
    labels = {found.group(1): i for i, line in enumerate(lines) if (found := LABEL.match(line))}
    jumps = [
        (labels.get(found.group(1), i + 1), i) for i, line in enumerate(lines) if (found := JUMP.match(line))
    ]
    loops = [(begin, end) for begin, end in jumps if begin <= end]
    inner = [
        (begin, end)
        for begin, end in loops
        if not any((begin, end) != other and begin <= other[0] and other[1] <= end for other in loops)
    ]
    return [lines[begin:end] for begin, end in inner]
