"""What a constant, a slow variable, a projection or a part of a rule may be called, and how many there may be."""

import re

from substrate.errors import UserError

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")

#: Most constants, and most slow variables, of one rule.
MAX_NAMES = 500


def require_name(name: str, who: str) -> None:
    """Refuse a name that no rule file can hold.

    Raises
    ------
    UserError
        Saying what is allowed.
    """
    if not NAME.fullmatch(name):
        shown = ascii(name if len(name) <= 60 else name[:57] + "...")
        raise UserError(
            f"{who} has the name {shown}. A name has up to 64 of the letters A to Z and a to z, "
            "digits and underscores, and does not start with a digit. Rename it."
        )


def require_few(count: int, who: str) -> None:
    """Refuse more constants or slow variables than a rule may have.

    Raises
    ------
    UserError
        Saying how many are allowed.
    """
    if count > MAX_NAMES:
        raise UserError(f"{who} has {count} of them; at most {MAX_NAMES} are allowed.")
