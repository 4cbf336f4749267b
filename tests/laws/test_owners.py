"""What belongs to another output is never touched, even where an output may be replaced."""

from __future__ import annotations

from pathlib import Path

import pytest

from hhsim.errors import FileFailed
from hhsim.recording import Recorder, TraceColumns
from hhsim.recording.owners import check_recording


def record(path: Path) -> None:
    traces = [TraceColumns("exc", "na.m", range(3), 0.1, "1")]
    about = {"dt": 0.1, "duration": 1.0, "resolved_config": "", "facts": {}}
    Recorder(path, populations={"exc": 20}, traces=traces, **about).close(False, 0.0)  # type: ignore[arg-type]


@pytest.mark.parametrize("renamed", [False, True])
@pytest.mark.parametrize("name", ["out.h5", "out.hdf5", "out"])
def test_file_beside_an_output_is_not_replaced_by_another(tmp_path: Path, name: str, renamed: bool) -> None:
    record(tmp_path / name)
    if renamed:
        for path in list(tmp_path.iterdir()):
            path.rename(path.with_name(path.name.replace("out", "other")))
        name = name.replace("out", "other")
    (beside,) = set(tmp_path.iterdir()) - {tmp_path / name}
    with pytest.raises(FileFailed, match=f"belongs to {name}: choose another name"):
        check_recording(beside, (), overwrite=True)
    check_recording(tmp_path / name, ["na.m"], overwrite=True)  # its own may go


@pytest.mark.parametrize(
    "name", ["out.checkpoint", "out.ckpt", "out.checkpoint.previous", "out.ckpt.previous"]
)
def test_no_output_is_called_like_a_checkpoint(command, small, name: str) -> None:
    """A run of `out.h5` or `out` would replace it by its own."""
    result = command("run", small, "-q", "-o", name, "--force")
    assert result.code == 5
    assert "would be called like a checkpoint: choose another name" in result.err
    assert not Path(name).exists()


def test_names_beside_outputs_are_shared_by_none(tmp_path: Path) -> None:
    names = ["out.h5", "out.hdf5", "out"]
    for name in names:
        record(tmp_path / name)
    assert len(list(tmp_path.iterdir())) == 2 * len(names)


def test_link_to_the_output_is_no_place_for_its_trace(tmp_path: Path) -> None:
    (tmp_path / "out.na.m.h5").symlink_to("out.h5")
    with pytest.raises(FileFailed, match=r"is a link to another file of out\.h5"):
        check_recording(tmp_path / "out.h5", ["na.m"], overwrite=True)
