"""Benchmarks are collected only when they are asked for: `pytest tests/benchmarks`."""

from pathlib import Path

HERE = Path(__file__).parent


def pytest_ignore_collect(collection_path, config):
    """Leave this folder out unless the command line names something in it."""
    named = (config.invocation_params.dir / arg.split("::")[0] for arg in config.args)
    return None if any(HERE in (p.resolve(), *p.resolve().parents) for p in named) else True
