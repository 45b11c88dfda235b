// expect: timeout
// after: no-procs, slot-fresh; a result that promises and never tells is ended by the clock
// program: ok {}; a script's exit awaits nothing
output = { then() {} };
