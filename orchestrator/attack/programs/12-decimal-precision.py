# expect: timeout|oom|error
# after: no-procs, mem-back, slot-fresh; arbitrary precision is bounded by time and memory
import decimal

decimal.getcontext().prec = 50_000_000
decimal.getcontext().Emax = decimal.MAX_EMAX
output = len(str(decimal.Decimal(2).sqrt()))
