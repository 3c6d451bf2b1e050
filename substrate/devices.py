"""How JAX is set up for this work: every core a device, small loops kept whole, compiled programs kept on disk.

XLA runs a loop over steps as one machine-code function only if its state is small; otherwise every operation of
every step is dispatched on its own. The networks here are small and their loops long, so the bound is lifted.
"""

import ctypes
import os
import stat
import sys
from contextlib import suppress
from pathlib import Path

import jax
import platformdirs

from substrate.errors import UserError

#: Loops of any size become one function; vectors as wide as the processor has.
_XLA_FLAGS = (
    "--xla_backend_extra_options=xla_cpu_small_while_loop_byte_threshold=100000000",
    "--xla_cpu_prefer_vector_width=512",
)


def cache_folder() -> Path:
    """Where compiled programs are kept: HEBBARIUM_CACHE, or the user's cache folder."""
    given = os.environ.get("HEBBARIUM_CACHE")
    return Path(given) if given else platformdirs.user_cache_path("hebbarium") / "xla"


def require_private(folder: Path) -> None:
    """Make a folder for compiled programs, or refuse one that somebody else could put programs into.

    They are native code, which is run as it is found.

    Raises
    ------
    UserError
        If the folder belongs to somebody else, others may write to it, or it cannot be made.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
    except OSError as error:
        raise UserError(
            f"The cache of compiled programs {folder} cannot be used ({error.strerror or error}). Name another "
            "folder in HEBBARIUM_CACHE, or set HEBBARIUM_CACHE=off."
        ) from None
    if sys.platform == "win32":
        return
    shared = found.st_mode & stat.S_IWOTH or (
        found.st_mode & stat.S_IWGRP and found.st_gid != os.getegid()
    )
    if found.st_uid not in (os.geteuid(), 0) or shared:
        raise UserError(
            f"The cache of compiled programs {folder} can be written by others (mode {found.st_mode & 0o777:o}, user "
            f"{found.st_uid}), who could have their programs run as yours. Delete it, or name another folder in "
            "HEBBARIUM_CACHE, or set HEBBARIUM_CACHE=off."
        )


def usable_cores() -> int:
    """Cores that this process may use, which on a shared machine are not all there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def configure(cores: int | None = None, cache: bool = True) -> None:
    """Set JAX up; call once, before the first computation.

    Parameters
    ----------
    cores
        CPU devices to make; as many as the process may use by default. Results do not depend on it.
    cache
        Keep compiled programs on disk. `HEBBARIUM_CACHE=off` also turns this off.

    Raises
    ------
    UserError
        If others can write to the folder of compiled programs.
    """
    if os.environ.get("HOME") == "":  # none, and not the current folder, for every library
        del os.environ["HOME"]
    flags = os.environ.get("XLA_FLAGS", "")
    missing = [flag for flag in _XLA_FLAGS if flag.split("=")[0] not in flags]
    os.environ["XLA_FLAGS"] = " ".join([flags, *missing]).strip()
    with suppress(RuntimeError):  # too late: a computation has run, and JAX stays as it is
        jax.config.update("jax_num_cpu_devices", cores or usable_cores())
    if cache and os.environ.get("HEBBARIUM_CACHE", "") != "off":
        folder = cache_folder()
        require_private(folder)
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)


def release_free_memory() -> None:
    """Return free memory to the system, where the C library can; small blocks in use keep it otherwise."""
    with suppress(OSError, AttributeError, TypeError):  # only glibc has it
        ctypes.CDLL(None).malloc_trim(0)
