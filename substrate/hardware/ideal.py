"""No limits: floating point everywhere, a write at every step. It adds nothing to a simulation, not even state."""

from substrate.hardware.base import Profile

PROFILE = Profile(name="ideal", summary="floating point, a write at every step", chips=1)
