// expect: js-child-process @ 3:28
// mode: program
const { Worker } = require('node:worker_threads');
new Worker('./other.js');
