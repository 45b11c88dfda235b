// expect: timeout
// after: no-procs, slot-fresh, neighbour-alive; promise reactions that ask for more of themselves never let go of the thread
(function again() { Promise.resolve().then(again); })();
output = 'unreachable';
