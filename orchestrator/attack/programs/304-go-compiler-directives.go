// expect: error
// after: slot-fresh; directives that would have the linker or the compiler read or run something are refused
// modes: program
// threat: Parsing, source, late writes
package main

import _ "embed"

//go:cgo_import_dynamic _ _ "libc.so.6"
//go:cgo_ldflag "-Wl,-rpath,/work"

//go:embed /etc/passwd
var passwd string

func main() { println(passwd) }
