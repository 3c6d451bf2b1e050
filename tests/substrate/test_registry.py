"""What there is by name: the platform's own files, and what installed packages add."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from evolve.config.own_parts import registries

ROOT = Path(__file__).parents[2]

MODULE = """
from dataclasses import replace
from evolve.exports.base import Target
from rules_zoo import RULES  # a package may look at what there is while it is loaded
from substrate.hardware.base import Profile
from tasks import FAMILIES

RULE = (RULES["oja"].renamed("installed_oja"), RULES["hebb"].renamed("installed_hebb"))
FAMILY = replace(FAMILIES["pca"], name="installed_pca")
PROFILE = Profile("installed_chip", "a chip")
TARGET = Target("installed_text", ".txt", "text", lambda rule, provenance: rule.name)
TAKEN = RULES["hebb"].renamed("oja")
"""
POINTS = """
[hebbarium.rules]
mine = installed_parts:RULE
broken = installed_parts:NOTHING
missing = no_such_package_here
taken = installed_parts:TAKEN
text = installed_parts:__name__

[hebbarium.tasks]
mine = installed_parts

[hebbarium.hardware]
mine = installed_parts:PROFILE

[hebbarium.exports]
mine = installed_parts:TARGET
"""
SHOW = """
import json
from evolve.config.own_parts import registries
found = [{n: r.source(n) for n in r if n.startswith("installed")} for r in registries()]
rules, *_ = registries()
print(json.dumps([found, rules["oja"].reference]))
"""


def test_installed_packages_add_parts_and_a_broken_one_is_named_and_left_out(tmp_path):
    (tmp_path / "installed_parts.py").write_text(MODULE)
    info = tmp_path / "installed_parts-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: installed-parts\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(POINTS)
    path = os.pathsep.join([str(ROOT), str(tmp_path)])
    done = subprocess.run(
        [sys.executable, "-c", SHOW],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    found, reference = json.loads(done.stdout)
    package = "the package installed-parts 1.2"
    names = [["installed_hebb", "installed_oja"], ["installed_pca"], ["installed_chip"]]
    assert found == [dict.fromkeys(own, package) for own in [*names, ["installed_text"]]]
    assert "Oja" in reference, "what is the platform's own stays"
    lines = done.stderr.splitlines()
    assert len(lines) == 4 and all(line.startswith("hebbarium: The entry point") for line in lines)
    for name, reason in {
        "broken": "NOTHING",
        "missing": "no_such_package_here",
        "taken": "'oja' is there already",
        "text": "RULE is a Rule",
    }.items():
        (line,) = [line for line in lines if f"entry point '{name}' of {package}" in line]
        assert reason in line and "left out" in line


@pytest.mark.parametrize("registry", registries(), ids=lambda r: r.noun)
def test_a_registry_is_a_mapping_in_the_order_of_names(registry):
    assert isinstance(registry, Mapping)
    assert list(registry) == sorted(registry) == list(registry.keys()) and len(registry)
    assert all(isinstance(entry, registry.kind) for entry in registry.values())
    assert all(entry.name == name for name, entry in registry.items())
    assert "no such name" not in registry and registry.get("no such name") is None
    with pytest.raises(KeyError):
        registry["no such name"]
    assert {registry.source(name) for name in registry} == {None}


def test_nothing_is_imported_until_somebody_looks():
    code = (
        "import sys, rules_zoo, tasks, substrate.hardware, evolve.exports\n"
        "files = {'rules_zoo.oja', 'tasks.pca', 'substrate.hardware.bss2', 'evolve.exports.json'}\n"
        "assert not files & set(sys.modules)\n"
        "assert 'oja' in rules_zoo.RULES and 'rules_zoo.oja' in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
