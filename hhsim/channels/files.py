"""Files of the user's own, which declare channels and receptors."""

from __future__ import annotations

import linecache
import os
import signal
import sys
import traceback
import types
from importlib.util import decode_source
from pathlib import Path
from typing import Any

from hhsim.channels.checks import check, shown
from hhsim.channels.definition import declaring
from hhsim.errors import ChannelRefused, FileFailed, Stopped
from hhsim.system.plainfile import require_plain_file

MOST_BYTES = 1 << 20  # more is some other file
MOST_CHARACTERS = 200  # of a message of the user's code


def declare_from(path: str | os.PathLike[str]) -> None:
    """Execute a Python file, so that the channels and receptors that it declares can be named in a config.

    A file that was executed before replaces what it had declared. Raises FileFailed if it cannot be read,
    ChannelRefused if it cannot be executed or declares what cannot be run; then nothing of it is declared.
    """
    data = _read(path)
    place = os.path.abspath(path)
    with declaring(place) as declarations:
        _execute(data, place)
        for definition in declarations.new():
            check(definition)


def _read(path: str | os.PathLike[str]) -> bytes:
    require_plain_file(path)
    try:
        with Path(path).open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise FileFailed(os.fspath(path), reason) from None
    if len(data) > MOST_BYTES:
        raise FileFailed(os.fspath(path), f"is no file of channels: it has more than {MOST_BYTES >> 20} MiB")
    return data


def _execute(data: bytes, path: str) -> None:
    name = f"hhsim_channels_{Path(path).stem}"
    module = types.ModuleType(name)
    module.__file__ = path
    before = sys.modules.get(name)
    sys.modules[name] = module
    try:
        code = compile(data, path, "exec", dont_inherit=True)
        # Kernels are made from the text that is executed now, whatever becomes of the file.
        lines = [f"{line}\n" for line in decode_source(data).split("\n")]
        linecache.cache[path] = (len(data), None, lines, path)
        exec(code, module.__dict__)
    except Stopped:
        raise
    except BaseException as error:  # whatever a user's file raises: SystemExit, too
        if before is None:
            del sys.modules[name]
        else:
            sys.modules[name] = before
        if isinstance(error, KeyboardInterrupt) and _from_the_keyboard():
            raise
        raise _refusal(error, path) from error


def _from_the_keyboard() -> bool:
    """Whether Ctrl-C raises KeyboardInterrupt: as a library; the command line has its own exception."""
    return signal.getsignal(signal.SIGINT) is signal.default_int_handler


def _refusal(error: BaseException, path: str) -> ChannelRefused:
    line: int | None = None
    if isinstance(error, SyntaxError) and error.filename in (path, None):
        line = error.lineno or None
    else:
        frames: list[Any] = traceback.extract_tb(error.__traceback__)
        line = next((frame.lineno for frame in reversed(frames) if frame.filename == path), None)
    try:
        text = error.msg if isinstance(error, SyntaxError) else str(error)
    except Exception:
        text = ""
    plain = " ".join("".join(c if c.isprintable() else " " for c in text).split())[:MOST_CHARACTERS]
    kind = type(error).__name__
    return ChannelRefused(shown(path), line, f"cannot be executed ({kind}{': ' if plain else ''}{plain})")
