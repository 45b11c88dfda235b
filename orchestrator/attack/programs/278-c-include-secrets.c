// expect: error
// after: slot-fresh; what a source includes is read as the job itself would read it: there is nothing to tell
// modes: program
// threat: Filesystem and information
#include "/proc/1/environ"
#include "/var/run/docker.sock"
#include "/etc/shadow"
int main(void) { return 0; }
