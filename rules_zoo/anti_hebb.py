"""Anti-Hebb: cells that fire together lose their connection.

    dw = -pre post

In a linear neuron every direction of the input decays by exp(-eta lambda) a step, lambda being the
eigenvalue of E[pre pre^T]. Frequent inputs are forgotten first, so the neuron still responds to new ones. No
constants. It holds while eta times the mean squared length of the input is well below 2, beyond which it diverges.
"""

from substrate import POST, PRE, Rule

RULE = Rule(
    name="anti_hebb",
    summary="what fires together is cut apart",
    dw=-PRE * POST,
    reference="Kohonen & Oja 1976, Biol. Cybern. 21(2):85-95; Foldiak 1989, IJCNN 1:401-405",
)
