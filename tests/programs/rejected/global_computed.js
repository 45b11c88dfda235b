// expect: js-global-object @ 3:24
// policy: strict
const pick = (name) => globalThis[name];
output = typeof pick('Math');
