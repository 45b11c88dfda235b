// expect: oom|error:RangeError
// after: no-procs, mem-back, neighbour-alive; buffers that grow, shared ones too, count as this job's memory
const keep = [];
for (;;) {
  const shared = new SharedArrayBuffer(8, { maxByteLength: 1 << 28 }), own = new ArrayBuffer(8, { maxByteLength: 1 << 28 });
  for (let size = 1 << 20; size <= 1 << 28; size *= 2) {
    shared.grow(size); new Uint8Array(shared).fill(1);
    own.resize(size); new Uint8Array(own).fill(1);
  }
  keep.push(shared, own);
}
