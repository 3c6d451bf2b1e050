"""Hardware profiles: one file each, found when somebody looks, and the code that applies them to synapses."""

from substrate.hardware._admission import admissible as admissible
from substrate.hardware._admission import as_implemented as as_implemented
from substrate.hardware._admission import graph_violations as graph_violations
from substrate.hardware._admission import merged as merged
from substrate.hardware._admission import violations as violations
from substrate.hardware._chip import Chip as Chip
from substrate.hardware._chip import ChipKeys as ChipKeys
from substrate.hardware._cost import Cost as Cost
from substrate.hardware._cost import cost as cost
from substrate.hardware._cost import graph_cost as graph_cost
from substrate.hardware._spec import PARAMETERS as PARAMETERS
from substrate.hardware._spec import changed as changed
from substrate.hardware._spec import parse
from substrate.hardware.base import Profile as Profile
from substrate.registry import Registry

#: Every profile by name, with those of installed packages and of a person's own files.
PROFILES = Registry(
    "hardware profile", "substrate.hardware", "PROFILE", Profile, "hebbarium.hardware"
)


def profile(text: str) -> Profile:
    """A profile by its name, with parameters if any are given: `fixed_point:bits=6`.

    Raises
    ------
    UserError
        If there is no such profile or parameter, or a value is impossible.
    """
    return parse(text, PROFILES)
