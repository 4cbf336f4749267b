"""Spikes and reports of other programs, read like recordings."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import hhsim
from hhsim.cli import main
from hhsim.errors import FileFailed, SelectionRefused
from hhsim.recording import open_pair

TIMES = [5.0, 1.0, 9.5, 3.0, 7.0]
IDS = [2, 0, 1, 0, 2]
ORDERED = [(1.0, 0), (3.0, 0), (5.0, 2), (7.0, 2), (9.5, 1)]

pytestmark = pytest.mark.filterwarnings("ignore::hhsim.errors.HhsimWarning")


def spikes(
    path: Path,
    times: Any = TIMES,
    ids: Any = IDS,
    *,
    group: str = "spikes/x",
    key: str = "node_ids",
    time_type: str = "f8",
    id_type: str = "u8",
    units: str | None = None,
    sorting: Any = None,
    **how: Any,
) -> Path:
    with h5py.File(path, "a") as file:
        home = file.require_group(group)
        source = home.create_dataset("timestamps", data=np.array(times, time_type), **how)
        home.create_dataset(key, data=np.array(ids, id_type), **how)
        if units is not None:
            source.attrs["units"] = units
        if sorting is not None:
            home.attrs["sorting"] = sorting
    return path


def exported(path: Path, *options: str) -> list[tuple[float, int]]:
    target = path.with_suffix(".csv")
    assert main(["export-spikes", str(path), "--format", "csv", "--force", *options]) == 0
    with target.open() as file:
        return [(float(row["time_ms"]), int(row["node"])) for row in csv.DictReader(file)]


@pytest.mark.parametrize(
    "how",
    [
        {"id_type": "u4"},
        {"id_type": "i8", "units": "milliseconds"},
        {"id_type": "f8"},
        {"time_type": "f4", "sorting": "by_id"},
        {"times": np.array(TIMES) / 1000, "units": "s"},
        {"sorting": np.uint8(1)},
        {"compression": "gzip", "shuffle": True, "chunks": (2,)},
        {"compression": "lzf", "chunks": (2,)},
        {"group": "spikes", "key": "gids"},
        {"group": "spikes"},
    ],
)
def test_every_layout_holds_the_same_spikes(tmp_path: Path, how: dict[str, Any]) -> None:
    path = spikes(tmp_path / "s.h5", **how)
    assert exported(path) == ORDERED
    for command in ("stats", "info", "plot"):
        assert main([command, str(path)]) == 0
    assert (
        main(["diff", str(path), str(spikes(tmp_path / "plain.h5", group=how.get("group", "spikes/x")))]) == 0
    )


def test_statistics_count_the_cells_that_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = spikes(tmp_path / "s.h5")
    assert main(["stats", str(path), "--json", "--duration", "1 s", "--size", "x=10"]) == 0
    told = json.loads(capsys.readouterr().out)["populations"]["x"]
    assert (told["cells"], told["spikes"], told["rate_hz"]) == (10, 5, pytest.approx(0.5))
    assert told["silent_fraction"] == pytest.approx(0.7)


def test_sparse_ids_stay_ids(tmp_path: Path) -> None:
    path = spikes(tmp_path / "s.h5", ids=[2_000_000_000, 7, 500, 7, 2_000_000_000])
    last = 2_000_000_000
    assert exported(path) == [(1.0, 7), (3.0, 7), (5.0, last), (7.0, last), (9.5, 500)]
    assert exported(path, "--nodes", "7:501") == [(1.0, 7), (3.0, 7), (9.5, 500)]
    with hhsim.open(path) as opened:
        assert opened.populations == {"x": 3}
    assert (
        main(["stats", str(path)]) == main(["plot", str(path)]) == main(["diff", str(path), str(path)]) == 0
    )


def test_a_spike_at_the_very_beginning_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = spikes(tmp_path / "s.h5", times=[0.0, 1.0, 2.0, 3.0, 4.0])
    assert main(["stats", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["populations"]["x"]["spikes"] == 5
    assert main(["diff", str(path), str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["spikes"]["x"]["whole"]["both"] == 5


def test_one_moved_spike_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = spikes(tmp_path / "a.h5"), spikes(tmp_path / "b.h5", times=[5.0, 1.0, 9.5, 3.2, 7.0])
    assert main(["diff", str(a), str(b), "--json"]) == 7
    first = json.loads(capsys.readouterr().out)["spikes"]["x"]["first"]
    assert (first["t_ms"], first["node"], first["only_in"]) == (pytest.approx(3.0), 0, "A")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ids": [2, 0, -1, 0, 2], "id_type": "i8"}, "row 2 of /spikes/x/node_ids: -1"),
        ({"ids": [2, 0.5, 1, 0, 2], "id_type": "f8"}, "row 1 of /spikes/x/node_ids: 0.5"),
        ({"times": [5, 1, 9, np.nan, 7]}, "row 3 of /spikes/x/timestamps: nan"),
        ({"times": [5, 1, 9, 3, -7]}, "row 4 of /spikes/x/timestamps: -7.0"),
        ({"times": [5, 1, 9, 3e12, 7]}, "row 3 of /spikes/x/timestamps: 3000000000000.0 is no time"),
        (
            {"times": [5, 2e9, 9, 3, 7], "units": "s"},
            "row 1 of /spikes/x/timestamps: 2000000000.0 is no time",
        ),
        ({"times": [5, 1, 9, 3, 1.6e308]}, "row 4 of /spikes/x/timestamps: 1.6e+308"),
        ({"units": "parsec"}, "parsec"),
    ],
)
def test_what_is_no_spike_is_refused(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    with pytest.raises(FileFailed, match=re.escape(words)):
        hhsim.open(spikes(tmp_path / "s.h5", **change))


def test_statistics_of_years_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A far spike is no error by itself: counts in bins of 1 ms up to it would fill the memory."""
    path = spikes(tmp_path / "s.h5", times=[5.0, 1.0, 9.5, 1e9, 7.0])
    assert main(["info", str(path)]) == main(["plot", str(path)]) == 0
    assert main(["stats", str(path)]) == 2
    assert "take a part with --start and --stop" in capsys.readouterr().err
    assert main(["stats", str(path), "--stop", "1 s"]) == 0


def test_a_cell_that_fires_at_one_time_alone_has_no_cv(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All its intervals are 0; the cv of others is told."""
    regular = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
    path = spikes(tmp_path / "s.h5", times=[4.0] * 7 + regular, ids=[0] * 7 + [1] * 7)
    assert main(["stats", str(path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["populations"]["x"]
    assert told["cv"] == told["lv"] == pytest.approx(0, abs=1e-9)


def test_what_is_given_must_fit(tmp_path: Path) -> None:
    path = spikes(tmp_path / "s.h5")
    for given in ({"duration_ms": 5.0}, {"sizes": {"x": 2}}, {"sizes": {"y": 2}}, {"dt_ms": 2.0}):
        with pytest.raises(SelectionRefused):
            hhsim.open(path, **given)


def test_a_report_gives_somata(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "r.h5"
    values = np.arange(20.0).reshape(4, 5)
    with h5py.File(path, "w") as file:
        home = file.create_group("report/x")
        home.create_dataset("data", data=values).attrs["units"] = "mV"
        home["mapping/node_ids"] = np.array([7, 3], "u8")
        home["mapping/index_pointers"] = np.array([0, 3, 5], "u8")
        home["mapping/element_ids"] = np.array([1, 0, 2, 0, 1], "u4")
        home["mapping/time"] = [0.1, 0.5, 0.1]
        home["mapping/time"].attrs["units"] = "s"
    with hhsim.open(path) as opened:
        trace = opened.trace("x")
        assert trace.nodes.tolist() == [3, 7]
        assert trace.data.tolist() == values[:, [3, 1]].tolist()
        assert trace.t_ms.tolist() == pytest.approx([100, 200, 300, 400])
    for command in (["info"], ["stats"], ["plot"], ["diff", str(path)]):
        assert main([*command, str(path)]) == 0
    capsys.readouterr()
    assert main(["export-spikes", str(path), "--format", "csv"]) == 2
    assert "no spikes were recorded" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["rerun"], ["recover"], ["info", "--config"]])
def test_what_only_a_recording_can_do_is_refused(tmp_path: Path, command: list[str]) -> None:
    assert main([*command, str(spikes(tmp_path / "s.h5"))]) == 5


def test_two_files_of_others_last_as_long_as_the_longer(tmp_path: Path) -> None:
    a, b = spikes(tmp_path / "a.h5"), spikes(tmp_path / "b.h5", times=[5, 1, 30, 3, 7])
    with open_pair(a, b) as (first, second):
        assert first.duration_ms == second.duration_ms == 30


def test_missing_populations_list_those_there_are(tmp_path: Path) -> None:
    with (
        hhsim.open(spikes(tmp_path / "s.h5")) as opened,
        pytest.raises(KeyError, match=r"no spikes of exc.*x"),
    ):
        opened.spikes["exc"]
