"""The predictive neuron: a neuron that learns to predict its inputs comes to fire at the first of them.

    saponati2023: dw = w (u (pre - u w) + eps_w pre_tr)
    saponati2023_unbounded: dw = u (pre - u w) + eps_w pre_tr

Both follow the gradient of the squared error of predicting the inputs as u w, u being the potential of the step
before: the first term changes the prediction, the second the potential. An input that comes early is worth more,
since it predicts the later ones, so spikes move to the start of a sequence, and inputs that predict nothing lose
their weights; of pairs of spikes, pre before post strengthens and post before pre weakens. The factor w keeps weights
positive and 0 where they are 0. Without `eps_w` the unbounded form is Oja's rule with the potential as output. No
constants. It holds for weights that start above 0 and eta about 1e-4 at steps of 0.05 ms.
"""

from substrate import PRE, Rule, W, names

u, pre_tr, eps_w = names("u pre_tr eps_w")

GRADIENT = u * (PRE - u * W) + eps_w * pre_tr
REFERENCE = "Saponati & Vinck 2023, Nat. Commun. 14:4985"
NOTE = "Non-local: a synapse must know one sum over all synapses of its neuron."

RULE = (
    Rule(
        "saponati2023",
        W * GRADIENT,
        reference=REFERENCE,
        note=NOTE,
        summary="predicts its inputs, fires at the first of them",
    ),
    Rule(
        "saponati2023_unbounded",
        GRADIENT,
        reference=REFERENCE,
        note=NOTE,
        summary="saponati2023 without the factor w",
    ),
)
