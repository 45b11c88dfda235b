// expect: js-file-paths @ 2:10
output = __dirname + '/data.json';
