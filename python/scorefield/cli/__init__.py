"""The command line: `scorefield COMMAND ...`.

Status 0 if all went well, 2 with one line about what was wrong, 130 after Ctrl-C. Only the files that are named are
written, and no text that is passed is ever executed.
"""

import argparse
import sys
import warnings
from collections.abc import Sequence
from typing import NoReturn

from scorefield._version import __version__
from scorefield.cli import bench, config, demo, evaluate, inspect, sample, train

__all__ = ["main"]

COMMANDS = (demo, train, sample, evaluate, inspect, bench, config)
WRONG_INPUT = (ValueError, TypeError, ImportError, OSError, MemoryError, ArithmeticError)


class Parser(argparse.ArgumentParser):
    """Says in one line what is wrong, without the usage above it."""

    def error(self, message: str) -> NoReturn:
        """End the program with status 2."""
        self.exit(2, f"scorefield: {message}; try '{self.prog} --help'\n")


def main(words: Sequence[str] | None = None) -> int:
    """Run the command that the words (by default those of the shell) say. Returns the exit status."""
    try:
        arguments = parser().parse_args(words)
    except SystemExit as end:  # --help, --version or words that make no sense
        return end.code if isinstance(end.code, int) else 2
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        return _run(arguments)


def parser() -> argparse.ArgumentParser:
    """Give the parser of all commands."""
    root = Parser(prog="scorefield", description="Diffusion models on the CPU.", allow_abbrev=False)
    root.add_argument("--version", action="version", version=f"scorefield {__version__}")
    commands = root.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for module in COMMANDS:
        name, about = module.__name__.rpartition(".")[2], (module.__doc__ or "").splitlines()[0]
        command = commands.add_parser(name, help=about, description=module.__doc__, allow_abbrev=False)
        module.arguments(command)
        command.set_defaults(run=module.run)
    return root


def _run(arguments: argparse.Namespace) -> int:
    try:
        arguments.run(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except WRONG_INPUT as error:
        sys.stderr.write(f"scorefield: {_one_line(error)}\n")
        return 2
    return 0


def _one_line(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return " ".join(str(error).split()) or type(error).__name__


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    sys.stderr.write(f"scorefield: warning: {' '.join(str(message).split())}\n")
