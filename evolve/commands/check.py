"""`hebbarium check my_task.py`: whether a person's own parts keep the promises that the platform's own parts keep."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evolve.commands.load import Load

if TYPE_CHECKING:
    from evolve.running.contracts import Finding

#: Characters of the detail of a promise that is kept.
LONGEST = 60


def check(
    parts: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE|NAME...",
            help="Your own Python files, which are executed; or names of parts that are there.",
        ),
    ],
    load: Load = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")] = False,
) -> None:
    """Check your own rules, tasks, profiles and targets; exit code 1 if a check fails."""
    from evolve.report.terminal import Page, dump
    from substrate.devices import configure

    configure()
    page, rows = Page(quiet=json), []
    for kind, part, where, about in [entry for word in parts for entry in _meant(word)]:
        page.line(f"{kind} {part.name}, {where}")
        for finding in findings(part, about):
            row = {"from": where, "kind": kind, "name": part.name}
            promise = {"promise": finding.name, "ok": finding.ok, "detail": finding.detail}
            rows.append({**row, **promise})
            page.line(_line(finding))
    failed = sum(not row["ok"] for row in rows)
    if json:
        dump({"checks": rows, "failed": failed})
    page.line(f"{len(rows)} checks, {failed} failed" if failed else f"{len(rows)} checks passed")
    if failed:
        raise typer.Exit(1)


def _meant(word: str) -> list[tuple[str, Any, str, str | None]]:
    """The parts that a person means: their kind, the part, where it is from, and the docstring of its file."""
    from evolve.config.own_parts import load_parts, registries

    if not Path(word).exists():
        named: list[tuple[str, Any, str, str | None]] = [
            (r.noun, r[word], r.source(word) or "Hebbarium's own", None)
            for r in registries()
            if word in r
        ]
        if named:
            return named
    (own,) = load_parts(word)
    return [
        (registry.noun, part, str(own.path), own.about)
        for registry, parts in zip(registries(), own.parts, strict=True)
        for part in parts
    ]


def findings(part: Any, about: str | None) -> "list[Finding]":
    """The promises of a part, and whether each is kept.

    Parameters
    ----------
    about
        The docstring of its file, if that is known.
    """
    from evolve.exports import Target
    from evolve.running import contracts
    from substrate.hardware import Profile
    from substrate.rule import Rule
    from tasks.base import Family

    checks: dict[type, Any] = {
        Rule: contracts.check_rule,
        Family: contracts.check_family,
        Profile: contracts.check_profile,
        Target: contracts.check_target,
    }
    (check_part,) = (check for kind, check in checks.items() if isinstance(part, kind))
    missing = _undocumented(part, about)
    documented = contracts.Finding("documented", not missing, ", ".join(missing))
    return [documented, *check_part(part)]


def _undocumented(part: Any, about: str | None) -> list[str]:
    """What a reader would miss."""
    missing = ["the file has no docstring"] if about is not None and not about.strip() else []
    for name in ("reference", "asks", "solved", "summary"):
        if not getattr(part, name, "said").strip():
            missing.append(f"`{name}` is empty")
    options = getattr(part, "options", None)
    fields = options.model_fields if options else {}
    return missing + [
        f"option {k} has no description" for k, f in fields.items() if not f.description
    ]


def _line(finding: "Finding") -> str:
    """A finding on one line; where all is well, at most so long that it fits."""
    from evolve.tracking.listing import short

    words = f"  {'ok  ' if finding.ok else 'FAIL'} {finding.name}"
    detail = " ".join(finding.detail.split())
    if finding.ok:
        detail = short(detail, LONGEST)
    return f"{words}: {detail}" if detail else words
