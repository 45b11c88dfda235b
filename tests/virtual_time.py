"""An event loop whose clock jumps: hours of back-off cost nothing, and a hung test is told."""

from __future__ import annotations

import asyncio
import selectors

__all__ = ("VirtualTimeLoop",)

REAL_WAIT_SECONDS = 5.0
"""How long a test on the virtual clock may wait for a thread or a socket before it counts as hung."""
LAST_DAY = 1e8
"""Three years on the virtual clock: only a wait without a deadline takes a test there."""


class _JumpingSelector(selectors.DefaultSelector):
    """Where the loop would sleep, its clock jumps; where it would sleep for ever, the test has hung."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0

    def select(self, timeout=None):
        if timeout is None:
            ready = super().select(REAL_WAIT_SECONDS)
            if not ready:
                raise AssertionError("the test waits for something that can never happen")
            return ready
        ready = super().select(0)
        if not ready:
            self.now += max(0.0, timeout)
            if self.now > LAST_DAY:
                raise AssertionError("the test waits for something that happens at no time")
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop on which hours pass in no time, in the right order."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now

    def advance(self, seconds: float) -> None:
        """Let time pass without anybody noticing before the next step of the loop."""
        self._jumping.now += seconds
