"""Whether a part keeps its promises: a task family, a rule, a hardware profile or an export target, of any origin.

Tracing shows that a program can be built, without compiling it. Every combination is traced, or refused with a
`UserError` that gives the reason. Anything else is a fault of the part or of the platform.
"""

import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache, partial
from time import perf_counter
from typing import Any, Literal, NamedTuple, get_args, get_origin

import jax
import jax.numpy as jnp
import numpy as np
import sympy

from evolve.evaluation import compiled
from evolve.evaluation.arena import (
    INSTANCES_PER_GROUP,
    Arena,
    can_merge_lanes,
    fits,
    learn,
    prefers_vmap,
    with_chip,
)
from evolve.evaluation.fixed_projections import fixed_rules, with_fixed
from evolve.exports import TARGETS, Target
from evolve.expressions.rule_file import rule_from_json, to_json
from rules_zoo import RULES
from substrate.compilation.lowering import lower
from substrate.errors import UserError, chosen
from substrate.hardware import PROFILES, ChipKeys, Profile, cost, violations
from substrate.networks.base import Network, is_compatible, require_compatible
from substrate.plasticity import Plasticity
from substrate.rule import Rule, Slow
from substrate.simulate import Episode, whole_drive
from substrate.vocabulary import SCOPES, VOCABULARY, names
from tasks import FAMILIES
from tasks.base import SPLITS, Family, Options, Setting, draw_instances

#: Individuals that are traced together; more than one, so that their axis differs from axes of size 1.
INDIVIDUALS = 3


class Finding(NamedTuple):
    """One promise of a part, and whether it is kept."""

    name: str
    ok: bool
    detail: str  # what was measured, or what is wrong


class Cell(NamedTuple):
    """One combination of two parts."""

    row: str
    column: str
    outcome: Literal["traced", "refused", "failed"]
    reason: str = ""


class ContractError(Exception):
    """A promise is broken; the message says which and how."""


def check_family(family: Family, seed: int = 0, options: Options | None = None) -> list[Finding]:
    """Check a task family: its instances, its networks on every profile, its scores.

    Parameters
    ----------
    seed
        Of the instances.
    options
        The family's defaults if not given; smaller ones are faster.
    """
    given = family.options() if options is None else options
    return [
        *check_instances(family, seed, given),
        *check_networks(family, given),
        *check_scores(family, seed, given),
    ]


def check_instances(family: Family, seed: int, options: Options) -> list[Finding]:
    """Check what a family draws."""
    arena = partial(_arena, family, options, seed)
    return [
        _finding("settings", _settings, family, options),
        _finding("same seed, same instances", _same_instances, arena),
        _finding("splits share no instance", _separate_splits, arena),
    ]


def check_networks(family: Family, options: Options) -> list[Finding]:
    """Check a family's networks on every profile, and with every choice of its options."""
    name, ideal = family.name, PROFILES["ideal"]
    on_profiles = (_cell(name, p.name, trace_family, family, p, options) for p in PROFILES.values())
    otherwise = (_cell(name, key, trace_learning, family, ideal, o) for key, o in choices(family))
    return [
        _finding("traced with its best known rule", _learns, family, options),
        _finding("traced on every profile", _traced, on_profiles, 1),
        _finding("traced with every choice of its options", _traced, otherwise),
    ]


def check_scores(family: Family, seed: int, options: Options) -> list[Finding]:
    """Check what a family's scores mean, by letting two rules learn."""
    arena = partial(_arena, family, options, seed)
    return [
        _finding("frozen scores 0, the ceiling is above", _floor, arena),
        _finding("time of a rule", _time, family, arena),
    ]


def check_rule(rule: Rule) -> list[Finding]:
    """Check a rule: that a rule file holds it, and that families, profiles and exports take it or say why not."""
    families = (_cell(rule.name, f.name, trace_rule, f, rule) for f in FAMILIES.values())
    profiles = (_cell(rule.name, p.name, require_admitted, rule, p) for p in PROFILES.values())
    targets = (_cell(rule.name, t.name, _rendered, t, rule) for t in TARGETS.values())
    return [
        _finding("read back as written", _read_back, rule),
        _finding("learns in a family", _traced, families, 1),
        _finding("runs on a profile", _traced, profiles, 1),
        _finding("exported", _traced, targets, 1),
    ]


def check_profile(profile: Profile, families: Iterable[Family] | None = None) -> list[Finding]:
    """Check a hardware profile: that every family runs on it or is refused, and that every rule has a cost there."""
    families = FAMILIES.values() if families is None else families
    cells = (_cell(f.name, profile.name, trace_family, f, profile) for f in families)
    return [
        _finding("every figure has a source", _sources, profile),
        _finding("traced with every family", _traced, cells, 1),
        _finding("every rule has a cost", _costs, profile),
    ]


def check_target(target: Target) -> list[Finding]:
    """Check an export target: that it writes every known rule or says why not, and keeps foreign text harmless."""
    rules = (_cell(rule.name, target.name, _rendered, target, rule) for rule in RULES.values())
    return [
        _finding("writes every rule or says why not", _traced, rules, 1),
        _finding("text from outside stays harmless", _harmless, target),
    ]


def families_by_profiles(families: Iterable[Family] | None = None) -> Iterator[Cell]:
    """Every family, or some, on every profile."""
    for f in FAMILIES.values() if families is None else families:
        for p in PROFILES.values():
            yield _cell(f.name, p.name, trace_family, f, p)


def rules_by_families() -> Iterator[Cell]:
    """Every rule of the zoo in every family."""
    for rule in RULES.values():
        for f in FAMILIES.values():
            yield _cell(rule.name, f.name, trace_rule, f, rule)


def rules_by_targets() -> Iterator[Cell]:
    """Every rule of the zoo in every export."""
    for rule in RULES.values():
        for t in TARGETS.values():
            yield _cell(rule.name, t.name, _rendered, t, rule)


def matrix(cells: Iterable[Cell], reasons: bool = True) -> str:
    """Combinations as plain text: `+` traced, `-` or the number of a reason below refused, `!` failed."""
    known = {(c.row, c.column): c for c in cells}
    rows, columns = (list(dict.fromkeys(place[i] for place in known)) for i in (0, 1))
    refusals = list(dict.fromkeys(c.reason for c in known.values() if c.outcome == "refused"))
    left = max(map(len, rows))

    def mark(cell: Cell) -> str:
        if cell.outcome == "refused":
            return str(refusals.index(cell.reason) + 1) if reasons else "-"
        return {"traced": "+", "failed": "!"}[cell.outcome]

    def line(row: str, marks: Iterable[str]) -> str:
        return "  ".join([row.ljust(left), *marks]).rstrip()

    lines = [line("", columns)]
    lines += [line(r, (mark(known[r, c]).center(len(c)) for c in columns)) for r in rows]
    lines += [f"{i + 1}  {reason}" for i, reason in enumerate(refusals)] if reasons else []
    failed = [c for c in known.values() if c.outcome == "failed"]
    return "\n".join([*lines, *(f"!  {c.row}, {c.column}: {c.reason}" for c in failed)])


def choices(family: Family) -> Iterator[tuple[str, Options]]:
    """The options of a family with one choice (of words, or true and false) made otherwise than by default."""
    default = family.options()
    for name, field in family.options.model_fields.items():
        kind = field.annotation
        offered = get_args(kind) if get_origin(kind) is Literal else ()
        for value in (True, False) if kind is bool else offered:
            if value != getattr(default, name):
                try:
                    yield f"{name}={value}", family.options(**{name: value})
                except ValueError:
                    continue  # a choice that is refused where another option has its default


def trace_family(family: Family, profile: Profile, options: Options | None = None) -> None:
    """Trace learning in all settings of a family on a profile, with a rule that reads every observable.

    Networks so large that the engines use `vmap` take long to trace; on a chip, only one step of them is traced.

    Raises
    ------
    UserError
        If the profile cannot hold the network.
    ContractError
        If a step does not return the state that it was given.
    """
    for setting, episode in shapes(family, options):
        here, placed = on_profile(setting, episode, profile)
        plasticity = lower(probe(setting.network, profile))
        if prefers_vmap(placed) and not profile.ideal:
            trace_step(here, placed, plasticity)
            continue
        try:
            trace(here, placed, plasticity)
        except TypeError:  # JAX's message about a changed state is hard to read
            trace_step(here, placed, plasticity)
            raise


def trace_learning(family: Family, profile: Profile, options: Options | None = None) -> None:
    """Trace learning and its score in all settings of a family, with the family's best known rule.

    Raises
    ------
    UserError
        If the profile cannot hold the network.
    """
    frozen = RULES["frozen"]
    for setting, episode in shapes(family, options):
        rival = RULES.get(family.rival, frozen)
        rule = rival if is_compatible(rival, setting.network.observables) else frozen
        here, placed = on_profile(setting, episode, profile)
        trace(here, placed, with_fixed(lower(rule), setting.fixed_rules))


def trace_rule(family: Family, rule: Rule) -> None:
    """Trace a step with a rule in all settings of a family.

    Raises
    ------
    UserError
        If the rule changes or reads what the family's networks do not have.
    """
    for setting, episode in shapes(family):
        require_compatible(rule, setting.network.observables)
        trace_step(*on_profile(setting, episode, PROFILES["ideal"]), lower(rule))


def trace(setting: Setting, episode: Episode, plasticity: Plasticity) -> None:
    """Trace learning and its score as the engines run them."""
    gains, vmapped = jnp.ones(INDIVIDUALS), prefers_vmap(episode)
    merged = not vmapped and can_merge_lanes(episode, INDIVIDUALS)
    jax.eval_shape(lambda e: learn(setting, plasticity, e, gains, merged, vmapped), episode)


def trace_step(setting: Setting, episode: Episode, plasticity: Plasticity) -> None:
    """Trace one step, with instances and individuals on axes of their own.

    Raises
    ------
    ContractError
        If the state that it returns has another structure or other shapes than the one that it was given.
    """
    network, rate = setting.network, jnp.ones((INSTANCES_PER_GROUP, INDIVIDUALS))

    def widened(w: jax.Array) -> jax.Array:
        return jnp.broadcast_to(w, (*w.shape[:-1], INDIVIDUALS))

    def states(episode: Episode) -> tuple[Any, Any]:
        chip = with_chip(setting, plasticity, episode)
        before = network.init(chip, jax.tree.map(widened, episode.w0))
        drive = jax.tree.map(lambda a: a[0], episode.drive)
        whole_of = whole_drive(network, episode)
        return before, network.step(chip, before, whole_of(drive), rate)[0]

    before, after = (_parts(state) for state in jax.eval_shape(states, episode))
    differing = [
        f"{name} was {before.get(name, 'not there')} and is {after.get(name, 'not there')}"
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]
    if differing:
        raise ContractError(f"`step` changes the state's structure: {'; '.join(differing)}.")


@lru_cache
def shapes(family: Family, options: Options | None = None) -> list[tuple[Setting, Episode]]:
    """The settings of a family, each with the shapes of an episode; one instance of each is drawn."""
    settings = family.build(family.options() if options is None else options)

    def widened(array: np.ndarray) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct((*array.shape[:-2], INSTANCES_PER_GROUP, 1), jnp.float32)

    return [
        (setting, jax.tree.map(widened, draw_instances(setting, (0, i), "train", range(1))))
        for i, setting in enumerate(settings)
    ]


def on_profile(setting: Setting, episode: Episode, profile: Profile) -> tuple[Setting, Episode]:
    """A setting on a profile, with the shapes of the chips' keys; on the ideal one, it keeps the chip of its task.

    Raises
    ------
    UserError
        If the profile cannot hold the network.
    """
    chip = setting.profile if profile.ideal else profile
    if chip is None or chip.ideal:
        return setting, episode
    fits(chip, episode)
    keys = jax.ShapeDtypeStruct((INSTANCES_PER_GROUP, 1), jnp.uint32)
    return replace(setting, profile=chip), episode._replace(chip_keys=ChipKeys(keys, keys))


def probe(network: Network, profile: Profile) -> Rule:
    """A rule that changes every projection and reads every observable that the network and the profile offer.

    It has a slow variable of every scope for which the profile has memory.
    """
    everywhere = frozenset.intersection(*network.observables.values())
    zero = sympy.Integer(0)

    def total(wanted: Iterable[str]) -> sympy.Expr:
        return sum(names(" ".join(n for n in sorted(wanted) if profile.offers(n))), start=zero)

    def slow(scope: str) -> Slow:
        (own,) = names(f"kept_{scope}")
        narrow = SCOPES if scope == "synapse" else (scope, "global")
        readable = [name for name in everywhere if VOCABULARY[name].scope in narrow]
        return Slow(own.name, (total(readable) - own) / 2, scope)

    kept = tuple(map(slow, profile.scopes))
    changes = {p: total([*own]) for p, own in network.observables.items()}
    kept_total = sum(names(" ".join(s.name for s in kept)), start=zero)
    return Rule("probe", {p: e + kept_total for p, e in changes.items()}, slow=kept)


def require_admitted(rule: Rule, profile: Profile) -> None:
    """Refuse a rule that a chip cannot run.

    Raises
    ------
    UserError
        With every reason.
    """
    reasons = violations(profile, rule)
    if reasons:
        raise UserError(f"Rule {rule.name!r} cannot run on {profile.name}: {'; '.join(reasons)}.")


def _parts(state: Any) -> dict[str, str]:
    """Shapes and types of the arrays of a state by name."""
    found, _ = jax.tree_util.tree_flatten_with_path(state, is_leaf=lambda part: part is None)
    return {
        f"state{jax.tree_util.keystr(path)}": "nothing"
        if a is None
        else f"{a.dtype}{list(a.shape)}"
        for path, a in found
    }


def _arena(
    family: Family, options: Options, seed: int, split: str, count: int = INSTANCES_PER_GROUP
) -> Arena:
    return Arena(family, options, seed, split, count)


def _settings(family: Family, options: Options) -> str:
    settings = family.build(options)
    named = [setting.name for setting in settings]
    if not settings or len(set(named)) < len(named):
        raise ContractError(f"`build` must give settings with different names, not {named}.")
    for setting in settings:
        if setting.fixed_rules != fixed_rules(settings):
            raise ContractError("all settings must have the same `fixed_rules`.")
        if setting.fixed_rules is not None:
            require_compatible(setting.fixed_rules, setting.network.observables)
    for name in (family.rival, *(family.baselines or ())):
        chosen("rule", name, RULES)
    return f"{len(settings)}: {', '.join(named)}"


def _columns(arena: Arena) -> list[np.ndarray]:
    """Inputs and weights, (number, instance), of every setting."""
    found = []
    for episode in arena.episodes:
        parts = [
            np.moveaxis(a[..., 0], 0, -2).reshape(-1, arena.instances)
            for a in jax.tree.leaves((episode.drive, episode.w0, episode.shared))
        ]
        found.append(np.concatenate(parts))
    return found


def _same_instances(arena: Callable[..., Arena]) -> str:
    """The same instances again, also where more are drawn."""
    once, again, more = arena("train"), arena("train"), arena("train", 2 * INSTANCES_PER_GROUP)
    numbers = 0
    for first, second, longer in zip(*map(_columns, (once, again, more)), strict=True):
        if not np.isfinite(first).all():
            raise ContractError("an instance holds a number that is not finite.")
        if not np.array_equal(first, second):
            raise ContractError("the same seed gives other instances; draw from `draw.rng` alone.")
        if not np.array_equal(first, longer[:, : once.instances]):
            raise ContractError("an instance depends on how many are drawn.")
        numbers += len(first)
    return f"{numbers} numbers an instance"


def _separate_splits(arena: Callable[..., Arena]) -> str:
    drawn = [_columns(arena(split)) for split in SPLITS]
    for setting in zip(*drawn, strict=True):
        seen = [{column.tobytes() for column in own.T} for own in setting]
        for i, split in enumerate(SPLITS):
            for j, other in enumerate(SPLITS[:i]):
                if seen[i] & seen[j]:
                    raise ContractError(f"`{other}` and `{split}` share an instance.")
    return f"{INSTANCES_PER_GROUP} instances of each split"


def _floor(arena: Callable[..., Arena]) -> str:
    """A rule that changes nothing scores what learning at rate 0 scores, and the ceiling is above."""
    frozen = RULES["frozen"]
    quality, ceiling, _ = compiled.instances([frozen], arena("test"), ((0.0, 1.0),))[0]
    if not np.isfinite(quality).all():
        raise ContractError("the quality of a network that does not learn is not finite.")
    if not np.array_equal(quality[0], quality[1]):
        raise ContractError("the rule `frozen` does not score what learning at rate 0 scores.")
    span = (ceiling[0] - quality[0]).mean(axis=-1)
    if not (np.isfinite(span).all() and (span > 0).all()):
        raise ContractError(f"the ceiling must be above the floor, but their distance is {span}.")
    return f"from {quality[0].mean():.4g} without learning to {ceiling[0].mean():.4g}"


def _time(family: Family, arena: Callable[..., Arena]) -> str:
    rule, test, seconds = RULES[family.rival], arena("test"), []
    for _ in range(2):
        begin = perf_counter()
        quality = compiled.instances([rule], test)[0][0]
        seconds.append(perf_counter() - begin)
    kept = "" if np.isfinite(quality).all() else ", which diverged on some of them"
    first, later = seconds
    return (
        f"{rule.name} on {test.instances} instances: {later:.3g} s, "
        f"{first - later:.3g} s to compile{kept}"
    )


def _learns(family: Family, options: Options) -> str:
    trace_learning(family, PROFILES["ideal"], options)
    return family.rival


def _read_back(rule: Rule) -> str:
    again = rule_from_json(to_json(rule))
    if (again.equations, again.constants, again.slow) != (
        rule.equations,
        rule.constants,
        rule.slow,
    ):
        raise ContractError("a rule file gives another rule than was written to it.")
    return "from a rule file"


def _rendered(target: Target, rule: Rule, about: Mapping[str, str] | None = None) -> str:
    texts = {target.render(rule, dict(about or {})) for _ in range(2)}
    if len(texts) > 1 or not all(texts):
        raise ContractError("the text must be the same every time, and not empty.")
    return texts.pop()


def _harmless(target: Target) -> str:
    """Control characters of foreign text never reach the file."""
    hostile = 'a\nb\r\x1b[31m"""*/\x00'
    rule = replace(RULES["oja"], reference=hostile, note=hostile)
    text = _rendered(target, rule, {"run": hostile})
    wrong = sorted({c for c in text if not c.isprintable() and c not in "\n\t"})
    if wrong:
        raise ContractError(f"control characters reach the text: {', '.join(map(repr, wrong))}.")
    return "no control character gets through"


def _sources(profile: Profile) -> str:
    without = [fact.what for fact in profile.facts if not fact.source]
    if without or not (profile.facts or profile.ideal):
        raise ContractError(
            f"`facts` must name a source for: {', '.join(without) or 'its figures'}."
        )
    return f"{len(profile.facts)} figures"


def _costs(profile: Profile) -> str:
    for rule in RULES.values():
        found = cost(profile, rule)
        if not all(np.isfinite(found)):
            raise ContractError(f"the cost of {rule.name!r} is {found}.")
    return f"{len(RULES)} rules"


def _traced(cells: Iterable[Cell], at_least: int = 0) -> str:
    """Say what was traced and what was refused.

    Raises
    ------
    ContractError
        If anything failed, or too little was traced.
    """
    found = list(cells)
    failed = [f"{c.row}, {c.column}: {c.reason}" for c in found if c.outcome == "failed"]
    if failed:
        raise ContractError("; ".join(failed))
    refused = [c.reason for c in found if c.outcome == "refused"]
    if len(found) - len(refused) < at_least:
        raise ContractError(f"refused everywhere: {' '.join(dict.fromkeys(refused))}")
    without = f"; refused: {' '.join(dict.fromkeys(refused))}" if refused else ""
    return f"{len(found) - len(refused)} of {len(found)}{without}"


def _cell(row: str, column: str, work: Callable[..., object], *arguments: Any) -> Cell:
    try:
        work(*arguments)
    except UserError as error:
        return Cell(row, column, "refused", str(error))
    except Exception as error:
        return Cell(row, column, "failed", _told(error))
    return Cell(row, column, "traced")


def _finding(name: str, check: Callable[..., str], *arguments: Any) -> Finding:
    try:
        return Finding(name, True, check(*arguments))
    except (ContractError, UserError) as error:
        return Finding(name, False, str(error))
    except Exception as error:
        return Finding(name, False, _told(error))


def _told(error: Exception) -> str:
    """An exception in one line, with the place in the part or the platform where it was raised."""
    if isinstance(error, ContractError):
        return str(error)
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "-packages" not in f.filename]
    first = str(error).strip().splitlines() or [""]
    where = f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {first[0]}{where}"
