"""What the node runner answers, as data: (name, fields of the job frame, what is expected).

`mismatch` compares an expectation with what a driver saw: `result` (the result frame, None where the deadline came first),
`stdout` and `stderr` (the texts of the stream frames, joined). No engine in here: any driver may use it.

Keys of an expectation: `ends` ("result" by default, or "deadline"), `how`, `status`, `output`, `error` (name),
`message` and `stack` (patterns), `line`, `column`, `exit_code`, `stdout`, `stderr` (exact), `stdout_like`, `stderr_like`
(patterns), `files` (name to bytes), `at_least` (of `observed`).
"""

from __future__ import annotations

import base64
import json
import re

MIB = 1024 * 1024
RETURNED = {"how": "returned"}


def ok(output: object, **more: object) -> dict:
    return {**RETURNED, "status": "ok", "output": output, **more}


def error(name: str, message: str = "", **more: object) -> dict:
    return {**RETURNED, "status": "error", "error": name, "message": message, **more}


def invalid(name: str, message: str) -> dict:
    return {**RETURNED, "status": "invalid_output", "error": name, "message": message}


def exited(exit_code: int = 0, **more: object) -> dict:
    return {"how": "exited", "exit_code": exit_code, **more}


def source(code: str, **fields: object) -> dict:
    return {"mode": "function", "code": code, **fields}


def program(code: str, **fields: object) -> dict:
    return {"mode": "program", "code": code, **fields}


DEADLINE = {"ends": "deadline"}
POISON = (  # every property of the common built-ins throws when read
    "const D = Object.defineProperty, owner = Reflect.getOwnPropertyDescriptor, all = [];"
    "for (const C of [Object, Array, String, Number, Function, Promise, Map, Set, RegExp, Error, JSON, Math, Uint8Array])"
    " for (const t of [C, C.prototype]) if (t) for (const k of Reflect.ownKeys(t)) if (owner(t, k).configurable) all.push([t, k]);"
    "for (let i = 0, n = all.length; i < n; i++)"
    " D(all[i][0], all[i][1], { __proto__: null, get() { throw 'poison'; }, set() { throw 'poison'; }, configurable: true });"
)
FORGED_NAMES = (
    "for (const k of ['status', 'output', 'error', 'text', 'name', 'value', 'reference', 'tooLarge', 'invalid'])"
    " Object.defineProperty(Object.prototype, k, { __proto__: null, value: 'FORGED', writable: true, configurable: true, enumerable: true });"
)

_FUNCTION_CASES = [
    # How an output is given
    ("assigned", source("output = input.x + 1", input='{"x": 41}'), ok(42)),
    ("let", source("let output = 3"), ok(3)),
    ("const", source("const output = { a: 1 }"), ok({"a": 1})),
    ("var", source("var output = [1]"), ok([1])),
    ("never assigned", source(""), ok(None)),
    ("promise", source("output = Promise.resolve({ a: 1 })"), ok({"a": 1})),
    (
        "assigned after a wait",
        source("(async () => { await null; await null; output = 'late'; })()"),
        ok("late"),
    ),
    (
        "never settled inside",
        source("(async () => { await new Promise(() => {}); output = 1; })()"),
        ok(None),
    ),
    ("never settled output", source("output = new Promise(() => {})"), DEADLINE),
    ("entrypoint", source("const f = (x) => x.a + 1", entrypoint="f", input='{"a": 1}'), ok(2)),
    (
        "async entrypoint",
        source("async function f(x) { await null; return [x]; }", entrypoint="f", input="5"),
        ok([5]),
    ),
    (
        "missing entrypoint",
        source("", entrypoint="f"),
        error("ReferenceError", "entrypoint f is not defined"),
    ),
    (
        "entrypoint is a value",
        source("var f = 3", entrypoint="f"),
        error("TypeError", "entrypoint f is not a function"),
    ),
    ("unicode", source("output = input", input='["é😀\\u2028"]'), ok(["é😀\u2028"])),
    ("hashbang", source("#!/usr/bin/env node\noutput = 1"), ok(1)),
    ("comment at the end", source("output = 1 // done"), ok(1)),
    # What JSON can carry
    ("undefined in an object", source("output = { u: undefined, n: null }"), ok({"n": None})),
    ("boxed", source("output = [new Number(3), new String('s'), new Boolean(false)]"), ok([3, "s", False])),
    ("class instance", source("output = new (class P { constructor() { this.a = 1; } })()"), ok({"a": 1})),
    ("toJSON", source("output = { toJSON() { return { a: [1] }; } }"), ok({"a": [1]})),
    ("toJSON says nothing", source("output = { a: { toJSON() {} }, b: 1 }"), ok({"b": 1})),
    (
        "128 levels",
        source("let d = 1; for (let i = 0; i < 128; i++) d = [d]; output = JSON.stringify(d).length"),
        ok(257),
    ),
    (
        "list with a gap",
        source("output = [1, , 2]"),
        invalid("undefined", r"^output\[1\]: undefined has no JSON form in a list"),
    ),
    ("NaN", source("output = { a: NaN }"), invalid("NaN", r"^output\.a: NaN has no JSON form; use null")),
    ("Infinity", source("output = -Infinity"), invalid("Infinity", r"^output: -Infinity has no JSON form")),
    ("BigInt", source("output = [10n]"), invalid("BigInt", r"^output\[0\]: a BigInt has no JSON form")),
    ("symbol", source("output = Symbol('x')"), invalid("Symbol", r"^output: a Symbol")),
    ("function", source("output = { f() {} }"), invalid("Function", r"^output\.f: a Function")),
    (
        "date",
        source("output = { rows: [1, 2, 3, { when: new Date() }] }"),
        invalid("Date", r"^output\.rows\[3\]\.when: a Date has no JSON form; use its toISOString\(\)$"),
    ),
    (
        "map",
        source("output = { 'a b': new Map() }"),
        invalid("Map", r'^output\["a b"\]: a Map has no JSON form'),
    ),
    ("bytes", source("output = new Uint8Array(3)"), invalid("Uint8Array", r"^output: a Uint8Array")),
    ("error as output", source("output = new Error('e')"), invalid("Error", r"^output: an Error")),
    (
        "nested promise",
        source("output = [Promise.resolve(1)]"),
        invalid("Promise", r"^output\[0\]: a Promise"),
    ),
    ("cycle", source("const a = {}; a.self = { x: a }; output = a"), invalid("Cycle", r"^output\.self\.x: ")),
    (
        "129 levels",
        source("let d = 1; for (let i = 0; i < 129; i++) d = [d]; output = d"),
        invalid("Depth", "more than 128 levels"),
    ),
    ("lone surrogate", source("output = { a: '\\ud800' }"), invalid("String", r"^output\.a: ")),
    ("lone surrogate in a name", source("output = { '\\udc00': 1 }"), invalid("String", "surrogate")),
    ("text that looks like one", source("output = '\\\\ud800'"), ok("\\ud800")),
    (
        "getter throws",
        source("output = { get a() { throw new TypeError('no'); } }"),
        error("TypeError", "^no$", line=1),
    ),
    ("too large", source("output = 'x'.repeat(2e6)"), {"how": "output_limit", "at_least": 2_000_000}),
    (
        "shared bomb",
        source("let x = [1]; for (let i = 0; i < 100; i++) x = [x, x]; output = x"),
        {"how": "output_limit", "at_least": MIB},
    ),
    ("toJSON never returns", source("output = { toJSON() { for (;;); } }"), DEADLINE),
    # Errors
    (
        "thrown",
        source("let x = 1;\n  throw new RangeError('no');"),
        error("RangeError", "^no$", line=2, column=9, stack=r"^RangeError: no\n    at job\.js:2:9$"),
    ),
    (
        "own class",
        source("class Broke extends Error {}\nfunction f() { throw new Broke('x'); }\nf()"),
        error(
            "Broke",
            "^x$",
            line=2,
            column=22,
            stack=r"^Broke: x\n    at f \(job\.js:2:22\)\n    at job\.js:3:1$",
        ),
    ),
    (
        "through a built-in",
        source("[1].map(() => { null.x; })"),
        error("TypeError", "null", line=1, stack=r"at Array\.map \(<anonymous>\)"),
    ),
    (
        "syntax",
        source("const x = ;"),
        error("SyntaxError", r"^Unexpected token ';'$", line=1, column=11, stack=r"\n    at job\.js:1:11$"),
    ),
    (
        "module syntax",
        source("import fs from 'fs'"),
        error("SyntaxError", "a job is a script, not a module", line=1),
    ),
    ("top-level await", source("await 1"), error("SyntaxError", "a job is a script, not a module")),
    ("dynamic import", source("import('fs')"), error("Error", r"import\(\) is not available")),
    ("thrown text", source("throw 'plain'"), error("Error", "^plain$")),
    ("thrown null", source("throw null"), error("Error", "^null$")),
    ("thrown object", source("throw { code: 1 }"), error("Error", r"^\{ code: 1 \}$")),
    (
        "hostile proxy",
        source("throw new Proxy(function () {}, { get() { throw null; }, ownKeys() { throw 1; } })"),
        error("Error"),
    ),
    (
        "hostile stack",
        source("Error.prepareStackTrace = () => { throw 1; }; throw new Error('p')"),
        error("Error", "^p$", line=1, column=53),
    ),
    ("stack that never returns", source("throw { get stack() { for (;;); } }"), DEADLINE),
    (
        "rejected output",
        source("output = (async () => { throw new RangeError('no'); })()"),
        error("RangeError", "^no$", line=1),
    ),
    (
        "lost rejection",
        source("Promise.reject(new TypeError('lost')); output = 1"),
        error("TypeError", "^lost$", line=1, column=16),
    ),
    ("handled rejection", source("const p = Promise.reject(1); p.catch(() => {}); output = 2"), ok(2)),
    ("long message", source("throw new Error('é'.repeat(10000))"), error("Error", "…$")),
    (
        "error with a tiny cap",
        source("throw new Error('\\u0000'.repeat(9999))", limits={"output_bytes": 10}),
        error("Error"),
    ),
    (
        "stack overflow",
        source("function f(a) { return f([a]) + 1; } f(0)"),
        error("RangeError", "call stack"),
    ),
    # Streams
    (
        "console",
        source("console.log('%s is %d', 'x', 4, { a: [1] }); console.error('bad')"),
        ok(None, stdout="x is 4 { a: [ 1 ] }\n", stderr="bad\n"),
    ),
    ("log before a loop", source("console.log('before'); for (;;);"), {**DEADLINE, "stdout": "before\n"}),
    (
        "logging a hostile value",
        source("console.log(new Proxy({}, { ownKeys() { throw 1; } })); output = 1"),
        ok(1, stdout="[cannot be shown]\n"),
    ),
    # What is there and what is not
    (
        "no host",
        source("output = [typeof process, typeof require, typeof setTimeout, typeof fetch]"),
        ok(["undefined"] * 4),
    ),
    ("btoa, atob", source("output = btoa('h\\xe9') + atob(' aGk= ')"), ok("aOk=hi")),
    ("btoa refuses", source("btoa('€')"), error("InvalidCharacterError", line=1, column=1)),
    ("atob refuses", source("atob('a')"), error("InvalidCharacterError", line=1, column=1)),
    (
        "constructor chain",
        source("output = String((() => {}).constructor('return typeof process')())"),
        ok("undefined"),
    ),
    (
        "allowed_globals",
        source("output = Object.getOwnPropertyNames(globalThis).sort()", allowed_globals=["Object", "Array"]),
        ok(["Array", "Infinity", "NaN", "Object", "globalThis", "input", "output", "undefined"]),
    ),
    (
        "webassembly",
        source(
            "output = WebAssembly.instantiate(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])).then((r) => Object.keys(r))"
        ),
        ok(["module", "instance"]),
    ),
    # Tampering
    ("poisoned built-ins, error", source(POISON + "null.x"), error("TypeError", "null")),
    ("poisoned built-ins, output", source(POISON + "output = { a: [1, 'x'] }"), ok({"a": [1, "x"]})),
    (
        "polluted prototypes",
        source(FORGED_NAMES + "throw new TypeError('the real verdict')"),
        error("TypeError", "^the real verdict$"),
    ),
    (
        "forged reason",
        source("Promise.reject(new Error('Isolate was disposed during execution due to memory limit'))"),
        error("Error", "disposed"),
    ),
    (
        "frames of ours are closed",
        source(
            "const seen = []; Error.prepareStackTrace = (e, f) => { for (const x of f.slice(1)) seen.push(typeof x.getFunction(), typeof x.getThis()); return ''; };"
            "output = { toJSON() { new Error().stack; return [...new Set(seen)]; } }"
        ),
        ok(["undefined"]),
    ),
    # Limits
    (
        "heap",
        source("const k = []; for (;;) k.push(new Array(100000).fill(k.length))"),
        {"how": "memory_limit", "at_least": 16 * MIB},
    ),
    (
        "heap, made to measure",
        source(
            "const k = []; for (;;) k.push(new Array(1000).fill(k.length))", limits={"memory_bytes": 24 * MIB}
        ),
        {"how": "memory_limit", "at_least": 24 * MIB},
    ),
    (
        "webassembly memory",
        source(
            "const k = []; for (;;) { const m = new WebAssembly.Memory({ initial: 512 }); new Uint8Array(m.buffer).fill(1); k.push(m); }"
        ),
        {"how": "memory_limit", "at_least": 16 * MIB},
    ),
    (
        "buffers",
        source("const k = []; for (;;) k.push(new Uint8Array(1 << 20))"),
        error("RangeError", "Array buffer allocation failed"),
    ),
    ("loop", source("for (;;);"), DEADLINE),
    ("regular expression", source("/^(a|aa)+$/.test('a'.repeat(64) + '!')"), DEADLINE),
    ("futex", source("Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)"), DEADLINE),
]

_PROGRAM_CASES = [
    (
        "argv, stdin",
        program(
            "console.log(process.argv.join(), require('fs').readFileSync(0, 'utf8').toUpperCase())",
            stdin="hé",
            args=["a", "b c"],
        ),
        exited(stdout="node,job.js,a,b c HÉ\n"),
    ),
    (
        "nothing of the host",
        program("console.log(process.env, process.cwd(), process.execArgv)"),
        exited(stdout="{} /work []\n"),
    ),
    (
        "order of things",
        program(
            "setTimeout(() => console.log('timer'), 1); process.nextTick(() => console.log('tick')); Promise.resolve().then(() => console.log('micro'));"
            "process.on('exit', (c) => console.log('exit', c)); console.log('sync')"
        ),
        exited(stdout="sync\ntick\nmicro\ntimer\nexit 0\n"),
    ),
    (
        "interval",
        program(
            "let n = 0; const i = setInterval(() => { console.log(++n); if (n === 3) clearInterval(i); }, 1)"
        ),
        exited(stdout="1\n2\n3\n"),
    ),
    ("immediate", program("setImmediate(() => process.stdout.write('now'))"), exited(stdout="now")),
    (
        "unreferenced timer",
        program("setTimeout(() => {}, 1e6).unref(); console.log('end')"),
        exited(stdout="end\n"),
    ),
    (
        "exit",
        program("try { process.exit(7); } catch { console.log('no'); } finally { console.log('no'); }"),
        exited(7, stdout=""),
    ),
    ("exitCode", program("process.exitCode = 9"), exited(9)),
    ("exit handler exits", program("process.on('exit', () => process.exit(5))"), exited(5)),
    (
        "uncaught",
        program("function a() { throw new Error('boom'); }\n  a()"),
        exited(
            1,
            stderr="job.js:1\nfunction a() { throw new Error('boom'); }\n                     ^\n\nError: boom\n    at a (job.js:1:22)\n    at job.js:2:3\n",
        ),
    ),
    (
        "uncaught in a timer",
        program("setTimeout(() => { throw new TypeError('late'); }, 1); setInterval(() => {}, 1)"),
        exited(1, stderr_like="TypeError: late"),
    ),
    ("uncaught value", program("throw 'plain'"), exited(1, stderr="Uncaught plain\n")),
    (
        "lost rejection",
        program("Promise.reject(new RangeError('lost'))"),
        exited(1, stderr_like=r"RangeError: lost\n    at job\.js:1:16\n$"),
    ),
    (
        "syntax",
        program("const x = ;"),
        exited(1, stderr_like=r"SyntaxError: Unexpected token ';'\n    at job\.js:1:11\n$"),
    ),
    ("module syntax", program("export default 1"), exited(1, stderr_like="a job is a script, not a module")),
    ("no other module", program("require('http')"), exited(1, stderr_like="Cannot find module 'http'")),
    ("nothing pending", program("new Promise(() => {})"), exited()),
    (
        "files",
        program(
            "const fs = require('node:fs'); fs.writeFileSync('out.txt', fs.readFileSync('in.bin').toString('hex') + 'é'); fs.mkdirSync('d'); fs.writeFileSync('d/x', '1');"
            "fs.unlinkSync('in.bin'); console.log(fs.readdirSync('.'))",
            files={"in.bin": base64.b64encode(b"\0\xff").decode()},
        ),
        exited(stdout="[ 'd', 'out.txt' ]\n", files={"out.txt": "00ffé".encode()}),
    ),
    (
        "missing file",
        program("try { require('fs').readFileSync('nope'); } catch (e) { console.log(e.code, e.message); }"),
        exited(stdout="ENOENT ENOENT: no such file or directory, open 'nope'\n"),
    ),
    (
        "folder is full",
        program("require('fs').writeFileSync('big', new Uint8Array(9e6))", limits={"memory_bytes": 64 * MIB}),
        exited(1, stderr_like="ENOSPC: no space left on device"),
    ),
    (
        "files of the host",
        program(
            "const fs = require('fs'); console.log(fs.readdirSync('/'), fs.existsSync('/proc'), fs.existsSync('/runner'))"
        ),
        exited(stdout="[ 'tmp', 'work' ] false false\n"),
    ),
    (
        "forging on descriptors",
        program(
            "const fs = require('fs'); for (const fd of [0, 1, 2, 3, 4]) { try { fs.writeSync(fd, 'FORGED\\n'); } catch (e) {} } throw new TypeError('the real verdict')"
        ),
        exited(1, stdout="FORGED\n", stderr_like="(?s)^FORGED\n.*TypeError: the real verdict"),
    ),
    (
        "handlers do not help",
        program(
            "process.on('SIGTERM', () => {}); process.on('uncaughtException', () => {}); setInterval(() => { for (let i = 0; i < 1e7; i++); }, 1)"
        ),
        DEADLINE,
    ),
    ("exit handler never returns", program("process.on('exit', () => { for (;;); })"), DEADLINE),
    (
        "heap in turns",
        program("const k = []; setInterval(() => k.push(new Array(1e5).fill(1)), 0)"),
        {"how": "memory_limit", "at_least": 16 * MIB},
    ),
]

CASES = [(f"function: {name}", *rest) for name, *rest in _FUNCTION_CASES] + [
    (f"program: {name}", *rest) for name, *rest in _PROGRAM_CASES
]


def mismatch(expected: dict, *, result: dict | None, stdout: str, stderr: str) -> str | None:
    """What differs, as one sentence; None where all is as expected."""
    seen: dict = {
        "ends": "deadline" if result is None else "result",
        "stdout": stdout,
        "stderr": stderr,
        **(result or {}),
    }
    if seen.get("payload") is not None:
        payload = json.loads(seen["payload"])
        described = payload.get("error", {})
        seen |= {"status": payload["status"], "output": payload.get("output"), "error": described.get("name")}
        seen |= {key: described.get(key) for key in ("message", "stack", "line", "column")}
    seen["files"] = {name: base64.b64decode(text) for name, text in (seen.get("files") or {}).items()}
    for key, wanted in {"ends": "result", **expected}.items():
        got = seen.get(key.removesuffix("_like"))
        if key in ("message", "stack") or key.endswith("_like"):
            fits = re.search(wanted, got or "") is not None
        elif key == "at_least":
            got = seen.get("observed")
            fits = got is not None and got >= wanted
        else:
            fits = got == wanted
        if not fits:
            return f"{key}: expected {wanted!r}, got {str(got)[:400]!r}"
    return None
