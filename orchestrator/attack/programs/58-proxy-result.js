// expect: timeout|error
// after: no-procs, slot-fresh; a result that runs code while it is read stays under the deadline and cannot throw into the runner
output = { list: [1, new Proxy({}, {
  ownKeys() { throw { get message() { for (;;); }, get name() { throw 1; } }; },
  get() { for (;;); },
})] };
