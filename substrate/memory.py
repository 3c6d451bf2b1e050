"""How much memory this process may still take, whoever limits it: the machine, a container, or the shell."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

#: Numbers of bytes from here on mean that there is no limit.
UNLIMITED = 2**60


class Room(NamedTuple):
    """What one limit leaves."""

    bytes: int  # that may still be taken
    limit: str  # in words
    address_space: bool = False  # whether reserved addresses count, and not only memory in use


def tightest(address_space: int, memory: int, root: Path = Path("/")) -> tuple[Room, int] | None:
    """The limit that a need exceeds by most, and the need; None if there is room for it.

    Parameters
    ----------
    address_space, memory
        Bytes that are needed beyond what is taken now: reserved, and really used.
    """
    needs = ((room, address_space if room.address_space else memory) for room in rooms(root))
    short = [(room, need) for room, need in needs if need > room.bytes]
    return min(short, key=lambda found: found[0].bytes - found[1], default=None)


def rooms(root: Path = Path("/")) -> list[Room]:
    """What every limit leaves; `root` is where the system's files are found."""
    return [*_of_shell(root), *_of_groups(root), *_of_machine(root)]


def in_words(count: float) -> str:
    """A number of bytes for people."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return (
                f"{count:.0f} {unit}" if count >= 100 or unit == "bytes" else f"{count:.1f} {unit}"
            )
        count /= 1000
    raise AssertionError


@contextmanager
def at_most(count: int) -> Iterator[None]:
    """Let the block take at most so many bytes more: it gets a MemoryError beyond, where the system can do that."""
    try:
        import resource

        before = resource.getrlimit(resource.RLIMIT_AS)
        limit = taken()[0] + count
        lower = before[0] == resource.RLIM_INFINITY or limit < before[0]
        if lower:
            resource.setrlimit(resource.RLIMIT_AS, (limit, before[1]))
    except (ImportError, OSError, ValueError):  # no such limits here
        yield
        return
    try:
        yield
    finally:
        if lower:
            resource.setrlimit(resource.RLIMIT_AS, before)


def taken(root: Path = Path("/")) -> tuple[int, int]:
    """Address space and memory of this process in bytes, 0 where they are not known."""
    with suppress(OSError, ValueError):
        reserved, used = (root / "proc/self/statm").read_text().split()[:2]
        page = os.sysconf("SC_PAGE_SIZE")
        return int(reserved) * page, int(used) * page
    return 0, 0


def _of_shell(root: Path) -> Iterator[Room]:
    """The limits that `ulimit` sets."""
    try:
        import resource
    except ImportError:  # not on this system
        return
    soft = resource.getrlimit(resource.RLIMIT_AS)[0]
    if soft != resource.RLIM_INFINITY:
        words = f"a limit of {in_words(soft)} on address space (ulimit -v)"
        yield Room(max(0, soft - taken(root)[0]), words, address_space=True)


def _of_groups(root: Path) -> Iterator[Room]:
    """The limits of the control groups that this process is in, versions 1 and 2."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        number, _, rest = line.partition(":")
        kinds, _, path = rest.partition(":")
        if number == "0" and not kinds:
            base, names = root / "sys/fs/cgroup", ("memory.max", "memory.current", "inactive_file")
        elif "memory" in kinds.split(","):
            base = root / "sys/fs/cgroup/memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        folder = base / path.lstrip("/")
        # In a container the path may be the host's; then the limits are those at the mount itself.
        for one in [f for f in (folder, *folder.parents) if f.is_relative_to(base)]:
            room = _of_group(one, *names)
            if room is not None:
                yield room


def _of_group(folder: Path, limit: str, usage: str, idle: str) -> Room | None:
    with suppress(OSError, ValueError):
        most = int((folder / limit).read_text())
        used = int((folder / usage).read_text())
        if most < UNLIMITED:
            # Files that were read lately count as used, and are given up for those who need memory.
            with suppress(OSError):
                stat = dict(w.split() for w in (folder / "memory.stat").read_text().splitlines())
                used -= int(stat.get(idle, 0))
            words = f"a limit of {in_words(most)} on the memory of this container (cgroup)"
            return Room(max(0, most - used), words)
    return None


def _of_machine(root: Path) -> Iterator[Room]:
    with suppress(OSError, ValueError):
        for line in (root / "proc/meminfo").read_text().splitlines():
            name, _, value = line.partition(":")
            if name == "MemAvailable":
                yield Room(1024 * int(value.split()[0]), "what is free on this machine")
                return
    with suppress(ValueError, OSError, AttributeError):
        whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        yield Room(whole, "the memory of this machine")
