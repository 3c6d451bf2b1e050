"""How JAX is set up for this work: every core a device, small loops kept whole, compiled programs kept on disk.

XLA runs a loop over steps as one machine-code function only if its state is small; otherwise every operation of
every step is dispatched on its own. The networks here are small and their loops long, so the bound is lifted.
"""

import ctypes
import os
from contextlib import suppress
from pathlib import Path

import jax

#: Loops of any size become one function; vectors as wide as the processor has.
_XLA_FLAGS = (
    "--xla_backend_extra_options=xla_cpu_small_while_loop_byte_threshold=100000000",
    "--xla_cpu_prefer_vector_width=512",
)


def cache_folder() -> Path:
    """Where compiled programs are kept: HEBBARIUM_CACHE, or the user's cache folder."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("HEBBARIUM_CACHE") or Path(home) / "hebbarium" / "xla")


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
    """
    flags = os.environ.get("XLA_FLAGS", "")
    missing = [flag for flag in _XLA_FLAGS if flag.split("=")[0] not in flags]
    os.environ["XLA_FLAGS"] = " ".join([flags, *missing]).strip()
    with suppress(RuntimeError):  # too late: a computation has run, and JAX stays as it is
        jax.config.update("jax_num_cpu_devices", cores or usable_cores())
    if cache and os.environ.get("HEBBARIUM_CACHE", "") != "off":
        jax.config.update("jax_compilation_cache_dir", str(cache_folder()))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)


def release_free_memory() -> None:
    """Return free memory to the system, where the C library can; small blocks in use keep it otherwise."""
    with suppress(OSError, AttributeError, TypeError):  # only glibc has it
        ctypes.CDLL(None).malloc_trim(0)
