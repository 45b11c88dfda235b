// expect: timeout|oom
// after: no-procs, mem-back, slot-fresh; timers that make timers are time and memory of this job
// function: error:ReferenceError; a function has no timers
// threat: Processes, threads, signals
for (let i = 0; i < 1000; i++) setInterval(function again() { setImmediate(again); setTimeout(again, 0); process.nextTick(() => queueMicrotask(() => {})); }, 0);
