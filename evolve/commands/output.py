"""Where results go: files that are written whole or not at all, and what is said if nobody can read them."""

import io
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from evolve.report.terminal import ReaderGoneError, clean, command, complain, write
from substrate.errors import UserError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Kinds of pictures, by the end of a file's name.
PICTURES = (".png", ".pdf", ".svg")


def write_file(path: Path, data: bytes) -> None:
    """Write a file whole or not at all; an older one of this name stays until then.

    Raises
    ------
    UserError
        If it cannot be written.
    """
    try:
        if path.exists() and not path.is_file():  # a device or a pipe
            path.write_bytes(data)
            return
        whole = path.resolve()
        part = whole.with_name(f"{whole.name}.part")
        try:
            part.write_bytes(data)
            if whole.exists():
                shutil.copymode(whole, part)
            part.replace(whole)
        except OSError:
            part.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UserError(
            f"Cannot write {path}: {error.strerror}. Choose another file with --out."
        ) from None


def write_text(path: Path, text: str) -> None:
    """Write a text in UTF-8; half characters, which a rule file may hold, become question marks."""
    write_file(path, text.encode("utf-8", "replace"))


def print_text(text: str) -> None:
    """Print a text for other programs as it is; on a terminal its control characters are shown as escapes."""
    stream = sys.stdout
    if stream is not None and stream.isatty():
        text = "".join(f"{clean(line)}\n" for line in text.splitlines())
    write(text)
    encoding = getattr(stream, "encoding", None) or "utf-8"
    lost = sorted({c for c in text if c.encode(encoding, "ignore") == b""})
    if lost:
        escapes = ", ".join(c.encode("unicode_escape").decode() for c in lost[:10])
        complain(
            f"standard output is in {encoding}, which lacks {len(lost)} of the characters ({escapes}); they were "
            "replaced. Write to a file with --out, or set PYTHONIOENCODING=utf-8."
        )


def require_picture(path: Path) -> None:
    """Refuse, before anything is computed, a picture that cannot be written.

    Raises
    ------
    UserError
        If the name has no ending of a picture, or its folder is not there.
    """
    if path.suffix.lower() not in PICTURES:
        raise UserError(
            f"--out {str(path)!r}: a picture ends in {', '.join(PICTURES[:-1])} or {PICTURES[-1]}."
        )
    if not path.resolve().parent.is_dir():
        raise UserError(f"--out {str(path)!r}: there is no such folder. Make it first.")


def write_picture(path: Path, figure: "Figure") -> None:
    """Write a picture of the kind that its name says."""
    page = io.BytesIO()
    figure.savefig(page, format=path.suffix.lower().removeprefix("."), dpi=150)
    write_file(path, page.getvalue())


@contextmanager
def kept(run_id: str, folder: Path) -> Iterator[None]:
    """Print a result; if that fails, say where it is kept."""
    where = command("export", run_id[:8], runs=folder)
    try:
        yield
    except ReaderGoneError:
        complain(f"nobody reads the output any more. The run is kept: {where}")
        raise
    except UserError as error:
        raise UserError(f"{error} The run is kept: {where}") from None
