// expect: js-child-process @ 3:30
// mode: program
const { execSync } = require('child_process');
console.log(execSync('id').toString());
