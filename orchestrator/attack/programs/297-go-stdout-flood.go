// expect: output_limit|timeout
// after: no-procs, logs-flat, daemon-ok, mem-back; a flood is cut inside the container
// modes: program
// threat: Output and results
package main

import "os"

func main() {
	block := make([]byte, 65536)
	for n := 0; n < 300; n++ {
		os.Stdout.Write(block)
	}
}
