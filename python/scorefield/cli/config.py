"""Show version, compiler, instruction level and threads."""

import argparse

from scorefield.machine import build_info


def arguments(command: argparse.ArgumentParser) -> None:
    """Add what the command takes: nothing. Returns None."""


def run(words: argparse.Namespace) -> None:
    """Print a line for each fact. Returns None."""
    info = build_info()
    width = max(map(len, info))
    for name, value in info.items():
        print(f"{name:{width}}  {', '.join(value) if isinstance(value, list) else value}")
