// Asking what there is, and comparing with a global, is harmless.
const host = typeof process === 'undefined' && typeof require === 'undefined' ? 'sandbox' : 'elsewhere';
const isFunction = (value) => value instanceof Function || typeof value === 'function';
output = { host, is: isFunction(() => 1), own: Function.prototype.toString === Object.prototype.toString };
