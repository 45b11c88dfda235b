import math
import statistics as st

values = input or [3, 1, 4, 1, 5, 9, 2, 6]
output = {"mean": st.fmean(values), "sd": round(st.stdev(values), 3), "gcd": math.gcd(*map(int, values)), "median": st.median(values)}
