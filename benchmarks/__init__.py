"""Speed and memory beside PyTorch, interleaved in one run: `python -m benchmarks --help`."""
