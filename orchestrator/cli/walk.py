"""Command line: a walk through recorded steps, forwards and backwards. Pure: no terminal, no engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from orchestrator.domain.debug import DebugValue, Position, Step

__all__ = ("Call", "Walk")


@dataclass(slots=True)
class Call:
    """One call of the tenant's that is under way at a step."""

    position: Position
    variables: dict[str, DebugValue] = field(default_factory=dict)


class Walk:
    """A place among the steps of one run. Moving beyond an end stays there and answers False."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = steps
        self.index = 0
        self.breakpoints: set[int] = set()

    def __len__(self) -> int:
        return len(self._steps)

    @property
    def step(self) -> Step:
        """Where the walk is."""
        return self._steps[self.index]

    def move(self, by: int) -> bool:
        """Go some steps on, or back."""
        target = max(0, min(len(self._steps) - 1, self.index + by))
        moved, self.index = target != self.index, target
        return moved

    def run(self, direction: int) -> bool:
        """Go on, or back, to the next breakpoint; False at the end, or the beginning, without one."""
        while self.move(direction):
            if self.step.event == "line" and self.step.position.line in self.breakpoints:
                return True
        return False

    def calls(self) -> list[Call]:
        """The calls under way at this step, outermost first, with their variables."""
        calls: list[Call] = []
        for step in self._steps[: self.index + 1]:
            self._follow(calls, step)
        return calls

    def _follow(self, calls: list[Call], step: Step) -> None:
        del calls[step.depth + 1 :]
        if len(calls) == step.depth + 1 and calls[-1].position.function != step.position.function:
            calls.pop()
        while len(calls) <= step.depth:
            calls.append(Call(step.position))
        calls[-1].position = step.position
        calls[-1].variables.update((each.name, each.value) for each in step.changed)

    def executable_lines(self, file: str) -> list[int]:
        """The lines of a file that were executed."""
        return sorted(set(self._lines(file)))

    def _lines(self, file: str) -> Iterator[int]:
        return (step.position.line for step in self._steps if step.position.file == file)
