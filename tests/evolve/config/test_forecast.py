"""What a run needs is known before anything is drawn, and what does not fit is refused with what would."""

import os
import re
import subprocess
import sys

import jax
import numpy as np
import pytest

from evolve.config import forecast as module
from evolve.config.forecast import forecast, require_room, require_room_to_rank
from evolve.config.run_config import RunConfig
from evolve.config.settings import merge, setting
from evolve.config.shapes import shapes
from evolve.running.select_champion import draw_arena
from substrate.errors import UserError
from substrate.memory import Room, at_most, in_words, rooms, tightest
from tasks import FAMILIES

HUGE = ["--set", "options.dimensions=[200]", "--set", "options.samples=100000"]
MB = 10**6


def limited(gigabytes, *words):
    """The command under a limit on its address space, and the seconds it may take."""
    program = (
        "import resource, sys\n"
        f"resource.setrlimit(resource.RLIMIT_AS, ({gigabytes} * 10**9,) * 2)\n"
        "from evolve.__main__ import main\n"
        f"sys.argv = ['hebbarium', *{list(map(str, words))!r}]\n"
        "main()"
    )
    environment = {**os.environ, "PYTHONPATH": os.getcwd(), "COLUMNS": "300"}
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment, timeout=60
    )


def refusal(done):
    text = " ".join(done.stderr.split())
    assert done.returncode == 2, text
    assert "Traceback" not in text
    return text


@pytest.mark.skipif(sys.platform != "linux", reason="limits on address space hold on Linux alone")
@pytest.mark.parametrize(
    ("gigabytes", "words"),
    [
        (1, ["run", "pca"]),
        (2, ["run", "pca"]),
        (1, ["rank", "--task", "pca"]),
        (2, ["run", "pca", *HUGE]),
    ],
)
def test_a_process_that_is_too_small_says_so(gigabytes, words, tmp_path):
    """No abort of the engine, and no run in the store."""
    text = refusal(limited(gigabytes, *words, "--runs", tmp_path / "runs"))
    assert re.search(rf"a limit of {gigabytes}\.0 GB on address space .*Raise the limit", text)
    assert not (tmp_path / "runs").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="limits on address space hold on Linux alone")
@pytest.mark.parametrize(
    "words",
    [
        ["run", "pca", *HUGE],
        ["run", "pca", "--seeds", 8, *HUGE],
        ["rank", "--task", "pca", "--hardware", "bss2", *HUGE],
        ["hardware", "sweep", "oja", *HUGE],
    ],
    ids=lambda words: " ".join(map(str, words[:5])),
)
def test_what_is_too_large_is_refused_with_what_would_fit(words, tmp_path):
    text = refusal(limited(8, *words, "--runs", tmp_path / "runs"))
    assert re.search(r"needs? .*GB of memory for its instances \(.*80\.\d MB each", text)
    assert "a limit of 8.0 GB on address space" in text
    assert re.search(r"What would fit: (--|10 instances)", text)
    assert not (tmp_path / "runs").exists()


def within(monkeypatch, megabytes):
    """Let this process have so many megabytes for instances."""

    def room(address_space, memory):
        found = Room(megabytes * MB, "a limit of this test")
        return None if memory <= found.bytes else (found, memory)

    monkeypatch.setattr(module, "MEMORY", 0)
    monkeypatch.setattr(module, "tightest", room)


def test_what_would_fit_fits(monkeypatch):
    """The settings of the message are taken, and the next larger ones are not."""
    config = RunConfig(options={"dimensions": [50], "samples": 5000})
    within(monkeypatch, 300)
    with pytest.raises(UserError) as refused:
        require_room(config)
    given = re.findall(r"--set (\S+=\d+)", str(refused.value))
    assert given
    smaller = config.model_dump(exclude={"variation", "constants"})
    for one in given:
        smaller = merge(smaller, setting(one))
    assert smaller["instances"]["train"] == config.instances.train
    require_room(RunConfig(**smaller))
    with pytest.raises(UserError, match="--instances 10"):
        require_room_to_rank(config, 5000, tune_rate=False)
    require_room_to_rank(config, 10, tune_rate=False)


def test_an_instance_that_is_too_large_gets_the_size_that_would_fit(monkeypatch):
    config = RunConfig(options={"dimensions": [50], "samples": 5000})
    within(monkeypatch, 20)
    with pytest.raises(UserError, match=r"10 instances each of at most \d+\.?\d* kB.*tasks pca"):
        require_room(config)


def test_a_single_instance_beyond_memory_is_refused(monkeypatch):
    def sample(draw):
        raise MemoryError

    config = RunConfig(options={"dimensions": [7], "samples": 5000})
    large = config.settings[0].__class__(**{**vars(config.settings[0]), "sample": sample})
    monkeypatch.setattr("evolve.evaluation.arena._settings", lambda build, options: (large,))
    with pytest.raises(UserError, match="A single instance of the task 'pca' does not fit"):
        shapes(config)


@pytest.mark.parametrize("task", ["pca", "associative_memory", "temporal_credit", "anticipation"])
def test_the_shape_is_that_of_what_is_drawn(task):
    config = RunConfig(task=task)
    episodes = draw_arena(config, "train").episodes
    counted = [sum(a.nbytes for a in jax.tree.leaves(e)) for e in episodes]
    assert [config.instances.train * s.bytes for s in shapes(config)] == counted


def test_more_of_anything_takes_longer():
    small = forecast(RunConfig())
    assert 0 < small.compile < 60 and 0 < small.search < 60 and 0 < small.finish < 120
    assert small.seconds == small.compile + small.search + small.finish
    for more in (
        {"stop": {"generations": 2000}},
        {"instances": {"train": 100}},
        {"options": {"samples": 10_000}},
        {"variation": {"islands": 640}},
    ):
        assert forecast(RunConfig(**more)).search > 2 * small.search, more
    assert forecast(RunConfig(instances={"test": 1000})).finish > small.finish
    assert forecast(RunConfig(instances={"test": 1000})).bytes > small.bytes
    assert forecast(RunConfig(stop={"seconds": 0.5})).search == 0.5
    assert forecast(RunConfig(), searches=8).search == pytest.approx(8 * small.search)


@pytest.mark.parametrize("task", FAMILIES)
def test_every_task_has_a_forecast(task):
    found = forecast(RunConfig(task=task))
    assert found.bytes > module.MEMORY
    assert min(found.compile, found.search, found.finish) >= 0


def files(root, **texts):
    for name, text in texts.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(text))


@pytest.mark.parametrize("version", [1, 2])
def test_limits_of_containers_are_found(tmp_path, version):
    """Those of every group on the way up; files in the cache do not count as used."""
    if version == 2:
        own, top, limit, used, idle = (
            "sys/fs/cgroup/a/b",
            "sys/fs/cgroup/a",
            *(
                "memory.max",
                "memory.current",
                "inactive_file",
            ),
        )
        line, none = "0::/a/b", "max"
    else:
        own, top, limit, used, idle = (
            "sys/fs/cgroup/memory/a/b",
            "sys/fs/cgroup/memory/a",
            *(
                "memory.limit_in_bytes",
                "memory.usage_in_bytes",
                "total_inactive_file",
            ),
        )
        line, none = "4:cpu,memory:/a/b", 2**63 - 4096
    files(
        tmp_path,
        **{
            "proc/self/cgroup": f"{line}\n",
            "proc/meminfo": "MemTotal: 9000 kB\nMemAvailable: 8000 kB\n",
            f"{own}/{limit}": none,
            f"{own}/{used}": 100 * MB,
            f"{top}/{limit}": 700 * MB,
            f"{top}/{used}": 400 * MB,
            f"{top}/memory.stat": f"anon 5\n{idle} {150 * MB}\n",
        },
    )
    found = [room for room in rooms(tmp_path) if not room.address_space]
    assert [room.bytes for room in found] == [450 * MB, 8_192_000]
    assert "700 MB" in found[0].limit and "container" in found[0].limit
    assert tightest(0, 500 * MB, tmp_path)[0].bytes == 8_192_000
    assert tightest(0, 8 * MB, tmp_path) is None


@pytest.mark.skipif(sys.platform != "linux", reason="limits on address space hold on Linux alone")
def test_a_block_gets_no_more_memory_than_it_may():
    import resource

    before = resource.getrlimit(resource.RLIMIT_AS)
    with pytest.raises(MemoryError), at_most(50 * MB):
        np.zeros(400 * MB, np.uint8)
    assert resource.getrlimit(resource.RLIMIT_AS) == before
    assert np.zeros(400 * MB, np.uint8).nbytes == 400 * MB


def test_bytes_are_written_for_people():
    assert [in_words(n) for n in (512, 1500, 84 * MB, 8e9, 263e9)] == [
        "512 bytes",
        "1.5 kB",
        "84.0 MB",
        "8.0 GB",
        "263 GB",
    ]
