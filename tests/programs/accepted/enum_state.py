from enum import Enum, auto

class State(Enum):
    IDLE = auto()
    RUNNING = auto()

    @property
    def next(self):
        return State.RUNNING if self is State.IDLE else State.IDLE

output = State.IDLE.next.name
