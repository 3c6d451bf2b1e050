"""Urbanczik and Senn: a synapse moves the soma's potential towards its target, in proportion to its own PSP.

    dw = (v - u) sbar

`v` is the target potential of the soma, `u` its potential and `sbar` the potential that this input alone would cause
at weight 1. It is the negative gradient of (v - u)**2 / 2, so for a membrane without reset, which is linear in its
weights, they go to those of a teacher that is driven by the same inputs. No constants. It holds while eta times the
mean of sbar**2 is well below 1 in a time constant of the average that weights follow.

This is the form that evolution finds in the error-driven task, where it scores -14.59 and its double -11.46; the
two-compartment rule has rates in place of potentials, phi(u) - phi(v).
"""

from substrate import Rule, names

v, u, sbar = names("v u sbar")

RULE = Rule(
    name="urbanczik_senn",
    summary="the soma's potential goes to its target",
    dw=(v - u) * sbar,
    reference="Urbanczik & Senn 2014, Neuron 81(3):521-528; in this form Jordan, Schmidt, Senn & Petrovici 2021, "
    "eLife 10:e66273",
)
