"""Engine proxy floor: stands between the service and the engine's socket, and lets through only what we ask.

`requests.py` reads one request, bounded and without I/O; `rules.py` decides, and writes the request that the engine
gets anew; `server.py` carries that out. Nothing that the client wrote reaches the engine as it was written.
"""
