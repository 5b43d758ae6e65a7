"""How fast: ours against psij-python and against the bare limit. `python -m benchmarks --help`."""
