// expect: ok "contained: asked"|timeout|error
// after: slot-fresh; an `output` that is an accessor is asked like any other value
// modes: function
// threat: Forgery and in-process tricks
let asked = 0;
Object.defineProperty(globalThis, 'output', { configurable: true, get() { if (++asked > 9) for (;;); return 'contained: asked'; }, set() { throw 1; } });
