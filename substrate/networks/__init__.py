"""What shape has the circuit, and what do its synapses observe?"""
