// expect: js-child-process @ 2:10
output = child_process.execSync('ls').toString();
