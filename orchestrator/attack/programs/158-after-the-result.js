// expect: ok "set"
// after: no-procs, slot-fresh; what would run after the result (finalizers, reactions, callbacks) changes nothing any more
// program: ok "set"|timeout|oom
// threat: Cross-job and transport
const registry = new FinalizationRegistry(() => { for (;;) console.log('late'); });
for (let i = 0; i < 1000; i++) registry.register({ i }, i);
output = 'set';
if (typeof setTimeout === 'function') setTimeout(() => { output = 'LATE'; for (;;) console.log('late'); }, 60000).unref();
Promise.resolve().then(async () => { for (let i = 0; i < 100; i++) await null; });
