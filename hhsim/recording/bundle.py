"""The HDF5 files of one recording, which change together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import h5py

from hhsim.errors import FileFailed
from hhsim.recording.digest import check_content
from hhsim.recording.journal import Journal, journal_path, replay
from hhsim.recording.storage import Storage
from hhsim.system.failures import damage_errors, file_errors
from hhsim.system.hdf5 import open_plain
from hhsim.system.whole import hidden_name, publish, remove_leftovers

CHUNK_CACHE_BYTES = 1 << 20  # for each dataset: room for the chunks that a flush leaves unfilled


class Bundle:
    """The main file of a recording and those beside it, open for writing and locked against other runs.

    Raises FileFailed where a file cannot be made or opened, or is being written by another run.
    """

    def __init__(self, places: Iterable[Path], run: str, *, existing: bool = False) -> None:
        """New files, under hidden names until `publish`; or `existing` ones, whole after a `replay`."""
        self.main, *_ = self._places = list(dict.fromkeys(places))
        self._storages: dict[Path, Storage] = {}
        self.files: dict[Path, h5py.File] = {}
        self._hidden = {} if existing else {place: hidden_name(place, run) for place in self._places}
        try:
            for place in self._places:
                with file_errors(place):
                    if existing and journal_path(place).exists():
                        replay(place)
                    if existing:
                        _check(place)
                    journal = Journal(place, run)
                    where = self._hidden.get(place, place)
                    try:
                        remove_leftovers(place)
                        self._storages[place] = Storage(where, journal, place, existing=existing)
                    except BaseException:
                        journal.remove()
                        raise
                    self.files[place] = h5py.File(
                        self._storages[place], "r+" if existing else "w", rdcc_nbytes=CHUNK_CACHE_BYTES
                    )
        except BaseException:
            self.give_up()
            raise

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Raise FileFailed if anything within could not be written."""
        with file_errors(self.main):
            yield
        for place, storage in self._storages.items():
            with file_errors(place):
                storage.check()

    def let_h5py_write(self) -> None:
        """Let everything reach the storages, of which nothing is committed."""
        for file in self.files.values():
            file.flush()  # Dataset.flush alone would leave a file that nobody can read

    def commit(self) -> None:
        """Let the files become what was written to them, all at about the same time."""
        with self.writing():
            self.let_h5py_write()
        with self.writing():
            for place, storage in self._storages.items():
                storage.check_place(self._hidden.get(place, place))
        with self.writing():
            for storage in reversed(self._storages.values()):  # the main file last: what it tells of is there
                storage.commit()

    def publish(self, overwrite: bool) -> None:
        """Give new files their names, once the disk has them: a name without a file would be worse."""
        for place, storage in self._storages.items():
            storage.sync()
            with file_errors(place):
                storage.check()
        publish(self._hidden, overwrite)
        self._hidden = {}

    def close(self) -> None:
        """Close the files, and wait for the disk."""
        storages = dict(self._storages)
        for file in self.files.values():
            file.close()
        for storage in reversed(storages.values()):
            storage.commit()
            storage.sync()
            storage.close()
        self.files.clear()
        self._storages.clear()
        for place, storage in storages.items():
            with file_errors(place):
                storage.check()

    def give_up(self) -> None:
        """Close the files as they were before, and remove those that have no name yet."""
        for file in self.files.values():
            with suppress(OSError, RuntimeError, FileFailed):
                file.close()
        for storage in self._storages.values():
            storage.abandon()
        for hidden in self._hidden.values():
            hidden.unlink(missing_ok=True)
        self.files.clear()
        self._storages.clear()


def _check(place: Path) -> None:
    """Raise FileFailed if an existing file cannot be opened without harm, or is not as it was closed."""
    with damage_errors(place), open_plain(place) as file:
        check_content(file)
