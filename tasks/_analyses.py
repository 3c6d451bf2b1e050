"""What a layered network has learned, beyond its score; measured with `--set options.analyses=true`.

    update_angle_l      mean over steps of the angle between the change of W_l and the one backprop would make
    feedback_angle_l    angle between B_l and W_(l+1)^T at the end
    change_rank_l       participation ratio (sum s^2)^2 / sum s^4 of the singular values s of W_l(T) - W_l(0)
    sharpness           largest eigenvalue of the Hessian of the loss on samples that were seen, by power iteration
    kernel_alignment    tr(Y^T K Y) / (|K| |Y Y^T|) with K = x x^T of the last hidden layer, Y the centred targets

Angles are in degrees. The participation ratio needs no singular values: with G = C C^T it is tr(G)^2 / |G|^2.
Sources: Lillicrap et al. 2016 (angles), Liu et al. 2022 (curvature), Bordelon & Pehlevan 2023 (alignment).
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from substrate.networks._layers import OUTPUTS, Layers, Response, answer, back
from substrate.networks._signals import LayerSignals
from substrate.networks.activations import ACTIVATIONS
from substrate.simulate import Episode, Reading, Step, Trace

#: Power iterations; the eigenvalue of these small networks has settled to some per cent by then.
ITERATIONS = 30


class Net(NamedTuple):
    """What decides how a layered network answers."""

    activation: str
    output: str
    bias: float = 1.0

    def answers(self, weights: Sequence[Array], state: Layers, x: Array) -> Response:
        """Activities of all layers to samples (n_0, sample, K, P or 1), with such weights."""
        return answer(weights, state.lateral, x, ACTIVATIONS[self.activation], bias=self.bias)

    def answer(self, state: Layers, x: Array) -> Array:
        """The last layer's net input (n_L, sample, K, P)."""
        return self.answers([s.w for s in state.forward], state, x).u[-1]


@lru_cache
def reading(net: Net) -> Reading:
    """Sum, over steps, of the angle between every layer's change and backprop's."""
    act, out = ACTIVATIONS[net.activation], OUTPUTS[net.output]

    def begin(episode: Episode, state: Layers) -> tuple[Array, ...]:
        return tuple(jnp.zeros(s.w.shape[2:], jnp.float32) for s in state.forward)

    def update(angles: tuple[Array, ...], episode: Episode, step: Step) -> tuple[Array, ...]:
        signals = LayerSignals(step.before, step.drive, act, out, 1.0, net.bias)

        def angle_of(layer: int) -> Array:
            observed = signals.forward(layer + 1)
            gradient = jnp.mean(observed["bp_err"] * observed["dphi"] * observed["pre"], axis=2)
            return angle(step.after.forward[layer].w - step.before.forward[layer].w, gradient)

        return tuple(total + angle_of(layer) for layer, total in enumerate(angles))

    return Reading(begin, update)


def analyse(episode: Episode, trace: Trace, net: Net) -> dict[str, Array]:
    """All metrics of the module's docstring, (K, P) each."""
    state: Layers = trace.state
    weights = [s.w for s in state.forward]
    hidden = range(1, len(weights))
    steps = episode.drive.seed.shape[0]
    start = episode.w0.forward
    found = {f"update_angle_{layer}": trace.gathered[layer - 1] / steps for layer in hidden}
    for layer in hidden:
        found[f"feedback_angle_{layer}"] = angle(state.feedback[layer].w, back(weights[layer]))
        found[f"change_rank_{layer}"] = participation(weights[layer - 1] - start[layer - 1])
    x, target = episode.target["seen_x"], episode.target["seen_target"]
    found["sharpness"] = sharpness(weights, state, x, target, net)
    features = net.answers(weights, state, x).x[-2]
    found["kernel_alignment"] = alignment(features, target)
    return found


def angle(a: Array, b: Array) -> Array:
    """Angle in degrees, (K, P), between matrices (post, pre, K, P); 90 where one vanishes."""
    along = jnp.sum(a * b, axis=(0, 1))
    norms = jnp.sqrt(jnp.sum(a * a, axis=(0, 1)) * jnp.sum(b * b, axis=(0, 1)))
    cosine = along / jnp.maximum(norms, 1e-30)
    return jnp.degrees(jnp.arccos(jnp.clip(cosine, -1.0, 1.0)))


def participation(change: Array) -> Array:
    """Participation ratio, (K, P), of matrices (post, pre, K, P): 1 at rank one, n if n directions share alike."""
    gram = jnp.einsum("aikp,bikp->abkp", change, change)
    trace = jnp.einsum("aakp->kp", gram)
    return trace**2 / jnp.maximum(jnp.sum(gram * gram, axis=(0, 1)), 1e-30)


def sharpness(weights: Sequence[Array], state: Layers, x: Array, target: Array, net: Net) -> Array:
    """Largest eigenvalue in magnitude, (K, P), of the Hessian of the mean loss."""

    def loss(ws: list[Array]) -> Array:
        u = net.answers(ws, state, x).u[-1]
        return jnp.sum(jnp.mean(OUTPUTS[net.output].loss(u, target), axis=0))  # lanes do not meet

    def product(a: list[Array], b: list[Array]) -> Array:
        return jnp.asarray(sum(jnp.sum(p * q, axis=(0, 1)) for p, q in zip(a, b, strict=True)))

    def hessian(v: list[Array]) -> list[Array]:
        return jax.jvp(jax.grad(loss), (list(weights),), (v,))[1]

    def iterate(_: int, v: list[Array]) -> list[Array]:
        moved = hessian(v)
        size = jnp.sqrt(jnp.maximum(product(moved, moved), 1e-30))
        return [m / size for m in moved]

    keys = jax.random.split(jax.random.key(0), len(weights))
    first = [
        jnp.broadcast_to(jax.random.normal(k, w.shape[:2])[..., None, None], w.shape)
        for k, w in zip(keys, weights, strict=True)
    ]
    v = jax.lax.fori_loop(0, ITERATIONS, iterate, first)
    return product(v, hessian(v)) / jnp.maximum(product(v, v), 1e-30)


def alignment(features: Array, target: Array) -> Array:
    """Alignment, (K, P), of the kernel of features (neuron, sample, K, P) with targets (class, sample, K, P or 1)."""
    y = target - jnp.mean(target, axis=1, keepdims=True)
    y = jnp.broadcast_to(y, (*y.shape[:2], *features.shape[2:]))

    def square(a: Array, b: Array) -> Array:
        """|A B^T|^2, which is also the overlap of the kernels A^T A and B^T B."""
        return jnp.sum(jnp.einsum("askp,bskp->abkp", a, b) ** 2, axis=(0, 1))

    norm = jnp.sqrt(square(features, features) * square(y, y))
    return square(features, y) / jnp.maximum(norm, 1e-30)
