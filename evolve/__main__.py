"""Entry point of the `hebbarium` command: what a person got wrong becomes one message and exit code 2."""

import sys


def main() -> None:
    """Run the command line."""
    from evolve.commands.cli import app

    try:
        app()
    except ValueError as error:
        from substrate.errors import UserError  # late: --help should not import SymPy

        if not isinstance(error, UserError):
            raise
        print(f"hebbarium: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:  # the reader, head for instance, has seen enough
        sys.stderr.close()
        sys.exit(141)


if __name__ == "__main__":
    main()
