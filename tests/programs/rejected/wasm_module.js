// expect: js-wasm @ 4:10
// policy: strict
const bytes = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]);
output = WebAssembly.validate(bytes);
