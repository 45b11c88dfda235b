match = {"type": 1}
case = match["type"]
type = "shadow"
print(type, match, case, sep="-", end="\n")
output = {"open": dict(open=1, exec=2, eval=3)}
