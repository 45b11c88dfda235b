// expect: js-child-process @ 3:22
// mode: program
const name = require('child' + '_process');
console.log(name);
