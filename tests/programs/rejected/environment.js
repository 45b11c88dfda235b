// expect: js-process @ 2:21
const { API_KEY } = process.env;
output = `key is ${API_KEY}`;
