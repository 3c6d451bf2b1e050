"""What one update of one synapse costs on a chip: operations, state, traffic to and from memory."""

import math
from typing import NamedTuple

from substrate.compilation.graph import Graph, from_rule, to_rule
from substrate.hardware._admission import NoSum, merged, products
from substrate.hardware.base import Products, Profile
from substrate.rule import Rule


class Cost(NamedTuple):
    """Per synapse and step; state is what is kept per synapse."""

    operations: float  # arithmetic on the chip
    words: int  # of state per synapse: the weight, a register of changes, slow variables
    traffic: float  # bytes read and written


def cost(profile: Profile, rule: Rule, inputs: int | None = None) -> Cost:
    """The cost of a rule's updates, on the schedule of the profile.

    Operations are those of the rule, each common subexpression counted once, and one multiply-add to apply the
    change, and another to keep what a write left over; where the chip sums products, a product of k factors and a
    coefficient is k multiplications, and its sum is an addition. A rule that is evaluated once an epoch costs its
    share. Traffic counts every observable, slow variable and weight that is read, and what is written, in whole
    bytes; without a profile's formats, four. Where the period depends on the number of inputs, it is that of
    `inputs`, or of the number that the profile names.
    """
    rule = merged(rule)
    graph = from_rule(rule)
    operations: float = len(graph.nodes)
    if isinstance(profile.arithmetic, Products):
        try:
            found = [p for e in rule.equations.values() for p in products(e, profile.arithmetic)]
            operations = sum(p.degree + 1 for p in found)
        except NoSum:
            pass  # it does not run there; the operations of its graph are the nearest figure
    inputs = inputs or profile.schedule.inputs or 1
    period = int(profile.schedule.at(inputs))
    every = 1.0 / period
    register = profile.schedule.register(inputs)
    kept = [s for s in rule.slow if s.scope == "synapse"]
    state = 4.0 if profile.state is None else _bytes(profile.state.bits)
    word = 4.0 if profile.weights is None else _bytes(profile.weights.bits + 1)
    reading = sum(_bytes(profile.read(n).bits) for n in rule.reads - {"w", "eta"})
    reading += word * ("w" in rule.reads) + 2 * state * len(kept)
    share = every if profile.schedule.kind == "epoch" else 1.0
    apply = (4 if profile.schedule.keeps else 2) * every + (1 if register else 0)
    traffic = share * reading + 2 * word * every + (8.0 if register else 0.0)
    return Cost(share * operations + apply, 1 + register + len(kept), traffic)


def graph_cost(profile: Profile, graph: Graph) -> float:
    """One number for searches: operations, words of state and bytes moved, added up, of a rule as a graph."""
    return sum(cost(profile, to_rule(graph, "candidate")))


def _bytes(bits: float | None) -> float:
    return 4.0 if bits is None else float(math.ceil(bits / 8))
