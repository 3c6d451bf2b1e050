"""What the tables of all commands have in common."""

from evolve.ranking.compare import Difference


def signed(gap: Difference) -> str:
    """A paired difference with its interval; a star where the test finds it at the 1 % level."""
    return f"{gap.mean:+.3f} ±{(gap.high - gap.low) / 2:.3f}{'*' if gap.p < 0.01 else ' '}"
