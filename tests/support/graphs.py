"""What a graph computes, by plain recursion."""

import jax.numpy as jnp

from substrate.functions import FUNCTIONS


def evaluate(graph, seen, output="dw"):
    """The graph's value by plain recursion in float32."""
    values = []

    def value(operand):
        if isinstance(operand, int):
            return values[operand]
        return seen[operand] if isinstance(operand, str) else jnp.float32(operand.value)

    for node in graph.nodes:
        function = FUNCTIONS[node.function]
        values.append(function.jax(*map(value, (node.a, node.b)[: function.arity])))
    return value(graph.outputs[output])
