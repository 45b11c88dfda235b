# expect: contained
# after: no-procs, slot-fresh; unpickling runs code, and that is as confined as the rest
import os
import pickle


class Bomb:
    def __reduce__(self):
        return os.system, ("echo owned",)


value = pickle.loads(pickle.dumps(Bomb()))
output = f"ESCAPED: a shell ran ({value})" if value == 0 else f"contained: system gave {value}"
