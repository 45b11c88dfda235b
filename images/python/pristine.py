"""Private copy of Python's builtins, taken before any tenant code runs.

Owns one dict. A module that starts with `from pristine import BUILTINS as __builtins__` resolves every builtin
of its functions here, so that nothing a tenant does to the module `builtins` reaches the runner's own code.
Must not know who uses it.
"""

import builtins

# SECURITY: a function takes its builtins from its globals when it is defined. With this copy under the name
# `__builtins__`, a patched `builtins.type` or `builtins.len` (attack 69) changes tenant code only.
BUILTINS = dict(vars(builtins))
