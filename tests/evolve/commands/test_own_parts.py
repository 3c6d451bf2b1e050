"""A rule, a task with a network of its own, a profile and an export target, from a folder outside the repository."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from evolve.commands.cli import app

ROOT = Path(__file__).parents[3]
PARTS = ROOT / "tests" / "support" / "own_parts"
RULE, TASK, CHIP, TARGET = ("leaky_delta", "slow_teacher", "tiny_chip", "markdown")
SMALL = ("options.steps=200", "options.inputs=3", "instances.validation=10", "instances.test=10")


def hebbarium(folder, *words, check=0, load=(RULE, TASK, CHIP, TARGET), program=None):
    """The command in a folder that is not the repository; it loads what it is told to."""
    files = [word for name in load for word in ("--load", f"{name}.py")]
    done = subprocess.run(
        [*(program or (sys.executable, "-m", "evolve")), *map(str, words), *files],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": "" if program else str(ROOT), "COLUMNS": "120"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == check, f"{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr + done.stdout
    return done


def outside(folder):
    """The parts as a person would have them, with a file beside them that is called like a package of ours."""
    shutil.copytree(PARTS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("tasks", "substrate", "rules_zoo"):
        (folder / f"{name}.py").write_text("raise SystemExit('not this one')\n")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return outside(tmp_path_factory.mktemp("elsewhere") / "my parts")


def search(folder, *words, **more):
    settings = [word for setting in SMALL for word in ("--set", setting)]
    few = ("--generations", 4, "--islands", 4, "--json")
    done = hebbarium(folder, "run", TASK, *few, *settings, *words, **more)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def record(folder):
    """A run under the person's chip."""
    return search(folder, "--hardware", CHIP)


def test_run_finds_a_rule_in_a_network_of_ones_own_on_a_chip_of_ones_own(record, folder):
    assert (record["task"], record["hardware"]) == (TASK, CHIP)
    assert record["champion"]["score"] > 0.3 and record["baselines"]["frozen"] == 0
    made = json.loads(
        (folder / "runs/artifacts" / record["run_id"] / "artifacts/champion.json").read_text()
    )
    files = re.findall(r"(\w+)\.py sha256:[0-9a-f]{16}", json.dumps(made))
    assert files == [RULE, TASK, CHIP, TARGET], "a champion says which files it was found with"


def test_rank_sets_the_champion_beside_a_rule_of_ones_own(record, folder):
    rules = f"{RULE},delta,frozen,{record['run_id'][:8]}"
    words = ("--task", TASK, "--rules", rules, "--instances", 10, "--json")
    rows = json.loads(hebbarium(folder, "rank", *words).stdout)["rows"]
    scores = {row["rule"]: row["score"] for row in rows}
    assert scores["delta"] > 0.9 and scores[RULE] > 0.8 and scores["frozen"] == 0
    assert len(scores) == 4


def test_without_the_files_the_champion_says_what_to_load(record, folder):
    run = record["run_id"][:8]
    refused = [
        hebbarium(folder, "rank", "--task", TASK, "--rules", f"oja,{run}", load=(), check=2),
        hebbarium(folder, "export", run, "--to", TARGET, load=(), check=2),
    ]
    for done in refused:
        (line,) = done.stderr.splitlines()
        assert f"--load {shlex.quote(str(folder / TASK))[:-1]}.py" in line
    words = shlex.split(refused[1].stderr.partition("found with ")[2])
    assert hebbarium(folder, "export", run, "--to", TARGET, *words, load=()).stdout.startswith("#")
    assert "def dw(" in hebbarium(folder, "export", run, load=()).stdout, "a rule needs no file"


def test_every_command_that_knows_parts_loads_ones_own():
    """Runs and pages of a store, benchmarks and presets have nothing to do with them."""
    without = {
        name
        for name, command in typer.main.get_command(app).commands.items()
        if "load" not in {option.name for option in command.params}
    }
    assert without == {"runs", "ui", "bench", "presets"}
    for command in typer.main.get_command(app).commands["hardware"].commands.values():
        assert "load" in {option.name for option in command.params}, command.name


def test_lists_and_exports_know_ones_own_parts(folder):
    assert "memory [steps]" in hebbarium(folder, "settings", TASK).stdout
    assert TASK in hebbarium(folder, "observables", "err").stdout
    assert f"# {RULE}" in hebbarium(folder, "export", RULE, "--to", TARGET).stdout
    assert "Widrow" in hebbarium(folder, "rules", RULE).stdout
    assert "gains 5 % apart" in hebbarium(folder, "hardware", "show", CHIP).stdout


def test_two_processes_load_the_files_that_this_one_has(folder):
    """Eight seeds are two shares. That each finds what it finds alone is shown for all tasks in `running/`."""
    rows = search(folder, "--seeds", 8, "--runs", "many")["runs"]
    assert len(rows) == 8 and all(row["status"] == "finished" for row in rows)
    assert all(row["task"] == "slow_teacher" and row["evaluations"] > 1 for row in rows)


WRONG = [
    (["rank", "--task", "pca", "--load", "none.py"], r"There is no file .*none\.py"),
    (["run", "pca", "--load", "tasks.py"], r"tasks\.py, line 1: SystemExit: not this one"),
    (["run", TASK], r"There is no task 'slow_teacher'"),
    (["run", "pca", "--set", "load=['tasks.py']"], r"only records"),
    (["run", "--config", "mine.toml"], r"runs only where you name it: give --load /nowhere/x\.py"),
    (["check", "none.py"], r"There is no file .*none\.py"),
    (["run", "--preset", "mettler2021"], r"no preset 'mettler2021'. Did you mean 'mettler2021_pca'"),
    (["run", "--preset", "elise", "--config", "mine.toml"], r"Give one of them"),
    (["run", "--config", "runs/elise.toml"], r"no file runs/elise\.toml.*--preset elise"),
    (["presets", "elis"], r"no preset 'elis'. Did you mean 'elise'"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "message"), WRONG, ids=lambda v: v if isinstance(v, str) else "")
def test_mistakes_get_one_message(words, message, folder, inside, monkeypatch):
    (folder / "mine.toml").write_text(
        'task = "pca"\nload = ["/nowhere/x.py sha256:0123456789abcdef"]\n'
    )
    monkeypatch.chdir(folder)
    done = inside(*words, check=2)
    assert re.search(message, done.err, re.DOTALL) and done.out == "", done.err


def test_presets_are_listed_with_a_line_each_and_can_be_printed(folder, inside, monkeypatch):
    monkeypatch.chdir(folder)
    files = {path.stem: path.read_text() for path in (ROOT / "runs").glob("*.toml")}
    lines = inside("presets").out.splitlines()[1:]  # below the headings
    assert {line.split()[0] for line in lines[: len(files)]} == set(files)
    for line in lines[: len(files)]:
        assert len(line) <= 115 and line.endswith(".")
    assert inside("presets", "elise").out == files["elise"]
    rows = json.loads(inside("presets", "--json").out)["presets"]
    assert {row["preset"]: row["settings"]["task"] for row in rows}["mettler2021_pca"] == "pca"


def test_check_says_that_good_parts_keep_their_promises(folder):
    done = hebbarium(folder, "check", f"{RULE}.py", f"{TARGET}.py", load=(TASK,))
    lines = done.stdout.splitlines()
    assert [line.split(",")[0] for line in lines if not line.startswith("  ")] == [
        f"rule {RULE}",
        f"export target {TARGET}",
        lines[-1],
    ]
    assert re.fullmatch(r"\d+ checks passed", lines[-1])
    assert len([line for line in lines if line.startswith("  ok   ")]) == int(lines[-1].split()[0])
    by_name = hebbarium(folder, "check", TARGET, load=(TARGET,)).stdout
    assert by_name.startswith(f"export target {TARGET}, ") and by_name.endswith("checks passed\n")
    rows = json.loads(hebbarium(folder, "check", f"{TASK}.py", "--json", load=()).stdout)
    assert rows["failed"] == 0, rows
    names = " ".join(row["name"] + " " + row["promise"] for row in rows["checks"])
    for words in ("frozen scores 0", "splits share", "every profile", "time of a rule"):
        assert words in names


def test_check_finds_what_is_wrong_with_a_task(folder):
    text = (folder / f"{TASK}.py").read_text()
    spoilt = {
        "draw.rng.normal(size=(options.steps": "np.random.default_rng(1).normal(size=(options.steps",
        "draw.rng.normal(size=(2,": "np.random.default_rng(2).normal(size=(2,",
        "import jax.numpy as jnp": "import jax.numpy as jnp\nimport numpy as np",
        "an example, 2026": "",
    }
    for good, bad in spoilt.items():
        assert good in text
        text = text.replace(good, bad)
    (folder / "spoilt.py").write_text(text)
    done = hebbarium(folder, "check", "spoilt.py", load=(), check=1)
    failed = [line for line in done.stdout.splitlines() if line.startswith("  FAIL")]
    assert any("splits share" in line for line in failed), done.stdout
    assert any("documented: `reference` is empty" in line for line in failed)
    assert re.search(r"\d+ checks, 2 failed", done.stdout)
