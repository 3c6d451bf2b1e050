"""Profiles as people write them: a name, or a name with parameters, `fixed_point:bits=6,rounding=stochastic`."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal

from substrate.errors import UserError, unknown
from substrate.hardware.base import EXACT, ROUNDINGS, Profile, Read, Schedule

#: What becomes of what rounding took from a write.
KEEPS = {"kept": True, "dropped": False}

#: What may be changed of any chip.
PARAMETERS: Mapping[str, str] = {
    "bits": "bits of a weight without its sign",
    "top": "weight at full scale",
    "rounding": "of a weight: " + ", ".join(ROUNDINGS),
    "period": "steps that accumulate before a write, or that make an epoch",
    "remainder": "of changes that accumulate, what rounding took from a write: " + ", ".join(KEEPS),
    "gain": "relative spread of the gains of readings, of the analog ones where there are such",
    "noise": "noise of readings, in the unit of the observable; as for gain",
    "reads": "bits of the readings",
    "mismatch": "relative spread of the effective weight of a code",
    "chips": "chip instances of a score",
}


def parse(text: str, profiles: Mapping[str, Profile]) -> Profile:
    """Read a profile with its parameters.

    Raises
    ------
    UserError
        If there is no such profile or parameter, or a value is impossible.
    """
    name, _, parameters = text.partition(":")
    if name not in profiles:
        raise unknown("hardware profile", name, profiles)
    given = {}
    for part in filter(None, (p.strip() for p in parameters.split(","))):
        key, equals, value = (p.strip() for p in part.partition("="))
        if not equals:
            raise UserError(
                f"Hardware {text!r}: write {name}:KEY=VALUE,KEY=VALUE with keys of {', '.join(PARAMETERS)}."
            )
        if key not in PARAMETERS:
            raise unknown("parameter of a hardware profile", key, PARAMETERS)
        given[key] = _value(key, value, text)
    if given and profiles[name].ideal:
        raise UserError(f"Hardware {text!r}: `ideal` has no parameters. Take fixed_point instead.")
    return changed(profiles[name], **given)


def changed(profile: Profile, **given: Any) -> Profile:
    """The profile with other parameters, see `PARAMETERS`; numbers may be traced."""
    weights = profile.weights
    assert weights is not None or not given
    names = {"bits": "bits", "top": "top", "rounding": "rounding", "mismatch": "gain"}
    own: dict[str, Any] = {names[k]: v for k, v in given.items() if k in names}
    if own and weights is not None:
        profile = replace(profile, weights=replace(weights, **own))
    errors = {k: given[k] for k in ("gain", "noise") if k in given}
    bits = {"bits": given["reads"]} if "reads" in given else {}
    if errors or bits:
        digital = any(map(_analog, profile.reads.values()))  # what is not analog has no such errors
        each: Callable[[Read], Read] = lambda read: replace(  # noqa: E731
            read, **bits, **(errors if _analog(read) or not digital else {})
        )
        own_reads = {name: each(read) for name, read in profile.reads.items()}
        other = None if profile.other is None else each(profile.other or EXACT)
        profile = replace(profile, reads=own_reads, other=other)
    schedule = profile.schedule
    if "period" in given:
        kind: Literal["accumulate", "epoch"] = "epoch" if schedule.kind == "epoch" else "accumulate"
        stays = schedule.kind not in ("accumulate", "epoch")
        if not (stays and isinstance(given["period"], int) and given["period"] == 1):
            schedule = Schedule(kind, given["period"], keeps=schedule.keeps)
    if "remainder" in given:
        schedule = replace(schedule, keeps=KEEPS[given["remainder"]])
    profile = replace(profile, schedule=schedule)
    if "chips" in given:
        profile = replace(profile, chips=given["chips"])
    return profile


def _analog(read: Read) -> bool:
    return any((read.gain, read.offset, read.noise))


#: Whole numbers and their ranges, then numbers with theirs.
_WHOLE = {"bits": (1, 16), "period": (1, 1000), "reads": (2, 16), "chips": (1, 1000)}
_REAL = {"top": (1e-6, 1e6), "gain": (0.0, 1.0), "noise": (0.0, 1e3), "mismatch": (0.0, 1.0)}


def _value(key: str, text: str, whole: str) -> Any:
    if key == "rounding":
        if text not in ROUNDINGS:
            raise unknown("rounding", text, ROUNDINGS)
        return text
    if key == "remainder":
        if text not in KEEPS:
            raise unknown("remainder", text, KEEPS)
        return text
    low, high = _WHOLE.get(key) or _REAL[key]
    try:
        value: float = int(text) if key in _WHOLE else float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        kind = "a whole number" if key in _WHOLE else "a number"
        raise UserError(
            f"Hardware {whole!r}: {key} is {kind} from {low:g} to {high:g}, not {text!r}."
        )
    return value
