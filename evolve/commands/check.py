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
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Your own Python files; executed.")
    ],
    load: Load = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")] = False,
) -> None:
    """Check your own rules, tasks, profiles and targets; exit code 1 if a check fails."""
    from json import dumps

    from evolve.config.own_parts import load_parts, registries
    from substrate.devices import configure

    configure()
    rows = []
    for own in load_parts(*files):
        for registry, parts in zip(registries(), own.parts, strict=True):
            for part in parts:
                if not json:
                    print(f"{registry.noun} {part.name}, {own.path}", flush=True)
                for finding in findings(part, own.about):
                    row = {"file": str(own.path), "kind": registry.noun, "name": part.name}
                    promise = {"promise": finding.name, "ok": finding.ok, "detail": finding.detail}
                    rows.append({**row, **promise})
                    if not json:
                        print(_line(finding))
    failed = sum(not row["ok"] for row in rows)
    if json:
        print(dumps({"checks": rows, "failed": failed}))
    else:
        print(f"{len(rows)} checks, {failed} failed" if failed else f"{len(rows)} checks passed")
    if failed:
        raise typer.Exit(1)


def findings(part: Any, about: str) -> "list[Finding]":
    """The promises of a part, and whether each is kept.

    Parameters
    ----------
    about
        The docstring of its file.
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


def _undocumented(part: Any, about: str) -> list[str]:
    """What a reader would miss."""
    missing = [] if about.strip() else ["the file has no docstring"]
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
