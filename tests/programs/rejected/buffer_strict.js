// expect: js-host-global @ 3:10
// policy: strict
output = Buffer.from('abc').toString('base64');
