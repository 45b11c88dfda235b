// expect: oom|error:RangeError
// after: no-procs, mem-back, neighbour-alive; memory beside the engine's heap is bounded as well
const keep = [];
for (;;) keep.push(new Uint8Array(1 << 16).fill(keep.length));
