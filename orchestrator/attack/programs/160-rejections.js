// expect: error
// after: slot-fresh; rejections that nobody handles end the job, however many
// threat: Parsing, source, late writes
for (let i = 0; i < 20000; i++) Promise.reject(new TypeError('nobody ' + i));
output = 'must not be reported';
