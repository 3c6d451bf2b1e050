"""Perceptron: an output neuron learns only when it is wrong.

    dw = pre (sign(err - 1/2) + sign(err + 1/2)) / 2

For targets 0 or 1 and outputs between them this is (target - [output > 1/2]) pre, at a tie half of it.
Classes that a hyperplane separates with margin m are learned with at most (R / m)^2 mistakes, R being
the length of the longest input. Hidden neurons, which have no `err`, learn nothing. No constants.
"""

from sympy import Rational, sign

from substrate import PRE, Rule, names

(err,) = names("err")
half = Rational(1, 2)

RULE = Rule(
    name="perceptron",
    summary="an output learns only when it is wrong",
    dw=PRE * (sign(err - half) + sign(err + half)) / 2,
    reference="Rosenblatt 1958, Psychological Review 65(6):386-408",
)
