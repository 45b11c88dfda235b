// expect: oom|error:RangeError|timeout
// after: no-procs, mem-back, neighbour-alive; tables, compiled code and regular expressions count as memory too
// threat: Memory
const keep = [];
for (;;) {
  keep.push(new WebAssembly.Table({ initial: 1000000, element: 'anyfunc' }));
  keep.push(new Function('a', 'return ' + 'a+'.repeat(1000) + keep.length));
  keep.push(new RegExp('(' + 'a|b'.repeat(1000) + keep.length + ')*').exec('ab'));
}
