"""The command line: the commands as one program, and what becomes of their errors."""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

import click

from hhsim import __version__
from hhsim.commands import COMMANDS
from hhsim.errors import (
    ConfigRefused,
    Diverged,
    FailedElsewhere,
    FileFailed,
    GuardStopped,
    HhsimError,
    HhsimWarning,
    Interrupted,
    OutOfTime,
    OutputExists,
    Stopped,
    exit_code_of,
)
from hhsim.system.ranks import may_speak
from hhsim.system.standard import failure, prepare
from hhsim.system.stopping import stoppable

GO_ON = "the output holds everything up to then, and the same command with --resume goes on"
TOLD = (HhsimError, click.ClickException, click.exceptions.Exit)  # as what they are, whatever else happened
CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group(context_settings=CONTEXT)
@click.version_option(__version__, prog_name="hhsim")
@click.pass_context
def cli(context: click.Context) -> None:
    """Simulate networks of Hodgkin-Huxley point neurons.

    \b
    hhsim run configs/coba.toml    simulate; spikes and traces go to out.h5
    hhsim plot out.h5              draw them
    hhsim stats out.h5             rates, variability, synchrony
    hhsim bench --threads 16       how fast is this machine?
    """
    if os.environ.get("NO_COLOR"):
        context.color = False


for command in COMMANDS:
    cli.add_command(command)


def _words(error: HhsimError | Stopped | MemoryError) -> str:
    """What a person needs to know of an error."""
    if isinstance(error, Stopped):
        return "hhsim: interrupted before anything was written"
    if isinstance(error, MemoryError):
        return "hhsim: this machine has not enough memory for the network"
    if isinstance(error, ConfigRefused):
        count = len(error.problems)
        return f"{error}\nhhsim: {count} mistake{'s' if count > 1 else ''} in the config; nothing was run"
    if isinstance(error, OutputExists):
        return f"hhsim: {error}; choose another name, or replace it with --force"
    if isinstance(error, Interrupted):
        return f"hhsim: interrupted at t = {error.t_ms:g} ms; {GO_ON}"
    if isinstance(error, OutOfTime | GuardStopped):
        return f"hhsim: {error}; {GO_ON}"
    if isinstance(error, Diverged):
        return f"hhsim: {error}; the output holds everything up to then"
    return f"hhsim: {error}"


@contextmanager
def _plain_warnings() -> Iterator[None]:
    """Warnings of our own as plain words on stderr, without the place in the code that they come from."""
    with warnings.catch_warnings():
        show = warnings.showwarning

        def tell(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if issubclass(category, HhsimWarning):
                click.echo(f"hhsim: warning: {message}", err=True)
            else:
                show(message, category, filename, lineno, file, line)

        warnings.showwarning = tell
        yield


def _tell(words: str) -> None:
    """One message, on stderr, however many processes were started together."""
    if may_speak():
        click.echo(words, err=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command `hhsim`: runs it and returns its exit code.

    All errors become words on stderr here, and nowhere else. As the program itself, without `arguments`, it
    goes on where nobody listens: with stdin, stdout or stderr closed, full, or a pipe without a reader. Only
    output that cannot be written, but would have been read, is an error (5).
    """
    if arguments is not None:
        return _run(arguments)
    output = prepare()
    code = _run(None)
    reason = failure(output)
    if reason and not code:
        _tell(f"hhsim: standard output: {reason}")
        return exit_code_of(FileFailed("standard output", reason))
    return code


def _run(arguments: Sequence[str] | None) -> int:
    try:
        with stoppable(TOLD, last=arguments is None), _plain_warnings():
            cli.main(arguments, prog_name="hhsim", standalone_mode=False)
    except click.ClickException as error:
        if may_speak():
            error.show()
        return error.exit_code
    except click.exceptions.Exit as request:
        return request.exit_code
    except FailedElsewhere as error:  # the rank that failed tells of it
        return exit_code_of(error)
    except (HhsimError, Stopped, MemoryError) as error:
        _tell(_words(error))
        return exit_code_of(error)
    except Exception:
        traceback.print_exc()
        click.echo("hhsim: this is a mistake in hhsim, not in your config; please report it", err=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
