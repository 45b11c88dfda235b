// expect: js-script-only @ 2:15
const value = await Promise.resolve(42);
output = value;
