// expect: rejected|error|ok "read"
// after: slot-fresh, daemon-ok; an input nested deeper than any parser goes is refused or an error of this job
// modes: function
// nest-input: 100000
output = 'read';
