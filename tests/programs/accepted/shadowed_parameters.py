def run(eval, compile=None, *, exec=len):
    if compile:
        return compile(eval)
    return [exec(item) for item in eval]

output = run(["a", "bb"])
