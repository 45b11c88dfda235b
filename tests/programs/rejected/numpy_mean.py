# expect: py-import @ 2:8
import numpy as np

output = float(np.mean(input))
