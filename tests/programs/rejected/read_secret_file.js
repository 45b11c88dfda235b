// expect: js-require @ 2:12
const fs = require('fs');
output = fs.readFileSync('/etc/passwd', 'utf8');
