"""The command line as people and programs meet it, in processes of their own."""

import csv
import errno
import json
import os
import re
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import tomllib
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from evolve.config.run_config import RunConfig
from evolve.evaluation.arena import Arena
from tasks import FAMILIES

ROOT = Path(__file__).parents[3]
#: All runs here have these, so that what one has compiled serves the others.
SIZE = ["--set", "options.dimensions=[2]", "--set", "options.samples=300"]
QUICK = [*SIZE, "--generations", "15"]
FEW = ["--set", "instances.validation=10", "--set", "instances.test=20"]


def hebbarium(*words, check=0, **environment):
    done = subprocess.run(
        [sys.executable, "-m", "evolve", *map(str, words)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "120", **environment},
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == check, f"{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr + done.stdout
    return done


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A folder with one finished run."""
    folder = tmp_path_factory.mktemp("runs")
    words = ("run", "pca", "--seed", 3, "--runs", folder, "--json", *QUICK, *FEW)
    done = hebbarium(*words, PYTHONHASHSEED="7")
    return folder, json.loads(done.stdout.splitlines()[-1])


def test_help_is_quick_and_does_not_import_jax():
    code = (
        "import sys\nsys.argv = ['hebbarium', '--help']\n"
        "try:\n    from evolve.__main__ import main; main()\n"
        "except SystemExit: pass\n"
        "assert not {'jax', 'mlflow', 'sympy', 'numpy'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for command in ("run", "rank", "runs", "rules", "tasks", "export", "ui"):
        assert re.search(rf"\b{command}\b", done.stdout)


def test_the_list_of_runs_waits_for_no_heavy_import(store):
    """With MLflow and JAX it would take seconds; a thousand runs are read in a tenth of one."""
    folder, record = store
    heavy = {"jax", "mlflow", "sympy", "numpy", "matplotlib", "sqlalchemy"}
    code = (
        f"import sys\nsys.argv = ['hebbarium', 'runs', '--runs', {str(folder)!r}]\n"
        "try:\n    from evolve.__main__ import main; main()\n"
        "except SystemExit: pass\n"
        f"assert not {heavy} & set(sys.modules), {heavy} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert record["run_id"][:8] in done.stdout


def test_run_prints_the_record_that_it_promises(store):
    _, record = store
    promised = {"run_id", "task", "hardware", "seed", "generations", "evaluations", "seconds"}
    assert promised | {"champion", "baselines"} <= set(record)
    assert (record["task"], record["seed"], record["hardware"]) == ("pca", 3, "ideal")
    assert {"expression", "complexity", "score", "low", "high"} <= set(record["champion"])
    assert record["champion"]["low"] <= record["champion"]["score"] <= record["champion"]["high"]
    assert record["baselines"]["frozen"] == 0.0
    assert record["baselines"]["oja"] > 0.1


def test_the_same_seed_gives_the_same_run_twice(store, new_store, tmp_path, inside):
    """In two processes with other hash seeds: champion, scores, and every metric but the clock."""
    folder, record = store
    done = inside("run", "pca", "--seed", 3, "--runs", new_store(tmp_path), "--json", *QUICK, *FEW)
    again = json.loads(done.out)
    for key in ("champion", "baselines", "evaluations", "generations", "F"):
        assert again[key] == record[key]
    histories = [metrics(folder, record["run_id"]), metrics(tmp_path, again["run_id"])]
    assert histories[0] == histories[1]
    names = {name for name, _, _ in histories[0]}
    assert names >= {"best", "median", "evaluations", "silent_share", "cached_share"}
    assert len([1 for name, _, _ in histories[0] if name == "best"]) == 16


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cannot choose its cores here")
def test_neither_cores_nor_the_cache_change_a_run(store, new_store, tmp_path):
    folder, record = store
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        words = ("run", "pca", "--seed", 3, "--runs", new_store(tmp_path), "--json", *QUICK, *FEW)
        done = hebbarium(*words, PYTHONHASHSEED="11", HEBBARIUM_CACHE="off")
    finally:
        os.sched_setaffinity(0, cores)
    again = json.loads(done.stdout.splitlines()[-1])
    for key in ("champion", "baselines", "evaluations", "generations", "F"):
        assert again[key] == record[key]
    assert metrics(folder, record["run_id"]) == metrics(tmp_path, again["run_id"])


def metrics(folder, run):
    """Every metric of a run, as in the database, but for those that tell the time."""
    with closing(sqlite3.connect(folder / "mlflow.db")) as db:
        rows = db.execute("SELECT key, step, value FROM metrics WHERE run_uuid = ?", (run,))
        return sorted(row for row in rows if row[0] != "seconds")


def test_a_run_leaves_its_artifacts(store):
    folder, record = store
    artifacts = folder / "artifacts" / record["run_id"] / "artifacts"
    names = {p.name for p in artifacts.iterdir()}
    text = {"champion.py", "champion.json", "champion.tex", "front.csv", "summary.md"}
    assert names >= text | {"front.png", "curve.png", "trajectories.png"}
    with (artifacts / "front.csv").open(newline="") as file:
        front = list(csv.DictReader(file))
    assert "chosen" in front[0] and len({row["expression"] for row in front}) == len(front)
    assert record["champion"]["expression"] in (artifacts / "summary.md").read_text()


def test_runs_lists_it(store, inside):
    folder, record = store
    (row,) = json.loads(inside("runs", "--runs", folder, "--json").out)["runs"]
    assert (row["id"], row["status"]) == (record["run_id"], "finished")
    assert row["champion"] == record["champion"]["expression"]
    assert record["run_id"][:8] in inside("runs", "--runs", folder).out
    assert "hebbarium run" in inside("runs", "--runs", folder / "none").err


def test_rules_that_leave_the_numbers_are_counted_and_give_valid_json(inside):
    """The root of a negative weight is NaN; exp(1000*w) is inf at a positive one and 0 at a negative one."""
    rules, few = ["sqrt(w)*pre", "exp(1000*w)*pre"], {"dimensions": [2], "samples": 100}
    settings = [f"--set=options.{key}={value}" for key, value in few.items()]
    names = ",".join(["oja", *rules])
    done = inside("rank", "--task", "pca", "--rules", names, "--instances", 10, "--json", *settings)

    def refuse(name):
        raise AssertionError(f"{name} is no JSON")

    table = json.loads(done.out, parse_constant=refuse)
    rows = {row["rule"]: row for row in table["rows"]}
    arena = Arena(FAMILIES["pca"], FAMILIES["pca"].options(**few), 0, "test", 10)
    w = np.asarray(arena.episodes[0].w0)
    negative, positive = (int(some.any(axis=(0, 1, 2, 4)).sum()) for some in (w < 0, w > 0))
    assert rows["sqrt(w)*pre"]["diverged"] == negative > 5
    assert rows["exp(1000*w)*pre"]["diverged"] == positive > 5
    assert rows["sqrt(w)*pre"]["metrics"]["samples_to_15deg"] is None
    assert all(-1 <= rows[rule]["score"] < 0 for rule in rules)


def test_rank_sets_a_champion_beside_the_zoo(store, inside):
    folder, record = store
    rules = f"oja,hebb,instar,frozen,{record['run_id'][:10]}"
    done = inside(
        "rank", "--task", "pca", "--rules", rules, "--runs", folder, "--instances", 20, "--json"
    )
    table = json.loads(done.out)
    assert table["n"] == 60  # 20 instances of each of three dimensions
    rows = {r["rule"]: r for r in table["rows"]}
    assert set(rows) == set(rules.split(","))
    promised = {"rule", "expression", "score", "low", "high", "complexity", "metrics"}
    assert all(promised <= set(r) for r in table["rows"])
    assert rows["oja"]["score"] > max(rows[r]["score"] for r in ("hebb", "instar", "frozen"))
    assert rows["frozen"]["score"] == 0.0
    assert rows["oja"]["difference"]["mean"] == 0.0
    scores = [r["score"] for r in table["rows"]]
    assert scores == sorted(scores, reverse=True)


def test_lists_are_for_people_and_programs(inside):
    rules = json.loads(inside("rules", "--json").out)["rules"]
    assert {"oja", "hebb", "bcm", "sanger", "frozen"} <= {r["rule"] for r in rules}
    tasks = json.loads(inside("tasks", "--json").out)["tasks"]
    assert {"pca", "pca_digits"} <= {t["task"] for t in tasks}
    assert "dimensions" in inside("tasks", "pca").out
    assert "length of a note [ms]" in inside("tasks", "elise").out
    assert "Oja 1982" in inside("rules", "oja").out


def test_export_writes_a_file(store, tmp_path, inside):
    folder, record = store
    out = tmp_path / "rule.py"
    inside("export", record["run_id"][:8], "--out", out, "--runs", folder)
    namespace = {}
    exec(compile(out.read_text(), str(out), "exec"), namespace)
    assert "dw" in namespace
    assert "\\" in inside("export", "oja", "--to", "latex", "--runs", folder).out
    exported = tmp_path / "rule.json"
    inside("export", "oja", "--to", "json", "--out", exported, "--runs", folder)
    assert "def dw(" in inside("export", exported, "--runs", folder).out


BAD = [
    (["run", "pcaa"], "pcaa.*Did you mean 'pca'"),
    (["run", "pca", "--sed", "1"], "--sed"),
    (["run", "pca", "--seed", "x"], "--seed.*integer"),
    (["run", "pca", "--hardware", "tpu"], "tpu.*bss2"),
    (
        ["run", "pca", "--hardware", "bss2", "--set", 'genes.primitives=["div","mul"]'],
        "a division.*penalise",
    ),
    (["rank", "--task", "pca", "--hardware", "fixed_point:bits=99"], "bits.*1 to 16"),
    (["hardware", "show", "bss3"], "bss3.*bss2"),
    (["hardware", "sweep", "--bits", "4;6"], "--bits.*commas"),
    (["hardware", "sweep", "--rounding", "up"], "up.*nearest"),
    (["hardware", "sweep", "--hardware", "ideal"], "ideal.*fixed_point"),
    (["export", "hebb_normalised", "--to", "loihi"], "division"),
    (["run", "pca", "--set", "genes.colums=3"], "colums.*columns"),
    (["run", "pca", "--set", "genes.columns=0"], "genes.columns.*0.*greater"),
    (["run", "pca", "--set", "genes.columns=10000000"], "genes.columns.*less"),
    (["run", "pca", "--set", "nonsense"], "KEY=VALUE"),
    (["run", "pca", "--set", "options.dimensions=[1]"], "dimensions.*greater"),
    (["run", "pca", "--set", "options.dimension=[2]"], "dimension.*dimensions"),
    (["run", "pca", "--set", 'genes.primitives=["sin"]'], "sin.*Known.*tanh"),
    (["run", "pca", "--set", 'genes.terminals=["lat"]'], "lat.*does not show"),
    (["run", "pca", "--set", "variation.tournament=3"], "tournament.*parents"),
    (["run", "pca", "--set", 'genes.slow=["θ"]'], "03b8.*letters A to Z"),
    (["run", "pca", "--set", f'genes.slow=["{"a" * 70}"]'], "aaa.*64 of the letters"),
    (["run", "pca", "--engine", "quick"], "engine.*quick.*interpreter.*compiled"),
    (["run", "pca", "--generations", "-1"], "generations.*-1"),
    (["run", "pca", "--start", "ojaa"], "ojaa"),
    (["run", "pca", "--config", "missing.toml"], "missing.toml"),
    (["rank", "--task", "pca", "--rules", "oja,hebbb"], "hebbb"),
    (["rank", "--task", "pca", "--rules", "sanger"], "sanger.*lat_ord"),
    (["rank", "--task", "nothing"], "nothing"),
    (["export", "nothing"], "nothing"),
    (["export", "oja", "--to", "cobol"], "cobol.*latex"),
    (["export", "oja", "--out", "/nowhere/rule.py"], "nowhere"),
    (["rules", "ojja"], "ojja.*oja"),
    (["tasks", "pac"], "pac"),
    (["ui"], "no runs"),
    (["run"], "No task.*hebbarium run pca.*elise"),
    (["run", "--set", "seed=3"], "No task"),
    (["run", "pca", "--set", "task=elise"], "the task pca.*task=elise.*contradict"),
    (["run", "pca", "--set", "seed=3", "--seed", "4"], "--seed 4.*--set seed=3.*contradict"),
    (["run", "pca", "--set", "seed=3", "--set", "seed=4"], "seed=3.*seed=4.*contradict"),
    (["run", "pca", "--set", "genes=3", "--set", "genes.columns=4"], "contradict"),
    (["rank", "--task", "pca", "--seed", "1", "--set", "seed=2"], "contradict"),
    (["hardware", "sweep", "--seed", "1", "--set", "seed=2"], "contradict"),
    (["run", "pca", "--set", "stop.score=nan"], "stop.score.*finite"),
    (["run", "pca", "--seconds", "nan"], "stop.seconds"),
    (["run", "pca", "--set", "stop.seconds=inf"], "stop.seconds.*finite"),
    (["run", "pca", "--set", "options.exponent=inf"], "exponent.*finite"),
    (["hardware", "sweep", "--mismatch", "nan"], "gain.*nan"),
    (["hardware", "sweep", "--bits", "1" * 10_000], "--bits.*commas"),
    (["hardware", "sweep", "--out", "x.xyz"], r"x\.xyz.*\.png, \.pdf or \.svg"),
    (["hardware", "sweep", "--out", "/nowhere/x.png"], "no such folder"),
    (["run", "pca", "--set", "columns=20"], "columns.*Did you mean 'genes.columns'"),
    (["run", "pca", "--set", "dimensions=[2]"], "dimensions.*Did you mean 'options.dimensions'"),
    (["rank", "--task", "pca", "--set", "dimensions=[2]"], "Did you mean 'options.dimensions'"),
    (["run", "pca", "--set", "seed=none"], "seed = 'none'.*integer"),
    (["run", "--set", "task=[1]"], r"task = \[1\].*string"),
    (["rank", "--task", "pca", "--set", "task=[1]"], "contradict"),
    (["run", "pca", "--set", "x=" + "[" * 50_000], "nested too deeply"),
    (["run", "pca", "--set", "seed=" + "1" * 10_000], "too many digits"),
    (["run", "pca", "--set", "seed=0x" + "1" * 10_000], "seed = .*enormous"),
    (["run", "pca", "--set", "a." * 5_000 + "b=1"], "so many dots"),
    (["run", "pca", "--set", "x" * 10_000 + "=1"], "no setting 'xxx.*"),
    (["run", "pca", "--set", "=1"], "KEY=VALUE"),
    (["run", "pca", "--set", "seed=2020-13-45"], "seed"),
    (["rank", "--task", "elise", "--set", "options.dt=5e-324"], "dt = 5e-324.*0.01"),
    (["export", "[/x]/a.json"], r"\[/x\]/a\.json"),
    (["rank", "--task", "pca", "--rules", "[/x]/a.json"], r"\[/x\]/a\.json"),
    (["export", "oja", "-o", "/dev/full"], "/dev/full.*No space"),
    (["rules", "--task", "pcaa"], "pcaa.*pca"),
    (["rules", "--reads", "posst"], "posst.*post"),
    (["tasks", "--shows", "latt"], "latt.*lat"),
    (["settings", "pcaa"], "pcaa.*pca"),
    (["observables", "latt"], "latt.*lat"),
    (["run", "pca\x1b[31m"], r"pca\\x1b\[31m"),
]


@pytest.mark.parametrize(
    ("words", "message"), BAD, ids=lambda v: " ".join(v)[:60] if isinstance(v, list) else ""
)
def test_bad_input_gets_one_message_and_exit_code_2(words, message, tmp_path, inside):
    done = inside(*words, check=2, HEBBARIUM_RUNS=str(tmp_path / "runs"))
    assert re.search(message, done.err, re.DOTALL), done.err[-2000:]
    assert done.out == "" and "Traceback" not in done.err
    assert len(done.err) < 3000 and "\x1b" not in done.err
    assert not list(tmp_path.rglob("mlflow.db")), "nothing may be half-written"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("task = ", "not valid TOML"),
        ("task = 'pca'\n[genes]\ncolumn = 3", "column.*columns"),
        ("task = 'pca'\n[gene]\ncolumns = 3", "gene.*genes"),
        ("seed = 'a'", "seed"),
        ("task = 7", "task"),
        ('task = ["pca"]', "task.*string"),
        ("seed = 3", "bad.toml names no task"),
        ("x = " + "[" * 50_000, "nested too deeply"),
        ("task = 'pca'\nseed = " + "1" * 10_000, "too many digits"),
        ("task = 'pca'\n[stop]\nscore = nan", "stop.score.*finite"),
    ],
)
def test_bad_files_too(text, message, tmp_path, inside):
    path = tmp_path / "bad.toml"
    path.write_text(text)
    done = inside("run", "--config", path, check=2, HEBBARIUM_RUNS=str(tmp_path / "runs"))
    assert re.search(message, done.err, re.DOTALL), done.err


def test_a_folder_that_is_a_file_is_refused(tmp_path, inside):
    (tmp_path / "runs").write_text("")
    done = inside("run", "pca", check=2, HEBBARIUM_RUNS=str(tmp_path / "runs"))
    assert "folder" in done.err


ASCII = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def test_an_ascii_terminal_gets_replacements(store, tmp_path):
    """A rank with a champion, and the export of a rule whose source has accents."""
    folder, record = store
    rules = f"oja,{record['run_id'][:8]}"
    words = ("rank", "--task", "pca", "--rules", rules, "--runs", folder, "--instances", 10, *SIZE)
    ranked = hebbarium(*words, **ASCII)
    assert "+-" in ranked.stdout and ranked.stdout.isascii() and ranked.stderr.isascii()
    assert "measuring 2 rules" in ranked.stderr
    file = tmp_path / "a[/b]" / "umlaut.json"
    file.parent.mkdir(parents=True)
    hebbarium("export", "oja", "--to", "json", "-o", file)
    text = json.loads(file.read_text())
    file.write_text(
        json.dumps({**text, "reference": "Földiák\x1b[31m"}, ensure_ascii=False), "utf-8"
    )
    done = hebbarium("export", file, **ASCII)
    assert "Foldiak" in done.stdout
    assert "lacks 2 of the characters" in done.stderr and "--out" in done.stderr


def test_a_run_on_an_ascii_terminal_ends_with_a_command_to_paste(new_store, tmp_path):
    """The hints name the store, stay on one line however narrow the terminal, and work."""
    folder = new_store(tmp_path / "with a space")
    words = ("run", "pca", *SIZE, *FEW, "--generations", 2, "--runs", folder)
    done = hebbarium(*words, "-v", **ASCII, COLUMNS="30")
    assert "+-" in done.stdout and "the rules: the other way" in done.stderr
    hints = re.findall(r"hebbarium .*", done.stdout)
    assert [shlex.split(h)[1] for h in hints] == ["export", "ui"]
    assert "def dw(" in hebbarium(*shlex.split(hints[0])[1:]).stdout
    assert shlex.split(hints[1])[-2:] == ["--runs", str(folder)]


def test_listings_print_commands_and_settings_that_work(inside, tmp_path):
    """Every command in the listings runs; every option of a task is taken as it is printed."""
    pages = [
        inside(*words).out
        for words in (["settings"], ["settings", "pca"], ["observables"], ["rules", "oja"])
    ]
    found = {
        h
        for page in pages
        for h in re.findall(r"hebbarium [a-z]+ [a-z]+(?: --[a-z-]+(?: python)?)*", page)
    }
    assert len(found) >= 4
    for words in found:
        inside(*shlex.split(words)[1:])
    start = inside("runs", "--runs", tmp_path / "a b").err.split("Start one with: ")[1]
    inside(*shlex.split(start)[1:], "--dry-run")
    options = re.findall(r"^(--set .*?)  ", inside("tasks", "elise").out, re.MULTILINE)
    assert len(options) == len(FAMILIES["elise"].options.model_fields)
    plan = inside("run", "elise", *shlex.split(" ".join(options)), "--dry-run").out
    assert tomllib.loads(plan) == tomllib.loads(inside("run", "elise", "--dry-run").out)


def test_lists_can_be_filtered(inside):
    every = json.loads(inside("rules", "--json").out)["rules"]
    some = json.loads(inside("rules", "--task", "pca", "--reads", "post", "--json").out)["rules"]
    assert 5 < len(some) < len(every) and all("post" in r["reads"] for r in some)
    assert "sanger" not in {r["rule"] for r in some}
    tasks = json.loads(inside("tasks", "--shows", "lat_ord", "--json").out)["tasks"]
    assert [t["task"] for t in tasks] == ["pca_subspace"]
    (seen,) = json.loads(inside("observables", "lat_ord", "--json").out)["observables"]
    assert (seen["tasks"], seen["locality"]) == (["pca_subspace"], "nonlocal")
    lines = inside("rules").out.splitlines()
    assert len(lines) == len(every) + 1, "one line a rule"


def test_help_shows_the_defaults_that_hold(inside):
    page = " ".join(inside("run", "-h").out.split())
    config = RunConfig()
    for words, default in (
        ("instances and search.", config.seed),
        ("after so many.", config.stop.generations),
        ("advance together.", config.variation.islands),
        ("`hebbarium hardware`.", config.hardware),
        ("interpreter or compiled.", config.engine),
    ):
        assert f"{words} [default: {default}" in page
    assert inside("--version").out.startswith("hebbarium ")


def test_a_dry_run_says_what_it_takes_and_leaves_nothing(inside, tmp_path):
    words = ("run", "pca", "--seed", 3, "--runs", tmp_path / "none", "--dry-run")
    assert tomllib.loads(inside(*words).out)["seed"] == 3
    assert "# forecast:" in inside(*words).out
    assert json.loads(inside(*words, "--json").out)["configuration"]["seed"] == 3
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("words", [["rules"], ["export", "oja"], ["rules", "--json"]], ids=" ".join)
def test_output_that_cannot_be_written_is_one_message(words):
    """As on a full disk."""
    call = [sys.executable, "-m", "evolve", *words]
    with open("/dev/full", "w") as full:
        done = subprocess.run(call, stdout=full, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert done.returncode == 2 and done.stderr.startswith("hebbarium: Cannot write")
    assert len(done.stderr.splitlines()) == 1


def test_a_reader_that_has_gone_ends_a_command_without_a_word():
    read, write = os.pipe()
    os.close(read)
    call = [sys.executable, "-m", "evolve", "rules"]
    done = subprocess.run(call, stdout=write, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


def test_an_older_file_stays_where_a_new_one_cannot_be_written(tmp_path, inside, monkeypatch):
    out = tmp_path / "rule.py"
    out.write_text("old")

    def full(self, data):
        with self.open("wb") as file:
            file.write(data[:3])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    done = inside("export", "oja", "-o", out, check=2)
    assert "No space left" in done.err
    assert [p.name for p in tmp_path.iterdir()] == ["rule.py"] and out.read_text() == "old"


def test_what_somebody_elses_store_says_is_shown_plain(store, tmp_path, inside):
    """Markup and escape sequences in the champion of a run."""
    folder, _ = store
    shutil.copytree(folder, tmp_path / "runs")
    with closing(sqlite3.connect(tmp_path / "runs" / "mlflow.db")) as db:
        hostile = "\x1b]0;owned\x07[bold]post[/x]"
        db.execute("UPDATE tags SET value = ? WHERE key = 'champion'", (hostile,))
        db.commit()
    shown = inside("runs", "--runs", tmp_path / "runs").out
    assert "\x1b" not in shown and "\\x1b]0;owned\\x07[bold]post[/x]" in shown


def begin(folder, *words):
    """Start a run without end and wait until it searches."""
    endless = ("run", "pca", *SIZE, *FEW, "--generations", "1000000")
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "evolve", *endless, "--runs", str(folder), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    for line in process.stderr:
        if line.startswith("generation"):
            return process
    raise AssertionError("the run never began")


def test_ctrl_c_ends_after_the_generation_with_everything_written(new_store, tmp_path, inside):
    """And while it runs, nobody else may write to its store."""
    process = begin(new_store(tmp_path))
    second = inside("run", "pca", check=2, HEBBARIUM_RUNS=str(tmp_path))
    assert str(process.pid) in second.err and "--runs" in second.err
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "stopped" in out
    (row,) = json.loads(inside("runs", "--runs", tmp_path, "--json").out)["runs"]
    assert (row["status"], bool(row["champion"])) == ("stopped", True)
    artifacts = tmp_path / "artifacts" / row["id"] / "artifacts"
    assert (artifacts / "champion.py").exists()


@pytest.mark.slow
def test_a_killed_run_is_seen_to_have_died(new_store, tmp_path, inside):
    """As is a writer that is killed in `test_store_folder`, here amid a search."""
    process = begin(new_store(tmp_path))
    time.sleep(1.0)
    process.kill()
    process.communicate()
    (row,) = json.loads(inside("runs", "--runs", tmp_path, "--json").out)["runs"]
    assert row["status"] == "died"
