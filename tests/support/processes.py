"""Runs of the package in processes of their own, and in a disk of a few MB."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import CONFIGS

MAIN = "import sys; from hhsim.cli import main; sys.exit(main())"
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")} | {
    "PYTHONPATH": os.pathsep.join([str(CONFIGS.parent), *sys.path])
}


def python(code: str, *arguments: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(
        line, cwd=cwd, env=ENVIRONMENT | environment, capture_output=True, text=True, timeout=120
    )


def start(code: str, *arguments: object, cwd: Path, **environment: str) -> subprocess.Popen[str]:
    line = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(
        line,
        cwd=cwd,
        env=ENVIRONMENT | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# A disk of a few MB: a tmpfs in a name space of its own, where mounting needs no rights.

DISK = """
import json, os, subprocess, sys, time
from pathlib import Path
from hhsim.cli import main
from hhsim.simulation.checkpoint import container
disk, config = Path("disk"), sys.argv[-1]
def mount(*options):
    subprocess.run(["mount", "-t", "tmpfs", *options, "none", "disk"], check=True)
def run(*options):
    return main(["run", config, "-q", "-o", "disk/out.h5", "--threads", "1", *options])
def fill():
    with open("disk/ballast", "wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            pass
def sha():
    import hhsim
    return hhsim.open("disk/out.h5").checksums
def tell(*values):
    print(json.dumps(values), flush=True)
"""


def on_a_small_disk(folder: Path, code: str, *arguments: object) -> tuple[list[list], str]:
    """What `code` tells, and its errors; skips where the system does not allow such a disk."""
    (folder / "disk").mkdir()
    prefix = ["unshare", "--user", "--map-root-user", "--mount"]
    probe = [*prefix, "mount", "-t", "tmpfs", "none", str(folder / "disk")]
    try:
        allowed = subprocess.run(probe, capture_output=True, timeout=30).returncode == 0
    except FileNotFoundError:
        allowed = False
    if not allowed:
        pytest.skip("this system lets nobody mount a tmpfs in a name space of their own")
    line = [*prefix, sys.executable, "-c", DISK + code, *map(str, arguments)]
    done = subprocess.run(line, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return [json.loads(text) for text in done.stdout.splitlines() if text.startswith("[")], done.stderr
