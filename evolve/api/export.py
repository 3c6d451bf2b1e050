"""`export` as a function: a rule as text for other programs."""

from collections.abc import Mapping
from pathlib import Path

from substrate.rule import Rule


def export(
    rule: Rule | str,
    target: str = "python",
    *,
    provenance: Mapping[str, str] | None = None,
    runs: str | Path | None = None,
) -> str:
    """Write a rule in the language of a target: `python`, `latex`, `json`, or code for a chip.

    Parameters
    ----------
    rule
        A rule, or what names one: a zoo rule, an expression, a rule file, or a run, if `runs` says where they are
        kept.
    target
        A name in `TARGETS`.
    provenance
        Where a rule comes from, for its reader; files and runs bring their own.

    Raises
    ------
    UserError
        If there is no such rule or target, or the target cannot express the rule.

    >>> from evolve import export
    >>> print(export("3*post*(pre - post*w)").splitlines()[-1].strip())
    return 3*post*(pre - post*w)
    """
    from evolve import exports
    from evolve.commands.rank import exported

    if isinstance(rule, Rule):
        return exports.export(rule, target, provenance)
    if provenance is not None:
        return exports.export(find_rule(rule, runs), target, provenance)
    return exported(rule, target, Path(runs) if runs is not None else None)


def find_rule(name: str, runs: str | Path | None = None) -> Rule:
    """A rule by what a person calls it.

    Parameters
    ----------
    name
        A zoo rule, an expression over the observables, the path of a rule file (.json), or a run, whose champion is
        meant: its name, or the beginning of its id.
    runs
        Folder of the run store, if it is a run.

    Raises
    ------
    UserError
        If it is none of these.

    >>> from evolve import find_rule
    >>> find_rule("post*(pre - post*w)").reads == find_rule("oja").reads
    True
    """
    from evolve.tracking import find_rule as by_name
    from evolve.tracking.store import Store

    return by_name.find_rule(name, Store(Path(runs)) if runs is not None else None)
