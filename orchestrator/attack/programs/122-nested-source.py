# expect: contained|error|crashed|oom
# after: slot-fresh; source nested beyond the compiler's depth ends this job's process at most
bad = []
for text in (
    "(" * 100_000 + ")" * 100_000,
    "-" * 200_000 + "1",
    "[" * 100_000,
    "if 1:\n" * 3,
    "x" + ".a" * 200_000,
    "f'{" * 500 + "}'" * 500,
):
    try:
        compile(text, "probe", "exec")
    except (SyntaxError, MemoryError, RecursionError, ValueError) as e:
        bad.append(type(e).__name__)
output = "contained: " + " ".join(bad)
