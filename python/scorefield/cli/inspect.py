"""Tell what a model file or run folder holds."""

import argparse

from scorefield.checkpoint import load


def arguments(command: argparse.ArgumentParser) -> None:
    """Add what the command takes. Returns None."""
    command.add_argument("model", help="a .safetensors file or the folder of a run")


def run(words: argparse.Namespace) -> None:
    """Print the model's lines. Returns None."""
    print(load(words.model))
