// What Go programs do on an ordinary day.
package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"text/template"
	"time"
)

func check(what bool) {
	if !what {
		_, _, line, _ := runtime.Caller(1)
		fmt.Fprintln(os.Stderr, "failed at line", line)
		os.Exit(1)
	}
}

func must(err error) {
	if err != nil {
		_, _, line, _ := runtime.Caller(1)
		fmt.Fprintln(os.Stderr, "failed at line", line, err)
		os.Exit(1)
	}
}

func files() {
	must(os.MkdirAll("x/y", 0o700))
	must(os.WriteFile("x/y/a.txt", []byte("one\ntwo\n"), 0o600))
	must(os.Rename("x/y/a.txt", "x/b.txt"))
	must(os.Symlink("b.txt", "x/link"))
	must(os.Chmod("x/b.txt", 0o644))
	must(os.Chtimes("x/b.txt", time.Unix(0, 0), time.Unix(0, 0)))
	file, err := os.OpenFile("x/b.txt", os.O_RDWR|os.O_APPEND, 0)
	must(err)
	_, err = file.WriteString("three\n")
	must(err)
	_, err = file.Seek(0, io.SeekStart)
	must(err)
	var lines []string
	for scanner := bufio.NewScanner(file); scanner.Scan(); {
		lines = append(lines, scanner.Text())
	}
	must(file.Sync())
	must(file.Truncate(3))
	must(file.Close())
	check(slices.Equal(lines, []string{"one", "two", "three"}))
	var seen []string
	must(filepath.WalkDir("x", func(path string, _ fs.DirEntry, err error) error { seen = append(seen, path); return err }))
	check(len(seen) == 4)
	from, _ := os.Open("x/b.txt")
	to, _ := os.CreateTemp("", "copy")
	n, err := io.Copy(to, from)
	must(err)
	check(n == 3)
	info, err := os.Stat("x/b.txt")
	must(err)
	check(info.Size() == 3 && info.Mode().IsRegular())
	_, err = os.Stat("nowhere")
	check(errors.Is(err, fs.ErrNotExist))
	must(os.RemoveAll("x"))
}

func goroutines() {
	var group sync.WaitGroup
	var total atomic.Int64
	results := make(chan int, 8)
	for n := range 8 {
		group.Add(1)
		go func() {
			defer group.Done()
			total.Add(int64(n))
			results <- n
		}()
	}
	group.Wait()
	check(total.Load() == 28 && len(results) == 8)
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	select {
	case <-ctx.Done():
	case <-time.After(10 * time.Second):
		check(false)
	}
	runtime.GC()
	func() {
		defer func() { check(recover() != nil) }()
		var empty map[string]int
		empty["x"] = 1
	}()
}

func processes() {
	command := exec.Command("/program/main", "again")
	command.Stdin = strings.NewReader("41")
	out, err := command.Output()
	var exit *exec.ExitError
	check(errors.As(err, &exit) && exit.ExitCode() == 5 && string(out) == "heard 41")
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	check(exec.CommandContext(ctx, "/program/main", "sleep").Run() != nil)
	heard := make(chan os.Signal, 1)
	signal.Notify(heard, syscall.SIGUSR1)
	must(syscall.Kill(os.Getpid(), syscall.SIGUSR1))
	<-heard
	r, w, err := os.Pipe()
	must(err)
	go func() { fmt.Fprint(w, "piped"); w.Close() }()
	text, err := io.ReadAll(r)
	must(err)
	check(string(text) == "piped")
}

func values() {
	var back map[string]any
	must(json.Unmarshal([]byte(`{"a":[1,2.5,null,"é"]}`), &back))
	check(len(back["a"].([]any)) == 4)
	sum := sha256.Sum256(nil)
	check(hex.EncodeToString(sum[:4]) == "e3b0c442")
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	zip.Write(bytes.Repeat([]byte("x"), 1000))
	zip.Close()
	unzip, _ := gzip.NewReader(&packed)
	plain, _ := io.ReadAll(unzip)
	check(len(plain) == 1000)
	check(regexp.MustCompile(`a(b+)c`).FindStringSubmatch("xabbc")[1] == "bb")
	check(new(big.Int).Exp(big.NewInt(2), big.NewInt(200), nil).BitLen() == 201)
	var page strings.Builder
	must(template.Must(template.New("t").Parse("{{.}}!")).Execute(&page, "hi"))
	check(page.String() == "hi!")
	words := strings.Fields("c a b")
	sort.Strings(words)
	check(strings.Join(words, "") == "abc" && time.Unix(0, 0).UTC().Year() == 1970 && os.Getenv("HOME") == "/work")
}

func main() {
	if len(os.Args) > 1 {
		if os.Args[1] == "sleep" {
			time.Sleep(time.Hour)
		}
		text, _ := io.ReadAll(os.Stdin)
		fmt.Print("heard ", string(text))
		os.Exit(5)
	}
	files()
	goroutines()
	processes()
	values()
	fmt.Println("all right")
}
