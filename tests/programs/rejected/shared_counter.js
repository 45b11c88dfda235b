// expect: js-shared-memory @ 3:36
// policy: strict
const counter = new Int32Array(new SharedArrayBuffer(4));
output = counter[0];
