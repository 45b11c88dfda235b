# expect: ok {"a": [1, "two"]}
# after: slot-fresh; the value that counts is the one inside, whatever its own methods say
# program: oom|timeout|error; the script's own json module asks the value's own methods
class D(dict):
    def items(self):
        while True:
            yield ("x" * 65536, 1)

    __iter__ = keys = values = items

    def __len__(self):
        return 1 << 40


class L(list):
    def __iter__(self):
        while True:
            yield self


class S(str):
    def __str__(self):
        raise SystemExit(0)

    encode = __str__


output = D(a=L([1, S("two")]))
