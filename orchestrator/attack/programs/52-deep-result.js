// expect: error|output_limit|crashed
// after: slot-fresh, daemon-ok; a result nested deeper than any parser goes is an error of the job
// program: error|crashed|timeout; the script's own JSON.stringify may take its time to fail
output = [];
for (let i = 0; i < 200000; i++) output = [output];
