"""Files that were damaged in any way: a clear error or the truth; never a crash, a hang or a traceback.

Whatever may kill a process, the HDF5 library before all, runs in one of its own. A failure names the number
from which its damage can be made again.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import h5py
import numpy as np
import pytest
from conftest import CONFIGS
from hypothesis import example, given, settings
from hypothesis import strategies as st
from places import SUPPORT, TESTS
from recordings import write

import hhsim
from hhsim.cli import main
from hhsim.config.load import MOST_BYTES
from hhsim.errors import FileFailed
from hhsim.recording import Recording, open_recording, select
from hhsim.recording.plausible import check_frames, check_sizes, check_times
from hhsim.recording.selection import selected_spikes

PATHS = [str(CONFIGS.parent), str(TESTS), str(SUPPORT), str(Path(__file__).parent)]
MOST_SECONDS = 120  # for all files of a test

CHILD = """
import contextlib, io, json, os, sys
sys.path[:0] = json.loads(sys.argv[1])
from pathlib import Path
from hhsim.cli import main
from test_fuzz import damage
for case in json.loads(sys.argv[2]):
    for file in Path("whole").iterdir():
        Path(file.name).write_bytes(file.read_bytes())
    path = Path(case["file"])
    path.write_bytes(damage(path.read_bytes(), case["number"]))
    os.utime(path, (1, 1))
    for arguments in case["commands"]:
        print(json.dumps([case["number"], case["file"], arguments]), flush=True)
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(arguments)
        print(json.dumps([code, out.getvalue(), err.getvalue()]), flush=True)
"""


def damage(whole: bytes, number: int) -> bytes:
    """The file cut off, or with some bits and bytes changed, most of them near what HDF5 lives by."""
    rng = random.Random(number)
    data = bytearray(whole)
    if rng.random() < 0.12:
        return bytes(data[: rng.randrange(len(data))])
    structures = [match.start() for match in re.finditer(b"TREE|SNOD|HEAP|GCOL", whole)] or [0]
    near = rng.random() < 0.7
    for _ in range(rng.choice([1, 1, 1, 2, 4, 16])):
        at = rng.choice(structures) + rng.randrange(-700, 700) if near else rng.randrange(len(data))
        at = min(max(at, 0), len(data) - 1)
        data[at] = rng.choice([data[at] ^ 1 << rng.randrange(8), 0, 255, rng.randrange(256)])
    if rng.random() < 0.2:  # as after a loss of power
        at = min(max(rng.choice(structures) + rng.randrange(-64, 700), 0), len(data) - 1)
        end = min(len(data), at + rng.choice([8, 64, 512]))
        data[at:end] = bytes(end - at)
    return bytes(data)


def survive(folder: Path, cases: list[dict[str, object]], allowed: set[int]) -> list[tuple[list, list]]:
    """Run the commands of each case on its damaged file; all that was asked, and what was answered."""
    line = [sys.executable, "-c", CHILD, json.dumps(PATHS)]
    environment = os.environ | {"NO_COLOR": "1"}
    done = subprocess.run(
        [*line, json.dumps(cases)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=MOST_SECONDS,
    )
    told = [json.loads(text) for text in done.stdout.splitlines()]
    assert done.returncode == 0, (done.returncode, told[-1], done.stderr[-2000:])
    pairs = list(zip(told[::2], told[1::2], strict=True))
    for asked, (code, _, err) in pairs:
        assert code in allowed, (asked, code, err)
        assert "Traceback" not in err
        assert (code in (0, 7)) or err.startswith("hhsim: ") or ".toml" in err, (asked, err)
    return pairs


# Configs

TOKEN = re.compile(rb'[A-Za-z_]+|\d+|"[^"]*"|\s+|.', re.S)
TOKENS = TOKEN.findall((CONFIGS / "coba.toml").read_bytes())
JUNK = [
    *(b'"', b"'''", b'"""', b"[", b"]", b"{", b"}", b"=", b".", b"#", b"\n", b"\r", b"\x00", b"\xff"),
    *(b"\xc3\xa9", b"1e999", b"nan", b"-inf", b"9" * 400, b"9" * 5000, b"0x7f", b"1979-05-27", b"07:32:00"),
    *(b"true", b"[]", b"{}", b"-", b'""', b'"../x"', b"[" * 3000, b"{a=" * 300, b"a." * 5000, b"\\u0000"),
    *(b"\xef\xbb\xbf", b'"1e399 nS"', b'"(((( nS"', b'"1 nS^999999999"', b'"nS**nS**nS"', b'"5 m\xc2\xb2"'),
    *(b'"1 ' + b"s*" * 999 + b's"',),
]  # fmt: skip
CHANGES = st.tuples(
    st.sampled_from(["delete", "junk", "insert", "copy", "flip"]),
    st.integers(0, len(TOKENS) - 1),
    st.integers(0, 10**6),
)


@settings(max_examples=200, deadline=5000)
@example([("junk", 40, JUNK.index(b"[" * 3000))])
@given(st.lists(CHANGES, min_size=1, max_size=6))
def test_a_damaged_config_is_refused_or_understood(tmp_path_factory, changes) -> None:
    tokens = list(TOKENS)
    for how, at, number in changes:
        if how == "delete":
            tokens[at] = b""
        elif how == "junk":
            tokens[at] = JUNK[number % len(JUNK)]
        elif how == "insert":
            tokens[at] += JUNK[number % len(JUNK)]
        elif how == "copy":
            tokens[at] = TOKENS[number % len(TOKENS)]
        elif tokens[at]:
            byte = number // 8 % len(tokens[at])
            flipped = tokens[at][byte] ^ 1 << number % 8
            tokens[at] = tokens[at][:byte] + bytes([flipped]) + tokens[at][byte + 1 :]
    path = tmp_path_factory.getbasetemp() / "damaged.toml"
    path.write_bytes(b"".join(tokens))
    assert main(["validate", str(path), "--json"]) in (0, 3)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a=" + b"[" * 5000, "nested too deeply"),
        (b"a=" + b"9" * 5000, "a number that is too long"),
        (b'[run]\nduration="' + b"9" * 5000 + b' s"', "5,002 characters is no quantity"),
        (b"y." * 150_000 + b"y=1", "more than 1000 dots in a line"),
        (b"\n".join(b"k%d=1" % i for i in range(50_000)), "mistakes in the config"),
        (b"[[projection]]\n" * 10_000, "mistakes"),
    ],
)
def test_no_config_takes_long_to_refuse(command, content, words) -> None:
    """Lengths for which a step that grows with the square of them would take minutes."""
    Path("long.toml").write_bytes(content)
    result = command("validate", "long.toml")
    assert result.code == 3
    assert words in result.err


def test_what_is_far_too_long_for_a_config_is_not_read(command) -> None:
    Path("long.toml").write_bytes(b"#" * (MOST_BYTES + 1))
    for path, reason in (
        ("long.toml", "is no config: it has more than 1 MiB"),
        ("/dev/zero", "is a device, not a file"),
    ):
        result = command("validate", path)
        assert (result.code, result.err) == (5, f"hhsim: {path}: {reason}\n")


# Edges and cells


@pytest.fixture(scope="module")
def circuit(small, tmp_path_factory) -> Path:
    """The small network as files, each synapse with a weight and a delay of its own."""
    folder = tmp_path_factory.mktemp("circuit")
    settings = [
        'projection.0.weight={normal=["6 nS", "1 nS"]}',
        'projection.0.delay={uniform=["0 ms", "2 ms"]}',
    ]
    options = [option for setting in settings for option in ("--set", setting)]
    assert main(["export", str(small), "-o", str(folder), *options]) == 0
    (folder / "whole").mkdir()
    for name in ("edges.h5", "nodes.h5"):
        shutil.copy(folder / name, folder / "whole" / name)
    return folder


def test_damaged_edges_and_cells_are_refused_or_taken_as_they_are(circuit, small_run) -> None:
    run = ["run", "config.toml", "-q", "-o", "out.h5", "--force", "--duration", "0.2 ms", "--threads", "1"]
    cases = [
        {"number": number, "file": ("edges.h5", "nodes.h5")[number % 2], "commands": [run]}
        for number in range(36)
    ]
    codes = Counter(code for _, (code, _, _) in survive(circuit, cases, {0, 4, 5, 6}))
    assert codes[0] > 5  # some are whole enough
    assert codes[5] > 5


def edges_of(path: Path, rows: int) -> None:
    with h5py.File(path, "w") as file:
        for name, population in (("source", "exc"), ("target", "inh")):
            place = f"edges/exc__inh/{name}_node_id"
            file.create_dataset(place, (rows,), np.uint64, chunks=(min(rows, 2**20),))
            file[place].attrs["node_population"] = population


@pytest.mark.parametrize("rows", [2**40, 2**60])
def test_edges_that_are_said_to_be_there_take_no_memory(command, small, rows) -> None:
    """The file has some KiB: chunks that were never written read as zeros."""
    Path("small.toml").write_text(small.read_text())
    edges_of(Path("edges.h5"), rows)
    rule = 'projection.0.rule={file="edges.h5", edges="exc__inh"}'
    result = command("run", "small.toml", "--set", rule, "--set", 'projection.0.target="inh"')
    assert result.code == 5
    assert "bytes, more than the file has" in result.err


def test_columns_of_another_length_are_refused(command, small) -> None:
    Path("small.toml").write_text(small.read_text())
    edges_of(Path("edges.h5"), 3)
    with h5py.File("edges.h5", "r+") as file:
        file.create_dataset("edges/exc__inh/edge_group_id", (2**60,), np.uint64, chunks=(2**20,))
    rule = 'projection.0.rule={file="edges.h5", edges="exc__inh"}'
    result = command("run", "small.toml", "--set", rule, "--set", 'projection.0.target="inh"')
    assert result.code == 5
    assert "edge_group_id claims 9,223,372,036,854,775,808 bytes, more than the file has" in result.err


# Outputs


@pytest.fixture(scope="module")
def recorded(small, tmp_path_factory) -> Path:
    """A run with two files that was stopped half way, and its checkpoint."""
    folder = tmp_path_factory.mktemp("recorded")
    text = small.read_text()
    trace = '\n[[record.trace]]\npopulation = "exc"\nvariable = "na.m"\nnodes = [0, 5]\nevery = "1 ms"\n'
    (folder / "config.toml").write_text(text + trace)
    config, whole = folder / "config.toml", folder / "whole"
    whole.mkdir()
    for output in (whole / "out.h5", folder / "other.h5"):
        hhsim.run(config, output=output, threads=1, duration="50 ms", checkpoint_every_s=1e6)
    return folder


def commands_on(number: int) -> list[list[str]]:
    all_of_them = [
        ["info", "out.h5", "--json"],
        ["stats", "out.h5", "--json"],
        ["recover", "out.h5"],
        ["diff", "out.h5", "other.h5"],
        ["export-spikes", "out.h5", "--format", "npz", "--force"],
        ["plot", "out.h5", "-o", "figure.png", "--force"],
    ]
    return [all_of_them[0], all_of_them[1 + number % (5 if number % 4 else 6)]]


def test_a_damaged_output_is_refused_or_read(recorded) -> None:
    """And where its spikes are others than were written, `info` says so."""
    with open_recording(recorded / "whole/out.h5") as recording:
        wanted = dict(recording.checksums)
    cases = [
        {
            "number": number,
            "file": "out.na.m.h5" if number % 5 == 4 else "out.h5",
            "commands": commands_on(number),
        }
        for number in range(40)
    ]
    codes: Counter[tuple[str, int]] = Counter()
    for asked, (code, out, _) in survive(recorded, cases, {0, 5, 7}):
        codes[asked[2][0], code] += 1
        if asked[2][0] == "info" and code != 5:
            for name, told in json.loads(out)["populations"].items():
                assert told["agrees"] == (told["checksum"] == told["stored_checksum"])
                if told["checksum"] != wanted[name]:
                    assert not told["agrees"], asked
    assert codes["info", 0] > 5
    assert codes["info", 5] > 5


def test_a_run_goes_on_from_damaged_files_to_the_same_bits_or_not_at_all(recorded, small_run) -> None:
    resume = [["run", "config.toml", "-q", "--resume", "--json", "--threads", "1"]]
    files = ("out.h5", "out.h5", "out.na.m.h5", "out.checkpoint")
    cases = [{"number": number, "file": files[number % 4], "commands": resume} for number in range(28)]
    codes: Counter[int] = Counter()
    for asked, (code, out, _) in survive(recorded, cases, {0, 3, 5}):
        codes[code] += 1
        if code == 0:
            assert json.loads(out)["spikes_sha256"] == small_run.spikes_sha256, asked
    assert codes[0] > 5
    assert codes[5] > 5


def test_rows_that_are_said_to_be_there_take_no_memory(recorded, tmp_path) -> None:
    for place, shape in (
        ("spikes/exc/timestamps", (2**60,)),
        ("report/exc/data", (2**50, 10)),
    ):
        path = tmp_path / "out.h5"
        shutil.copy(recorded / "whole/out.h5", path)
        with h5py.File(path, "r+") as file:
            file[place].resize(shape)
            if "spikes" in place:
                file["spikes/exc/node_ids"].resize(shape)
        with pytest.raises(FileFailed, match="more than the file has"), open_recording(path) as recording:
            recording.trace("exc")


def test_zeros_where_texts_were_are_no_trap(recorded, tmp_path) -> None:
    """HDF5 2.0 would look for the next text at the same place for ever, and no signal would end it."""
    whole = (recorded / "whole/out.h5").read_bytes()
    at = whole.index(b"GCOL") + 16
    path = tmp_path / "out.h5"
    path.write_bytes(whole[:at] + bytes(512) + whole[at + 512 :])
    os.utime(path, (1, 1))
    with pytest.raises(FileFailed, match="zeros where texts were"):
        open_recording(path)


def test_values_of_types_that_nobody_writes_are_not_read(recorded, tmp_path) -> None:
    """HDF5 2.0 ends the process when it converts them; here they are only declared, as damage would."""
    bent = h5py.h5t.IEEE_F64LE.copy()
    bent.set_fields(63, 51, 12, 0, 51)  # one bit more of exponent, one less of mantissa
    path = tmp_path / "out.h5"
    for name, kind in (("device", h5py.vlen_dtype(np.int8)), ("dt_ms", bent)):
        shutil.copy(recorded / "whole/out.h5", path)
        with h5py.File(path, "r+") as file:
            del file["hhsim"].attrs[name]
            if name == "device":
                kind = h5py.h5t.py_create(kind, logical=True)
            h5py.h5a.create(file["hhsim"].id, name.encode(), kind, h5py.h5s.create(h5py.h5s.SCALAR))
        with pytest.raises(FileFailed, match="values of no known type"):
            open_recording(path)


SPIKES = {"exc": [(i, i % 7) for i in range(20)]}
OF_NO_RUN = [
    *(("timestamps", i, value) for i in (0, 10, 19) for value in (np.nan, np.inf, -1.0, 0.0, 1e300)),
    ("timestamps", 10, 0.5),  # before the one before
    ("timestamps", 19, 100.2),  # after the end of the run
    *(("node_ids", i, value) for i in (0, 19) for value in (7, 2**31, 2**63, 2**64 - 1)),
]


@pytest.mark.parametrize(("column", "row", "value"), OF_NO_RUN)
def test_spikes_that_no_run_can_have_written_are_refused_by_all_that_read_them(
    tmp_path, column, row, value
) -> None:
    path = write(tmp_path / "out.h5", SPIKES)
    with h5py.File(path, "r+") as file:
        file[f"spikes/exc/{column}"][row] = value

    def pieces(recording: Recording) -> None:
        list(recording.spikes["exc"].pieces())

    def arrays(recording: Recording) -> None:
        spikes = recording.spikes["exc"]
        assert len(spikes.times_ms if column == "timestamps" else spikes.nodes) == 20

    def steps(recording: Recording) -> None:
        assert column == "node_ids" or len(recording.spikes["exc"].steps) == 20
        pieces(recording)

    def selected(recording: Recording) -> None:
        choice = select(recording, start_ms=0.0, stop_ms=100.0, nodes=(0, 7))
        list(selected_spikes(recording, "exc", choice))

    def of_all_cells(recording: Recording) -> None:
        list(selected_spikes(recording, "exc", select(recording)))

    def compared(recording: Recording) -> None:
        list(recording.spikes["exc"].pieces())

    for read in (pieces, arrays, steps, selected, of_all_cells, compared):
        with open_recording(path) as recording, pytest.raises(FileFailed):
            read(recording)


@pytest.mark.parametrize(("column", "row", "value"), [OF_NO_RUN[1], OF_NO_RUN[8], OF_NO_RUN[-1]])
def test_commands_refuse_such_spikes_and_info_tells_of_them(command, column, row, value) -> None:
    path = write(Path("out.h5"), SPIKES)
    shutil.copy(path, "other.h5")
    with h5py.File(path, "r+") as file:
        file[f"spikes/exc/{column}"][row] = value
    for line in (
        "stats out.h5",
        "plot out.h5",
        "export-spikes out.h5 --format csv",
        "diff out.h5 other.h5",
        "recover out.h5",
    ):
        result = command(*line.split())
        assert (result.code, result.out) == (5, ""), line
        assert result.err.startswith("hhsim: out.h5: "), line
    told = json.loads(command("info", "out.h5", "--json").out)["populations"]
    assert "cannot have been written by it" in told["exc"]["fault"]
    assert (told["exc"]["agrees"], told["inh"]["agrees"]) == (False, True)
    assert sorted(each.name for each in Path().iterdir()) == ["other.h5", "out.h5"]


def test_spikes_out_of_order_are_seen_across_pieces_as_well(tmp_path, monkeypatch) -> None:
    path = write(tmp_path / "out.h5", SPIKES)
    monkeypatch.setattr("hhsim.recording.contents.SLAB", 10)
    with open_recording(path) as recording:
        assert [len(times) for times, _ in recording.spikes["exc"].pieces()] == [10, 10]
    with h5py.File(path, "r+") as file:
        file["spikes/exc/timestamps"][10:] = file["spikes/exc/timestamps"][:10]
    with open_recording(path) as recording, pytest.raises(FileFailed, match="cannot have been written by it"):
        list(recording.spikes["exc"].pieces())


def test_a_trace_of_more_frames_than_there_are_numbers_is_refused(tmp_path) -> None:
    path = write(tmp_path / "out.h5", frames=np.zeros((5, 3)))
    with h5py.File(path, "r+") as file:
        file["report/exc/mapping/time"][1:] = (1e308, 1e-308)
        del file["hhsim"].attrs["content_sha256"]  # which would tell at once
    with open_recording(path) as recording, pytest.raises(FileFailed, match="is damaged"):
        recording.trace("exc")


@pytest.mark.parametrize(
    "times",
    [
        (0.0, 1.0, 1.0),
        (float("nan"), 1.0, 1.0),
        (0.1, float("inf"), 1.0),
        (0.1, 1e300, 1.0),
        (0.1, 1.0, 2.0),
        (0.1, 1.0, -1.0),
    ],
)
def test_times_that_no_run_has_are_refused(times) -> None:
    check_times(0.1, 100.0, 100.0)
    with pytest.raises(ValueError, match="ms"):
        check_times(*times)


def test_sizes_and_cells_that_no_run_has_are_refused() -> None:
    config = "[population.exc]\nsize = 5\n"
    check_sizes({"exc": 5, "other": 2}, config)
    for wrong in (0, -1, 2**31, 1.5, "5", 6):
        with pytest.raises(ValueError, match="population exc"):
            check_sizes({"exc": wrong}, config)
    check_frames(0.0, 1.0, 0.1, np.array([0, 3]))
    for times in ((0.0, 1.0, 0.0), (0.0, -1.0, 0.1), (0.0, float("nan"), 0.1), (0.0, 1.0, float("inf"))):
        with pytest.raises(ValueError, match="frames"):
            check_frames(*times, np.array([0]))
    for nodes in ([], [1, 1], [2, 1], [-1], [2**31]):
        with pytest.raises(ValueError, match="cells"):
            check_frames(0.0, 1.0, 0.1, np.array(nodes, np.int64))
