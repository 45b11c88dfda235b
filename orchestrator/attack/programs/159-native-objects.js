// expect: timeout|oom|error:RangeError
// after: no-procs, mem-back, neighbour-alive; objects that are small for the engine and large for its libraries are counted by the kernel
// threat: Memory
const keep = [];
for (;;) {
  keep.push(new Intl.DateTimeFormat('ar-EG-u-ca-islamic', { dateStyle: 'full', timeStyle: 'full' }), new Intl.Collator('zh'), new Intl.Segmenter('th', { granularity: 'word' }));
}
