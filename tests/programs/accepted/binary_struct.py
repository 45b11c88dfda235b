import array
import struct

packed = struct.pack(">IHb", 0xDEADBEEF, 513, -1)
numbers = array.array("d", [1.0, 2.5])
output = [packed.hex(), list(struct.unpack(">IHb", packed)), sum(numbers)]
