// expect: timeout|oom|error:RangeError
// after: no-procs, mem-back, slot-fresh; an array that says it has 2**32-1 items costs this job's time only
const a = [];
a.length = 2 ** 32 - 1;
a[5] = 'x';
a.sort(() => { for (;;); });
output = a.map(String).join('-').length + [...a].length;
