"""What runs: vocabulary, rules, compilation, networks. Knows nothing of tasks or evolution."""

from substrate.errors import UserError as UserError
from substrate.rule import Rule as Rule
from substrate.rule import Slow as Slow
from substrate.vocabulary import POST as POST
from substrate.vocabulary import PRE as PRE
from substrate.vocabulary import VOCABULARY as VOCABULARY
from substrate.vocabulary import Locality as Locality
from substrate.vocabulary import W as W
from substrate.vocabulary import names as names
