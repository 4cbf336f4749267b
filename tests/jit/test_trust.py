"""Whose compiled code is run: this user's and root's, and nobody's who could write where it lies."""

from __future__ import annotations

import grp
import hashlib
import io
import os
import pickle
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from hhsim.errors import HhsimWarning
from hhsim.jit import options as jit
from hhsim.system import trust

NOBODY = pwd.getpwnam("nobody").pw_uid
root_alone = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with something in it, which is trusted."""
    monkeypatch.delenv(trust.GROUP, raising=False)
    inner = tmp_path / "cache" / "key" / "numba"
    trust.make(inner)
    (inner / "kernel.nbi").write_bytes(b"code")
    for path in (inner / "kernel.nbi", inner, inner.parent, tmp_path / "cache", tmp_path):
        path.chmod(path.stat().st_mode & ~0o022)
    assert trust.reason_against(inner.parent) is None
    return inner.parent


PLACES = ["", "numba", "numba/kernel.nbi", "..", "../.."]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("mode", "who"), [(0o020, "group "), (0o002, "everybody ")])
def test_where_others_can_write_nothing_is_believed(folder, place, mode, who) -> None:
    path = folder / place
    path.chmod(path.stat().st_mode | mode)
    if mode == 0o020 and path.stat().st_gid == os.getgid():
        os.chown(path, -1, other_group())
    reason = trust.reason_against(folder)
    assert reason is not None
    assert who in reason
    assert "can write to" in reason


def other_group() -> int:
    """A group that is not this user's private one."""
    others = [NOBODY] if os.geteuid() == 0 else [each for each in os.getgroups() if each != os.getgid()]
    if not others:
        pytest.skip("this user is in one group alone")
    return others[0]


@root_alone
@pytest.mark.parametrize("place", PLACES)
def test_what_belongs_to_another_user_is_not_believed(folder, place) -> None:
    os.chown(folder / place, NOBODY, -1)
    reason = trust.reason_against(folder)
    assert reason is not None
    assert "belongs to nobody" in reason


@pytest.mark.parametrize("place", ["numba/link.nbi", "link"])
def test_a_link_is_not_believed(folder, place) -> None:
    (folder / place).symlink_to("/etc/hostname" if "." in place else "/etc")
    reason = trust.reason_against(folder)
    assert reason is not None
    assert "is a link" in reason


def test_a_folder_like_tmp_may_be_above_a_cache(folder) -> None:
    folder.parent.chmod(0o1777)
    assert trust.reason_against(folder) is None
    folder.parent.chmod(0o755)
    folder.chmod(0o1777)  # but within it, anybody could lay down code
    assert trust.reason_against(folder) is not None


def test_a_group_is_trusted_where_the_user_says_so(folder, monkeypatch) -> None:
    group = other_group()
    for path in (folder, folder / "numba", folder / "numba" / "kernel.nbi"):
        os.chown(path, NOBODY if os.geteuid() == 0 else -1, group)
        path.chmod(path.stat().st_mode | 0o020)
    assert trust.reason_against(folder) is not None
    for name in (str(group), grp.getgrgid(group).gr_name):
        monkeypatch.setenv(trust.GROUP, name)
        assert trust.reason_against(folder) is None
    (folder / "numba").chmod(0o777)
    assert trust.reason_against(folder) is not None
    monkeypatch.setenv(trust.GROUP, "nobody-knows-it")
    assert trust.reason_against(folder) is not None


def test_what_is_made_belongs_to_its_user_alone_whatever_the_umask(tmp_path, monkeypatch) -> None:
    monkeypatch.delenv(trust.GROUP, raising=False)
    before = os.umask(0)
    try:
        trust.make(tmp_path / "a" / "b")
        (tmp_path / "file").touch()
        trust.tighten(tmp_path / "file")
        jit.cache_folder.__wrapped__()
    finally:
        os.umask(before)
    for path in (tmp_path / "a", tmp_path / "a" / "b", tmp_path / "file"):
        assert not path.stat().st_mode & 0o022
    assert trust.reason_against(tmp_path / "a" / "b") is None


@pytest.mark.parametrize("place", ["..", "", "numba"])
def test_an_untrusted_cache_is_a_warning_and_a_cache_of_ones_own(tmp_path, monkeypatch, place) -> None:
    monkeypatch.setenv("HHSIM_CACHE_DIR", str(tmp_path / "shared"))
    monkeypatch.delenv(trust.GROUP, raising=False)
    asked = jit.cache_folder.__wrapped__()
    trust.make(asked / "numba")
    (asked / place).chmod(0o777)
    with pytest.warns(HhsimWarning, match=r"not trusted \(everybody can write to .*of your own") as warned:
        instead = jit.cache_folder.__wrapped__()
    assert len(warned) == 1
    assert "\n" not in str(warned[0].message)
    assert not instead.is_relative_to(tmp_path)
    assert instead.stat().st_mode & 0o777 == 0o700
    assert list((asked / "numba").iterdir()) == []


PROGRAM = "import own_kernel; print(own_kernel.twice(4), dict(own_kernel.twice.stats.cache_hits))"


class Poison:
    def __reduce__(self):
        return (os.system, ("echo POISONED",))


def poison(path: Path) -> None:
    """Put code into an index file of the cache, with a checksum that fits."""
    version = pickle.load(io.BytesIO(path.read_bytes()))
    body = pickle.dumps(version) + pickle.dumps(Poison())
    path.write_bytes(body + hashlib.sha256(body).digest())


@root_alone
@pytest.mark.parametrize("given", ["folder", "file"])
def test_code_of_another_user_does_not_run(tmp_path, given) -> None:
    source = tmp_path / "own_kernel.py"
    source.write_text(
        "from hhsim.jit.options import compiled\n\n\n@compiled\ndef twice(x):\n    return 2 * x\n"
    )
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    environment = {
        **os.environ,
        "HHSIM_CACHE_DIR": str(shared),
        "PYTHONPATH": f"{tmp_path}:{Path(jit.__file__).parents[2]}",
    }
    environment.pop(trust.GROUP, None)

    def run() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", PROGRAM]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)

    run()
    assert run().stdout.startswith("8 {(int64,): 1}"), run().stderr  # from the cache
    (index,) = shared.rglob("*.nbi")
    poison(index)
    assert "POISONED" in run().stdout  # one's own code is believed: what follows is not so for another reason
    poisoned = index.read_bytes()
    for path in [index] if given == "file" else [*shared.iterdir(), *shared.rglob("*")]:
        os.chown(path, NOBODY, -1)
    done = run()
    assert "POISONED" not in done.stdout + done.stderr
    assert done.stdout.startswith("8 {}")  # compiled once more
    assert done.stderr.count("belongs to nobody") == 1
    assert index.read_bytes() == poisoned


@root_alone
def test_a_file_that_became_another_users_after_the_look_is_as_if_it_were_not_there(
    tmp_path, monkeypatch
) -> None:
    monkeypatch.delenv(trust.GROUP, raising=False)
    path = tmp_path / "file"
    path.write_bytes(b"x")
    for owner, ours in ((0, True), (NOBODY, False)):
        os.chown(path, owner, -1)
        with path.open("rb") as file:
            assert trust.is_ours(os.fstat(file.fileno())) == ours
