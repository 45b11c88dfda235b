// expect: js-file-paths @ 2:24
console.log(`running ${__filename}`);
