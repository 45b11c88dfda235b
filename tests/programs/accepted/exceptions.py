def attempt(action):
    try:
        return action()
    except* (ValueError, KeyError) as group:
        return [type(e).__name__ for e in group.exceptions]
    finally:
        pass

def fail():
    raise ExceptionGroup("two", [ValueError("a"), KeyError("b")])

try:
    attempt(fail)
except TypeError as error:
    error.add_note("a note")
output = "done"
