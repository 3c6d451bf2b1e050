"""The dentate microcircuit against the published figures, and against a closed form where there is one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from substrate.networks.microcircuit import Connection, conductance, steady_state
from tasks import FAMILIES
from tasks.dentate import CONNECTIONS, MEANS, circuit_of, codes, every_pattern, weights

#: Sparsity, similarity and share of cells ever active, means of five seeds (Galloni et al. 2022).
PUBLISHED = {
    0: (104.3, 0.746, 1.0),
    1: (56.3, 0.552, 0.956),
    2: (49.6, 0.575, 0.938),
    3: (51.8, 0.543, 0.933),
    4: (51.9, 0.545, 0.928),
    5: (20.2, 0.454, 1.0),
    6: (22.4, 0.375, 1.0),
}


def drawn(configuration: int, seeds: int = 5) -> dict[str, jax.Array]:
    """Weights (post, pre, seed, 1) of several circuits."""
    some = [weights(np.random.default_rng(s), configuration) for s in range(seeds)]
    return {
        k: jnp.asarray(np.stack([w[k] for w in some], -1)[..., None], jnp.float32) for k in some[0]
    }


def answers(configuration: int, w: dict[str, jax.Array]) -> np.ndarray:
    """Granule cells (pattern, cell, seed) on all patterns."""
    patterns = jnp.asarray(every_pattern(), jnp.float32)[..., None, None]
    run = jax.jit(lambda w, x: steady_state(circuit_of(configuration), w, x)["granule"])
    return np.asarray(run(w, patterns))[..., 0]


@pytest.mark.parametrize("configuration", PUBLISHED)
def test_codes_have_the_published_figures(configuration):
    figures = codes(jnp.asarray(answers(configuration, drawn(configuration)))[..., None])
    sparsity, similarity, used = PUBLISHED[configuration]
    assert float(figures["sparsity"].mean()) == pytest.approx(sparsity, rel=0.15)
    assert float(figures["similarity"].mean()) == pytest.approx(similarity, rel=0.1)
    assert float(figures["cells_active"].mean()) == pytest.approx(used, abs=0.03)


def test_feedforward_circuit_settles_where_its_closed_form_says():
    """g = tau_decay / (tau_decay + tau_rise), V = 60 S / (1 + S) with S = g sum of active weights."""
    w = drawn(1)
    total = (
        10 / 11 * np.einsum("oik,mi->mok", np.asarray(w["input_granule"])[..., 0], every_pattern())
    )
    theory = np.clip((60 * total / (1 + total) - 10) / 50, 0, 1)
    np.testing.assert_allclose(answers(1, w), theory, atol=0.02)


def test_conductance_is_the_solution_of_its_equation():
    """Against steps of a thousandth of a millisecond."""
    connection, g = Connection("a", "b", 60.0, 20.0), 0.1
    for a in (0.8, 0.8, 0.3, 0.0):
        exact = float(conductance(jnp.float32(g), jnp.float32(a), connection))
        for _ in range(1000):
            g += 1e-3 * (-g / 20.0 + max(a - g, 0.0))
        assert exact == pytest.approx(g, abs=2e-3)


def test_weights_have_their_means_and_nobody_excites_itself():
    for configuration, means in enumerate(MEANS):
        for name, w in weights(np.random.default_rng(0), configuration).items():
            loops = CONNECTIONS[name].pre == CONNECTIONS[name].post
            assert w.min() >= 0
            if loops:
                assert not np.diag(w).any()
            else:
                assert w.mean() == pytest.approx(means[name])


def test_a_connection_that_is_not_there_is_refused():
    family = FAMILIES["dentate"]
    with pytest.raises(ValueError, match="configuration 0 has no such connection"):
        family.build(family.options(configuration=0, plastic="mossy_basket"))
