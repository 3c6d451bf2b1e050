"""The command line without a process of its own."""

import sys

import pytest

from evolve.__main__ import main


@pytest.fixture
def inside(monkeypatch, capsys):
    """The same command in this process, which spares the imports."""

    def call(*words, check=0, **environment):
        monkeypatch.setattr(sys, "argv", ["hebbarium", *map(str, words)])
        for name, value in {"COLUMNS": "120", **environment}.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            main()
            raise SystemExit(0)
        assert (ended.value.code or 0) == check
        return capsys.readouterr()

    return call
