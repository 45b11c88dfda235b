# expect: py-process @ 2:6
from multiprocessing import Pool

with Pool(4) as pool:
    output = pool.map(abs, [-1, 2])
