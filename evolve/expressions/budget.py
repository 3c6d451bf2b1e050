"""A budget of work for computations that may never end, such as those of SymPy.

Work is counted, not timed, so what is given up does not depend on how fast the machine is. Every
step is announced with its cost, which its input alone decides. A step that turns out to need far
more than its like, as some of SymPy's do, is cut off after so many calls of Python functions. The
clock is a last guard only, for a machine on which the budget itself takes minutes; whoever spends
the budget is told that the clock has struck.
"""

import gc
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeVar

Value = TypeVar("Value")

#: Calls between two looks at the clock.
_PERIOD = 1024

#: Packages whose functions may be interrupted. A callback of another library that happens to run
#: meanwhile (a weak reference that dies, say) is let through: an exception in it would be printed
#: to stderr and lost.
_INTERRUPTIBLE = frozenset(("sympy", "mpmath"))


class _Exhausted(BaseException):
    """Not an Exception, so that no `except Exception` on the way out swallows it."""


class Budget:
    """So much work, for several steps in turn.

    Parameters
    ----------
    work
        In the units in which steps announce their costs.
    seconds
        The last guard, of computing on this thread: on a machine that others use, it does not come sooner.
    calls
        After so many calls of Python functions a step is cut off; SymPy makes some two million a
        second while they are counted.
    """

    def __init__(self, work: int, seconds: float, calls: int = 1_000_000) -> None:
        #: What is left, in units of work.
        self.left = self._work = work
        #: Whether the clock has struck.
        self.late = False
        self._cut = max(1, work // 4)  # what a step costs that was cut off: few of them are enough
        self._calls, self._made = calls, 0
        self._deadline = time.thread_time() + seconds

    @property
    def exhausted(self) -> bool:
        """Whether nothing is left."""
        self._look_at_clock()
        return self.late or self.left <= 0

    @property
    def overdrawn(self) -> bool:
        """Whether twice the budget is spent, so that not even finishing touches are worth it."""
        return self.late or self.left < -self._work

    def charge(self, cost: int) -> None:
        """Spend what a step outside `run` has cost."""
        self.left -= cost

    def run(self, job: Callable[[], Value], cost: int) -> Value | None:
        """Return the value of a step; None if the budget does not suffice for it.

        Works on every thread. The garbage collector waits meanwhile, so that its callbacks are not
        interrupted. A debugger or a measurement of coverage sees nothing of the step.
        """
        if self.exhausted or cost > self.left:
            return None
        self.left -= cost
        self._made = 0
        trace, collecting = sys.gettrace(), gc.isenabled()
        gc.disable()
        sys.settrace(self._count)
        try:
            return job()
        except _Exhausted:
            self.left -= self._cut
            return None
        finally:
            sys.settrace(trace)
            if collecting:
                gc.enable()

    def _count(self, frame: FrameType, event: str, argument: Any) -> None:
        """Python calls this at every call of a function."""
        self._made += 1
        if self._made % _PERIOD == 0:
            self._look_at_clock()
        if self.late or self._made > self._calls:
            package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
            if package in _INTERRUPTIBLE:
                raise _Exhausted

    def _look_at_clock(self) -> None:
        if time.thread_time() > self._deadline:
            self.late = True
