def attempt(action):
    names = []
    try:
        action()
    except* (ValueError, KeyError) as group:
        names = [type(e).__name__ for e in group.exceptions]
    finally:
        names.append("done")
    return names

def fail():
    raise ExceptionGroup("two", [ValueError("a"), KeyError("b")])

try:
    output = attempt(fail)
except* TypeError as group:
    group.add_note("a note")
