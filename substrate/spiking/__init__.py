"""Spiking neurons: membranes, thresholds, traces and inputs, and the networks that are made of them.

Times in ms, potentials in mV, currents in pA, capacitances in pF, rates in 1/ms where not said otherwise.

Order of events in a step, the same everywhere:

1. Spikes arrive, and the rule sees their presynaptic neurons' events: traces as they were before them.
2. The membrane moves exactly over the step and takes up what has arrived.
3. The neuron may spike; then the rule sees the postsynaptic event: traces as they were before it.
4. Traces take up the spikes of the step.
"""
