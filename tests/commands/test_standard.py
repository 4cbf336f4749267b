"""hhsim where nobody listens: standard input, output and error closed, full, or a pipe without a reader."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = f"{sys.executable} -m hhsim.cli"
# What a library would do: open a file, then say something on descriptor 2.
LIBRARY = (
    "import os; from hhsim.system.standard import prepare; prepare(); "
    "file = os.open('data', os.O_RDWR | os.O_CREAT);"
    "assert file > 2; os.write(2, b'libgomp: no room'); print('told'); os.write(file, b'own')"
)


def shell(folder: Path, line: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bash", "-c", line], cwd=folder, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-", "<&- 2>&-"])
def test_no_message_of_a_library_lands_in_a_file_of_ours(tmp_path: Path, closed: str) -> None:
    assert shell(tmp_path, f'{sys.executable} -c "{LIBRARY}" {closed}').returncode == 0
    assert (tmp_path / "data").read_bytes() == b"own"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-", "2>/dev/full"])
def test_recording_is_shown_and_the_exit_code_is_true(tmp_path: Path, small_run: object, closed: str) -> None:
    output = small_run.output  # type: ignore[attr-defined]
    found = shell(tmp_path, f"{PROGRAM} info {output} {closed}")
    assert found.returncode == 0
    assert found.stderr == ""
    assert ("complete" in found.stdout) == (">&-" not in closed.replace("2>&-", ""))
    assert shell(tmp_path, f"{PROGRAM} info missing.h5 {closed}").returncode == 5


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_results_that_cannot_be_written_are_an_error(tmp_path: Path, small_run: object) -> None:
    found = shell(tmp_path, f"{PROGRAM} info {small_run.output} >/dev/full")  # type: ignore[attr-defined]
    assert (found.returncode, found.stderr) == (5, "hhsim: standard output: no space left on device\n")


def test_reader_that_wants_no_more_is_none(tmp_path: Path, small_run: object) -> None:
    output = small_run.output  # type: ignore[attr-defined]
    found = shell(tmp_path, f"set -o pipefail; {PROGRAM} info {output} --config | true")
    assert (found.returncode, found.stderr) == (0, "")


def test_names_that_are_no_text_are_told(tmp_path: Path) -> None:
    found = shell(tmp_path, f"{PROGRAM} info $'bad\\xff.h5'")
    assert found.returncode == 5
    assert found.stderr == "hhsim: bad\\udcff.h5: there is no such file\n"
