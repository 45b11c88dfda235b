// expect: js-timers @ 3:1
let count = 0;
setInterval(() => { count += 1; }, 100);
output = count;
