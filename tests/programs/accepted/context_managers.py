from contextlib import contextmanager, suppress
from io import StringIO

@contextmanager
def section(out, name):
    out.write(f"<{name}>")
    yield out
    out.write(f"</{name}>")

out = StringIO()
with (section(out, "a") as a, section(out, "b"), suppress(ZeroDivisionError)):
    a.write("text")
output = out.getvalue()
