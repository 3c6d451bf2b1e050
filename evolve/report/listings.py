"""What there is: rules, tasks, observables and settings, as lists to scan and one entry in full."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from evolve.report.tables import show_table, table_of
from evolve.report.terminal import Page, command, dump
from substrate.errors import chosen
from substrate.rule import FORWARD, Rule
from substrate.vocabulary import VOCABULARY, Observable

if TYPE_CHECKING:
    from evolve.config.describe import Key
    from tasks.base import Family

#: What the shape of an observable is, by its scope.
SHAPES = {
    "synapse": "one value a synapse",
    "pre": "one value an input",
    "post": "one value a neuron",
    "global": "one value for all",
}

#: What a locality asks of a brain or a chip.
LOCALITIES = {
    "synapse": "present at the synapse",
    "neuron": "kept by one of its two neurons",
    "broadcast": "one signal sent to all synapses",
    "nonlocal": "a sum over other synapses or neurons",
}


# Rules


def show_rules(name: str | None, task: str | None, reads: Sequence[str], as_json: bool) -> None:
    """The zoo, those of its rules that a task can run or that read something, or one rule in full."""
    from rules_zoo import RULES

    rules = [chosen("rule", name, RULES)] if name else list(RULES.values())
    for observable in reads:
        chosen("observable", observable, VOCABULARY)
    rules = [r for r in rules if r.reads.issuperset(reads)]
    if task is not None:
        from substrate.networks.base import is_compatible

        shown = _observables(_family(task))
        rules = [r for r in rules if is_compatible(r, shown)]
    if as_json:
        dump({"rules": [_rule_record(r) for r in rules]})
    elif name:
        for rule in rules:
            _show_rule(Page(), rule)
    else:
        show_table(
            Page(),
            table_of(
                ("rule", "what it is"), [(r.name, summary(r)) for r in rules], ("what it is",)
            ),
        )


def summary(entry: Any) -> str:
    """One line about a rule or a family."""
    words = [getattr(entry, name, "") for name in ("summary", "asks", "reference")]
    return next((text for text in words if text), "")


def _show_rule(page: Page, rule: Rule) -> None:
    from evolve.expressions.symbolic import text

    page.say(f"  {summary(rule)}", bold=rule.name)
    page.say()
    for name, equation in rule.equations.items():
        page.line(f"    {name} = {text(equation)}")
    page.say()
    constants = ", ".join(f"{name} = {value:g}" for name, value in rule.constants.items())
    for what, words in (
        ("constants", constants),
        ("reads", ", ".join(sorted(rule.reads))),
        ("locality", f"{rule.locality.name.lower()}: {LOCALITIES[rule.locality.name.lower()]}"),
        ("source", rule.reference),
        ("note", rule.note),
    ):
        if words:
            page.say(f"{what}: {words}")
    page.say()
    page.line(f"as code:  {command('export', rule.name, '--to', 'python')}")


def _rule_record(rule: Rule) -> dict[str, Any]:
    from evolve.expressions.symbolic import rule_complexity, text

    return {
        "rule": rule.name,
        "summary": summary(rule),
        "equations": {k: text(e) for k, e in rule.equations.items()},
        "constants": dict(rule.constants),
        "reads": sorted(rule.reads),
        "locality": rule.locality.name.lower(),
        "complexity": rule_complexity(rule).operators,
        "reference": rule.reference,
        "note": rule.note,
    }


# Tasks


def _family(name: str) -> "Family":
    from tasks import FAMILIES

    return chosen("task", name, FAMILIES)


def _observables(family: "Family") -> Mapping[str, frozenset[str]]:
    """What the synapses of each plastic projection observe, with the family's usual options."""
    from evolve.evaluation.arena import common_observables

    return common_observables(family.build(family.options()))


def show_tasks(name: str | None, shows: Sequence[str], as_json: bool) -> None:
    """The task families, those that show some observables, or one with its options."""
    from tasks import FAMILIES

    families = [_family(name)] if name else list(FAMILIES.values())
    for observable in shows:
        chosen("observable", observable, VOCABULARY)
    if shows:
        families = [f for f in families if set(shows) <= _observables(f)[FORWARD]]
    if as_json:
        dump({"tasks": [_task_record(f) for f in families]})
    elif name:
        for family in families:
            _show_task(Page(), family)
    else:
        show_table(
            Page(),
            table_of(
                ("task", "what it asks"),
                [(f.name, summary(f)) for f in families],
                ("what it asks",),
            ),
        )


def _task_record(family: "Family") -> dict[str, Any]:
    return {
        "task": family.name,
        "summary": summary(family),
        "asks": family.asks,
        "solved": family.solved,
        "reference": family.reference,
        "options": {
            key.name.removeprefix("options."): {
                "default": key.default,
                "description": key.meaning,
                "choices": key.choices,
            }
            for key in _options(family)
        },
    }


def _options(family: "Family") -> list["Key"]:
    from evolve.config.describe import keys

    return list(keys(family.options, "options."))


def _show_task(page: Page, family: "Family") -> None:
    page.say(f"  {family.asks}", bold=family.name)
    page.say(f"solved: {family.solved}")
    page.say(f"source: {family.reference}")
    for projection, names in _observables(family).items():
        where = "" if projection == FORWARD else f" at the projection {projection!r}"
        page.say(f"a rule may read{where}: {', '.join(sorted(names))}")
    page.say()
    page.say("Options with their defaults, as `run` and `rank` take them:")
    page.say()
    _show_keys(page, _options(family), "--set ")


# Settings


def settings_of(task: str | None) -> list["Key"]:
    """Every key of `--set`, with the defaults of a task and its options if one is named."""
    from dataclasses import replace

    from evolve.config.describe import keys
    from evolve.config.run_config import RunConfig
    from substrate.functions import PRIMITIVES
    from substrate.hardware import PROFILES
    from tasks import FAMILIES

    choices = {
        "task": ", ".join(FAMILIES),
        "hardware": ", ".join(PROFILES),
        "genes.primitives": f"list: {', '.join(PRIMITIVES)}",
    }
    found = [replace(k, choices=choices.get(k.name, k.choices)) for k in keys(RunConfig)]
    found = [k for k in found if k.name != "options"]
    if task is None:
        return found
    family = _family(task)
    usual = RunConfig(task=task).flat()
    found += _options(family)
    return [replace(k, default=usual[k.name]) for k in found]


def show_settings(task: str | None, as_json: bool) -> None:
    """Every key of `--set` with its meaning, default and choices."""
    found = settings_of(task)
    if as_json:
        dump({"task": task, "settings": [vars(key) for key in found]})
        return
    page = Page()
    _show_keys(page, found, "--set ")
    page.say()
    if task is None:
        page.say(
            "A task has further settings, options.NAME, and some other defaults, for instance "
            f"{command('settings', 'pca')}."
        )
    page.say(
        "In a TOML file a key with a dot stands in a section: [genes] columns = 20. "
        f"{command('run', task or 'pca', '--dry-run')} prints a whole file."
    )


def _show_keys(page: Page, found: Iterable["Key"], before: str) -> None:
    """A table, or, where settings take half of the terminal, each with its meaning below."""
    from evolve.config.written import key_value

    rows = []
    for key in found:
        words = f"{key.meaning} ({key.choices})" if key.choices else key.meaning
        rows.append((f"{before}{key_value(key.name, key.default)}", words))
    if page.width is not None and 2 * max(len(row[0]) for row in rows) > page.width:
        for setting, words in rows:
            page.line(setting, bold=True)
            page.say(words, indent=4)
        return
    show_table(page, table_of(("setting and default", "meaning"), rows, text=("meaning",)))


# Observables


def show_observables(name: str | None, as_json: bool) -> None:
    """What rules may read, and which tasks offer it; or one observable in full."""
    from rules_zoo import RULES
    from tasks import FAMILIES

    shown = [chosen("observable", name, VOCABULARY)] if name else list(VOCABULARY.values())
    offers = {f.name: frozenset().union(*_observables(f).values()) for f in FAMILIES.values()}

    def tasks_of(observable: Observable) -> list[str]:
        return [task for task, names in offers.items() if observable.name in names]

    if as_json:
        records = [
            {
                "observable": o.name,
                "meaning": o.meaning,
                "scope": o.scope,
                "locality": o.locality.name.lower(),
                "tasks": tasks_of(o),
            }
            for o in shown
        ]
        dump({"observables": records})
        return
    page = Page()
    if name:
        (one,) = shown
        locality = one.locality.name.lower()
        readers = [r.name for r in RULES.values() if name in r.reads]
        page.say(f"  {one.meaning}", bold=one.name)
        page.say(f"shape: {one.scope}, {SHAPES[one.scope]}")
        page.say(f"locality: {locality}, {LOCALITIES[locality]}")
        page.say(f"offered by: {', '.join(tasks_of(one)) or 'no task'}")
        page.say(f"read by: {', '.join(readers) or 'no rule of the zoo'}")
        return
    rows = [
        (o.name, o.scope, o.locality.name.lower(), str(len(tasks_of(o))), o.meaning) for o in shown
    ]
    headings = ("observable", "shape", "locality", "tasks", "meaning")
    show_table(page, table_of(headings, rows, text=("shape", "locality", "meaning")))
    page.say()
    for what, words in (("shape", SHAPES), ("locality", LOCALITIES)):
        page.say(f"{what}: {'; '.join(f'{k}, {v}' for k, v in words.items())}")
    page.say(f"Which tasks offer one, for instance: {command('observables', 'lat')}")
