# expect: py-native-code @ 2:8
import ctypes

output = ctypes.CDLL(None).getpid()
