"""The run store keeps what it is given, as MLflow has it too, and gives it back by name."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from evolve.tracking import listing
from evolve.tracking.store import Store, ui_command, ui_environment
from substrate.errors import UserError


@pytest.fixture
def store(folder: Path) -> Iterator[Store]:
    with Store(folder, write=True) as store:
        yield store


def test_a_run_comes_back(store: Store) -> None:
    with store.begin(
        "pca", "a1b2", {"task": "pca", "seed": 3, "terms": ("pre", "post")}, {"n": 1}
    ) as log:
        assert store.list()[0].status == "running"
        log.metrics(0, {"best": 0.5, "bad": float("nan"), "worse": float("inf")})
        log.metrics(1, {"best": 0.75})
        log.text("deep/champion.py", "dw = 1  # η\n")
        log.figure("fitness.png", Figure())
        log.tags({"champion": "post*(pre - post*w)", "score": 0.98})
    row = store.find(log.id[:6])
    assert row == store.find("a1b2") == store.list()[0]
    assert (row.task, row.seed, row.status, row.score) == ("pca", "3", "finished", 0.98)
    assert row.champion == "post*(pre - post*w)"
    assert abs(row.started.timestamp() - time.time()) < 60
    assert store.artifact(log.id, "deep/champion.py").read_text("utf-8") == "dw = 1  # η\n"
    assert store.artifact(log.id, "fitness.png").read_bytes().startswith(b"\x89PNG")


def test_mlflow_sees_the_run_as_its_own(store: Store) -> None:
    from mlflow import MlflowClient

    with store.begin(
        "pca", "a1b2", {"task": "pca", "terms": ("pre", "post"), "none": None}, {}
    ) as log:
        for step in range(2500):
            log.metrics(step, {"best": step / 2})
        log.text("champion.py", "dw = 1")
    client = MlflowClient(tracking_uri=store.files.uri)
    run = client.get_run(log.id)
    assert run.info.status == "FINISHED"
    assert run.data.params == {"task": "pca", "terms": '["pre", "post"]', "none": "null"}
    history = client.get_metric_history(log.id, "best")
    assert [(m.step, m.value) for m in history] == [(step, step / 2) for step in range(2500)]
    assert [f.path for f in client.list_artifacts(log.id)] == ["champion.py"]
    where = client.get_experiment("0").artifact_location
    assert where == store.files.root, "nothing may be written to ./mlruns"


def test_runs_are_listed_through_mlflow_where_its_tables_are_not_known(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed, champion in ((1, "pre*post"), (2, "-w")):
        with store.begin("pca", f"seed {seed}", {"task": "pca", "seed": seed}, {}) as log:
            log.tags({"champion": champion, "score": 0.5})
        time.sleep(0.002)  # another time of its beginning
    known = store.list()
    monkeypatch.setattr(listing, "COLUMNS", {"runs": frozenset({"another"})})
    assert store.list() == known
    assert [(r.name, r.champion, r.status) for r in known] == [
        ("seed 2", "-w", "finished"),
        ("seed 1", "pre*post", "finished"),
    ]


@pytest.mark.parametrize(
    ("error", "status"),
    [(ValueError("a bug"), "failed"), (KeyboardInterrupt(), "stopped"), (SystemExit(1), "stopped")],
)
def test_what_ends_a_run_is_noted_and_what_was_logged_stays(
    store: Store, error: BaseException, status: str
) -> None:
    with pytest.raises(type(error)), store.begin("pca", "x", {}, {}) as log:
        log.metrics(0, {"best": 1.0})
        log.metrics(1, {"best": 2.0})
        log.text("champion.py", "dw = 1")
        raise error
    assert store.find("x").status == status
    assert store._client.get_run(log.id).data.metrics == {"best": 2.0}
    assert store.artifact(log.id, "champion.py").read_text() == "dw = 1"
    if status == "failed":
        assert "a bug" in store.artifact(log.id, "error.txt").read_text()


def test_a_run_goes_on_without_logging_twice(folder: Path) -> None:
    with (
        Store(folder) as store,
        pytest.raises(KeyboardInterrupt),
        store.begin("pca", "x", {}, {}) as log,
    ):
        for step in range(5):
            log.metrics(step, {"best": step})
        raise KeyboardInterrupt
    with Store(folder) as store:
        with store.resume(log.id) as again:
            assert store.find("x").status == "running"
            for step in range(3, 8):
                again.metrics(step, {"best": step})
        assert store.find("x").status == "finished"
        steps = [m.step for m in store._client.get_metric_history(log.id, "best")]
    assert steps == list(range(8))


def test_long_and_many_values_are_kept(store: Store) -> None:
    long = "x" * 10_000
    params = {"long": long, **{f"p{i}": i for i in range(250)}}
    with store.begin("pca", "x", params, {"champion": long}) as log:
        pass
    data = store._client.get_run(log.id).data
    assert data.params["p249"] == "249" and len(data.params["long"]) == 6000
    assert json.loads(store.artifact(log.id, "params.json").read_text())["long"] == long
    assert data.tags["champion"].endswith("…")


def test_a_run_that_cannot_begin_is_not_left_running(store: Store) -> None:
    with pytest.raises(Exception, match="what"):
        store.begin("pca", "x", {"what?!": 1}, {})
    assert store.find("x").status == "failed"


def test_names_that_fit_no_run_or_several_are_refused(store: Store) -> None:
    with pytest.raises(UserError, match=r"'x'.*empty.*--runs"):
        store.find("x")
    with store.begin("pca", "twin", {}, {}) as first, store.begin("pca", "twin", {}, {}) as second:
        pass
    for prefix, say in (("twin", "2 runs are called"), ("zzz", "no run 'zzz'"), ("", "no run ''")):
        with pytest.raises(UserError, match=say) as refusal:
            store.find(prefix)
        assert first.id[:8] in str(refusal.value) and second.id[:8] in str(refusal.value)


@pytest.mark.parametrize("name", ["champion.tex", "../../../mlflow.db", "/etc/passwd", ""])
def test_an_artifact_that_is_not_there_is_refused(store: Store, name: str) -> None:
    with store.begin("pca", "x", {}, {}) as log:
        log.text("champion.py", "dw = 1")
    with pytest.raises(UserError, match=r"no artifact.*champion\.py"):
        store.artifact(log.id, name)


def test_a_folder_may_move(store: Store, tmp_path: Path) -> None:
    with store.begin("pca", "x", {}, {}) as log:
        log.text("champion.py", "dw = 1")
    store.close()
    moved = store.files.folder.rename(tmp_path / "moved")
    assert Store(moved).artifact(log.id, "champion.py").read_text() == "dw = 1"
    with Store(moved, write=True) as again:
        assert [f.path for f in again._client.list_artifacts(log.id)] == ["champion.py"]
        with again.begin("pca", "y", {}, {}) as other:
            other.text("champion.py", "dw = 2")
        assert [f.path for f in again._client.list_artifacts(other.id)] == ["champion.py"]
    assert not store.files.folder.exists()


def test_an_experiment_deleted_in_mlflow_comes_back(store: Store) -> None:
    with store.begin("pca", "x", {}, {}):
        pass
    store._client.delete_experiment(store._client.get_experiment_by_name("pca").experiment_id)
    assert store.list() == []
    with store.begin("pca", "y", {}, {}):
        pass
    assert store.find("y").status == "finished"


def test_an_experiment_of_somebody_else_is_left_alone(store: Store) -> None:
    store._client.create_experiment("pca", "/elsewhere")
    with pytest.raises(UserError, match=r"'pca'.*not made by Hebbarium.*/elsewhere"):
        store.begin("pca", "x", {}, {})


def test_what_the_database_complains_of_is_one_sentence(store: Store) -> None:
    log = store.begin("pca", "x", {}, {})
    store._client.get_run(log.id)
    with sqlite3.connect(store.files.database) as db:
        db.execute("DROP TABLE metrics")
    db.close()
    with pytest.raises(UserError, match="no such table: metrics"):
        log.metrics(0, {"best": 1.0})


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def refusal(url: str, question: object = None, **headers: str) -> int:
    with pytest.raises(urllib.error.HTTPError) as refused:
        fetch(url, question, **headers)
    refused.value.close()
    return int(refused.value.code)


def fetch(url: str, question: object = None, **headers: str) -> bytes:
    data = None if question is None else json.dumps(question).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json", **headers})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return bytes(answer.read())


def test_the_pages_are_for_this_machine_and_no_foreign_page(store: Store) -> None:
    """MLflow refuses foreign hosts and origins unless it is told otherwise; the pages themselves are a slow test."""
    from mlflow.server import security_utils as security

    command = ui_command(store.files.folder)
    assert command[command.index("--host") + 1] == "127.0.0.1"
    widening = ("--allowed-hosts", "--cors-allowed-origins", "--disable-security-middleware")
    assert not [word for word in command if word.startswith(widening)]
    hosts = security.get_default_allowed_hosts()
    assert security.is_allowed_host_header(hosts, "127.0.0.1:5000")
    assert not security.is_allowed_host_header(hosts, "evil.example:5000")
    assert security.should_block_cors_request("http://evil.example", "POST", None)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="stops the server by its process group")
def test_the_pages_show_the_run(store: Store) -> None:
    with store.begin("pca", "a1b2", {"task": "pca"}, {}) as log:
        log.metrics(0, {"best": 0.5})
        log.text("champion.py", "dw = 1")
    port = free_port()
    server = subprocess.Popen(
        ui_command(store.files.folder, "127.0.0.1", port),
        env=ui_environment(),
        cwd=store.files.folder.parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    base = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 90
        while True:
            try:
                assert fetch(f"{base}/health") == b"OK"
                break
            except (urllib.error.URLError, ConnectionError):
                assert server.poll() is None and time.monotonic() < deadline, "no answer"
                time.sleep(0.2)
        experiment = store._client.get_run(log.id).info.experiment_id
        question = {"experiment_ids": [experiment], "max_results": 10}
        answer = json.loads(fetch(f"{base}/api/2.0/mlflow/runs/search", question))
        (run,) = answer["runs"]
        assert run["info"]["run_name"] == "a1b2"
        assert {m["key"]: m["value"] for m in run["data"]["metrics"]} == {"best": 0.5}
        text = fetch(f"{base}/get-artifact?path=champion.py&run_uuid={log.id}")
        assert text == b"dw = 1"
        assert b"MLflow" in fetch(base)
        search = f"{base}/api/2.0/mlflow/runs/search"
        assert refusal(search, question, Host="evil.example") == 403
        assert refusal(search, question, Origin="http://evil.example") == 403
        for path in ("../../../mlflow.db", "%2e%2e/%2e%2e/mlflow.db", "/etc/passwd"):
            assert refusal(f"{base}/get-artifact?path={path}&run_uuid={log.id}") in (400, 404)
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()
