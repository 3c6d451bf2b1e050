"""The README's Python runs as it stands: every block on its own, as a person would paste it into a file."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
#: A fence of three backticks or more, marked as Python; also inside a list.
BLOCK = re.compile(r"^( *)(`{3,})python[^\n]*\n(.*?)^\1\2 *$", re.MULTILINE | re.DOTALL)


def blocks(text: str) -> list[str]:
    """The Python in a Markdown text."""
    return [
        "\n".join(line.removeprefix(indent) for line in code.splitlines()) + "\n"
        for indent, _, code in BLOCK.findall(text)
    ]


def test_blocks_are_found():
    text = "a\n```python\nx = 1\n```\nb\n```\nno\n```\n- c\n  ```python title\n  if x:\n      y\n  ```\n"
    assert blocks(text) == ["x = 1\n", "if x:\n    y\n"]
    assert README.count("```python") == len(blocks(README)), "a block of Python has no end"


@pytest.mark.parametrize("code", blocks(README))
def test_the_python_of_the_readme_runs(code, tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=300,
    )
    assert done.returncode == 0, f"{code}\n{done.stderr}"
