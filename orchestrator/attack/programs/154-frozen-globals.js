// expect: ok "set"|error
// after: slot-fresh; globals that are deleted or frozen are missed by this job only
// threat: Forgery and in-process tricks
globalThis.output = 'set';
for (const name of ['JSON', 'Object', 'Array', 'Promise', 'console', 'Symbol', 'Error', 'Map', 'input', 'String', 'WebAssembly']) delete globalThis[name];
(function () { return this; })().constructor.freeze(globalThis);
