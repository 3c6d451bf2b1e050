"""Rules for several projections, and what their authors said they find."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rules_zoo import RULES
from substrate.compilation.lowering import lower
from substrate.networks.base import Network
from substrate.networks.lateral_inhibition import lateral
from substrate.simulate import NO_READING, Episode, Trace, simulate


def learn(
    name: str,
    network: Network,
    drive: np.ndarray,
    w0: dict[str, np.ndarray],
    eta: float,
    **constants,
) -> Trace:
    """Let a layer learn on inputs (step, n, lane) from weights (m, n, lane) by projection."""
    rule = RULES[name].with_constants(**constants)

    @jax.jit
    def run(episode: Episode, rate: jax.Array) -> Trace:
        return simulate(network, lower(rule), episode, rate, NO_READING, individuals=1)

    wide = jax.tree.map(lambda a: jnp.asarray(a, jnp.float32)[..., None], (drive, w0))
    return run(Episode(*wide, {}), jnp.full((1, 1), eta))


def start(rng: np.random.Generator, m: int, n: int, lanes: int) -> dict[str, np.ndarray]:
    """Random forward weights, no lateral ones, no bias."""
    w = rng.standard_normal((m, n, lanes)) / np.sqrt(n)
    return {"forward": w, "lateral": np.zeros((m, m, lanes)), "bias": np.zeros((m, 1, lanes))}


def components(rng: np.random.Generator, steps: int, lanes: int) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian inputs (step, n, lane) with three strong components, and these (lane, n, 3)."""
    n, values = 12, np.array([1.0, 0.8, 0.6] + 9 * [0.05])
    axes = np.linalg.qr(rng.standard_normal((lanes, n, n)))[0]
    source = rng.standard_normal((steps, lanes, n)) * np.sqrt(values)
    return np.einsum("kij,tkj->tik", axes, source), axes[:, :, :3]


def filters(trace: Trace) -> np.ndarray:
    """What the settled layer does to its input, (I + L)^-1 W, (lane, m, n)."""
    w = {k: np.moveaxis(np.asarray(s.w)[..., 0], -1, 0) for k, s in trace.state.items()}
    return np.linalg.solve(np.eye(w["lateral"].shape[1]) + w["lateral"], w["forward"])


def largest_angle(rows: np.ndarray, subspace: np.ndarray) -> np.ndarray:
    """Largest principal angle [rad] between the rows (lane, m, n) and a subspace (lane, n, m)."""
    basis = np.linalg.qr(np.swapaxes(rows, 1, 2))[0]
    least = np.linalg.svd(np.swapaxes(basis, 1, 2) @ subspace)[1].min(axis=1)
    return np.arccos(np.clip(least, 0, 1))


@pytest.mark.parametrize(("name", "eta"), [("foldiak1989", 0.004), ("similarity_matching", 1.0)])
def test_outputs_span_the_principal_subspace(name, eta):
    rng, lanes = np.random.default_rng(0), 8
    drive, axes = components(rng, 6000, lanes)
    trace = learn(name, lateral(), drive, start(rng, 3, 12, lanes), eta)
    f = filters(trace)
    assert np.median(largest_angle(f, axes)) < 0.1
    if name == "similarity_matching":
        return  # it asks for the subspace only; anti-Hebb without decay also for outputs that do not correlate
    y = np.einsum("kon,tnk->tok", f, drive)
    correlation = np.stack([np.corrcoef(y[:, :, k].T) for k in range(lanes)])
    off = correlation - np.eye(3)
    assert np.median(np.abs(off).max(axis=(1, 2))) < 0.15


def test_without_lateral_inhibition_the_outputs_are_all_alike():
    rng, lanes = np.random.default_rng(0), 4
    drive, _ = components(rng, 4000, lanes)
    f = filters(learn("oja", lateral(), drive, start(rng, 3, 12, lanes), 0.004))
    f /= np.linalg.norm(f, axis=2, keepdims=True)
    assert np.abs(f @ np.swapaxes(f, 1, 2)).min() > 0.9


def bars(rng: np.random.Generator, steps: int, size: int, lanes: int) -> np.ndarray:
    """Pictures (step, pixel, lane) in which every row and column is on with probability 1 / size."""
    rows, columns = (rng.random((2, steps, size, lanes)) < 1 / size).astype(float)
    return np.maximum(rows[:, :, None], columns[:, None]).reshape(steps, size * size, lanes)


def test_foldiak_units_stand_for_one_bar_each():
    """Sixteen bars of eight pixels; a unit stands for the bar whose pixels its weights favour, if it does clearly."""
    rng, lanes, size, m = np.random.default_rng(1), 4, 8, 16
    drive = bars(rng, 6000, size, lanes)
    w = rng.random((m, size * size, lanes))
    w /= np.linalg.norm(w, axis=1, keepdims=True)
    w0 = {"forward": w, "lateral": np.zeros((m, m, lanes)), "bias": np.full((m, 1, lanes), -1.0)}
    network = lateral("sigmoid", slope=10.0, spiking=True, signed=False)
    trace = learn("foldiak1990", network, drive, w0, 1.0, p=1 / 8)
    learned = np.asarray(trace.state["forward"].w)[..., 0].reshape(m, size, size, lanes)
    found = []
    for k in range(lanes):
        one = learned[..., k]
        # Mean weight on each bar's pixels above the mean weight, (unit, bar).
        on_bar = np.concatenate([one.mean(axis=2), one.mean(axis=1)], axis=1)
        contrast = on_bar - one.mean(axis=(1, 2))[:, None]
        clear = contrast.max(axis=1) > 2 * np.sort(contrast, axis=1)[:, -2]
        found.append(len(set(contrast.argmax(axis=1)[clear])))
    assert np.mean(found) >= 14, found


def test_inhibition_brings_rates_to_their_target():
    rng, lanes, m = np.random.default_rng(2), 8, 10
    w0 = start(rng, m, 20, lanes)
    w0["forward"] = rng.uniform(0.05, 0.15, (m, 20, lanes))
    # Nearly constant inputs: where rates fluctuate, it is E[pre post] / E[pre] that meets the target.
    drive = rng.uniform(0.45, 0.55, (4000, 20, lanes))
    network = lateral("relu", signed=False, steps=100, dt=0.05)

    still = lower(RULES["frozen"])
    answer = jax.jit(lambda state, x: network.step(still, state, x, jnp.zeros((1, 1)))[1][..., 0])

    def rates(trace: Trace) -> np.ndarray:
        shown = jnp.asarray(drive[-50:], jnp.float32)[..., None]
        return np.mean([answer(trace.state, x) for x in shown], axis=0)

    trace = learn("inhibitory_rate", network, drive, w0, 0.1, target=0.1)
    before = learn("frozen", network, drive[:200], w0, 0.0)
    assert rates(before).min() > 0.5
    np.testing.assert_allclose(rates(trace), 0.1, rtol=0.1)
