"""The laws of `test_cuda_laws` in the CUDA simulator, which Numba decides on as it is imported: hence a
process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec

import pytest
from places import TESTS

pytestmark = pytest.mark.skipif(
    find_spec("numba_cuda") is None, reason="numba-cuda is not installed (pip install 'hhsim[cuda]')"
)


LAWS = TESTS / "kernels" / "test_cuda_laws.py"


def test_every_law_holds_in_the_simulator():
    own = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    answer = subprocess.run(
        [sys.executable, "-m", "pytest", str(LAWS), "-p", "no:cacheprovider"],
        env={**own, "NUMBA_ENABLE_CUDASIM": "1"},
        cwd=TESTS.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    passed = re.search(r"(\d+) passed", answer.stdout)
    assert passed is not None
    assert int(passed.group(1)) >= 18
    assert "skipped" not in answer.stdout
