"""Entry point of the `hebbarium` command: what a person got wrong becomes one message and exit code 2."""

import os
import sys

from substrate.errors import UserError

#: Exit codes: bad input, or output that cannot be written; and the shell's code for a reader that has gone.
REFUSED, READER_GONE = 2, 141


def main() -> None:
    """Run the command line."""
    from evolve.commands.cli import app
    from evolve.report.terminal import ReaderGoneError, complain, prepare_streams

    prepare_streams()
    try:
        app(prog_name="hebbarium")
    except UserError as error:
        complain(str(error))
        _end(REFUSED)
    except ReaderGoneError:  # the reader, head for instance, has seen enough
        _end(READER_GONE)


def _end(code: int) -> None:
    """Exit; what standard output could not take is dropped, or Python complains about it at its end."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


if __name__ == "__main__":
    main()
