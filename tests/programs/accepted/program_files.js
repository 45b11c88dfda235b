// mode: program
const fs = require('node:fs');
const path = require('path');
process.stdout.write(`${path.join(__dirname, 'x')}\n`);
setTimeout(() => { fs.writeFileSync('out.txt', 'late'); process.exit(0); }, 10);
module.exports = { global };
