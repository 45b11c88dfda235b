# A wide piece of honest work with the standard library, one section for each need. Prints what failed, by section.
# Run as a program job by tests/security/test_seccomp_on_engine.py; what it uses is what seccomp/python.json allows.
import sys
FAILED = {}
def section(f):
    try:
        f()
    except BaseException as e:
        FAILED[f.__name__] = f"{type(e).__name__}: {e}"
@section
def files():
    import os, shutil, tempfile, pathlib, csv, json, glob
    os.chdir("/work")
    os.mkdir("d"); pathlib.Path("d/e").mkdir(parents=True, exist_ok=True)
    with open("d/a.csv", "w", newline="") as f:
        csv.writer(f).writerows([[1, 2], [3, 4]])
    assert list(csv.reader(open("d/a.csv"))) == [["1", "2"], ["3", "4"]]
    with open("d/b", "wb") as f:
        f.write(b"x" * 200000); f.flush(); os.fsync(f.fileno()); os.fdatasync(f.fileno())
        f.seek(0); f.truncate(10)
    os.truncate("d/b", 5); os.rename("d/b", "d/c"); os.replace("d/c", "d/b")
    os.symlink("b", "d/link"); assert os.readlink("d/link") == "b"
    os.link("d/b", "d/hard")
    os.chmod("d/b", 0o600); os.utime("d/b", (1, 1)); os.access("d/b", os.R_OK)
    os.stat("d/b"); os.lstat("d/link"); os.statvfs("/work"); os.umask(os.umask(0o22)); os.mkfifo("d/fifo"); os.unlink("d/fifo")
    shutil.copy("d/b", "d/copy"); shutil.copy2("d/b", "d/copy2"); shutil.copytree("d", "t", symlinks=True); shutil.move("t", "u")
    shutil.disk_usage("/work")
    assert sorted(glob.glob("d/*"))
    list(os.scandir("d")); list(os.walk("."));  os.getcwd()
    with tempfile.TemporaryFile() as f: f.write(b"1")
    with tempfile.NamedTemporaryFile() as f: f.write(b"1")
    with tempfile.TemporaryDirectory() as d: open(d + "/x", "w").close()
    fd = os.open("d", os.O_RDONLY); os.listdir(fd); os.stat("b", dir_fd=fd); os.open("b", os.O_RDONLY, dir_fd=fd)
    os.mkdir("m", dir_fd=fd); os.rmdir("m", dir_fd=fd); os.unlink("copy", dir_fd=fd); os.rename("b", "b2", src_dir_fd=fd, dst_dir_fd=fd); os.close(fd)
    fd = os.open("d", os.O_RDONLY); os.symlink("z", "sl", dir_fd=fd); os.readlink("sl", dir_fd=fd); os.chmod("b2", 0o600, dir_fd=fd); os.link("b2", "hl", src_dir_fd=fd, dst_dir_fd=fd); os.fchdir(fd); os.chdir("/work"); os.fstatvfs(fd); os.close(fd)
    shutil.rmtree("u"); shutil.rmtree("d")
    import mmap
    with open("mm", "wb+") as f:
        f.truncate(8192); m = mmap.mmap(f.fileno(), 8192); m[0:3] = b"abc"; m.flush(); m.resize(4096) ; m.close()
    fd = os.open("mm", os.O_RDWR); os.pread(fd, 3, 0); os.pwrite(fd, b"q", 0); os.readv(fd, [bytearray(2)]); os.writev(fd, [b"a", b"b"]); os.lseek(fd, 0, 0)
    os.posix_fallocate(fd, 0, 100); os.posix_fadvise(fd, 0, 0, 0); os.dup(fd); os.dup2(fd, 100); os.dup2(fd, 101, inheritable=False); import fcntl; fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_NONBLOCK); os.fchmod(fd, 0o600); os.fstat(fd); os.close(fd)
    os.remove("mm")
@section
def archives():
    import zipfile, tarfile, gzip, bz2, lzma, io, os
    os.chdir("/work"); open("z", "w").write("hello" * 100)
    with zipfile.ZipFile("a.zip", "w", zipfile.ZIP_DEFLATED) as z: z.write("z")
    zipfile.ZipFile("a.zip").extractall("zz")
    with tarfile.open("a.tgz", "w:gz") as t: t.add("z")
    tarfile.open("a.tgz").extractall("tt", filter="data")
    for m in (gzip, bz2, lzma): assert m.decompress(m.compress(b"q" * 1000)) == b"q" * 1000
@section
def threads():
    import threading, queue, concurrent.futures as c, time
    q = queue.Queue(); t = threading.Thread(target=lambda: q.put(1)); t.start(); t.join(5); assert q.get(timeout=2) == 1
    with c.ThreadPoolExecutor(4) as e: assert list(e.map(lambda x: (time.sleep(0.002), x)[1], range(20))) == list(range(20))
    e = threading.Event(); threading.Timer(0.01, e.set).start(); assert e.wait(2)
@section
def aio():
    import asyncio
    async def main():
        await asyncio.gather(*(asyncio.sleep(0.001) for _ in range(10)))
        assert await asyncio.to_thread(lambda: 5) == 5
        async with asyncio.timeout(1): await asyncio.sleep(0)
    asyncio.run(main())
@section
def native():
    import ctypes, decimal, sqlite3, hashlib, random, secrets, uuid, zoneinfo, datetime, struct, array
    ctypes.CDLL(None).getpid(); ctypes.create_string_buffer(10)
    cb = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(lambda x: x + 1); assert cb(1) == 2
    decimal.Decimal(1) / 7
    d = sqlite3.connect(":memory:"); d.execute("create table t(a)"); d.execute("insert into t values (1)"); assert d.execute("select a from t").fetchall() == [(1,)]
    hashlib.sha256(b"x").hexdigest(); hashlib.scrypt(b"p", salt=b"s", n=2, r=1, p=1); random.random(); secrets.token_hex(); uuid.uuid4(); uuid.uuid1()
    zoneinfo.ZoneInfo("Europe/Paris"); datetime.datetime.now(zoneinfo.ZoneInfo("America/New_York")); zoneinfo.available_timezones()
@section
def sqlite_file():
    import sqlite3, os
    os.chdir("/work")
    d = sqlite3.connect("file:/work/x.db?nolock=1", uri=True); d.execute("create table t(a)"); d.execute("insert into t values (1)"); d.commit(); d.close()
    assert sqlite3.connect("file:/work/x.db?nolock=1", uri=True).execute("select a from t").fetchall() == [(1,)]
@section
def text():
    import re, json, xml.etree.ElementTree as E, html, string, textwrap, difflib, configparser, tomllib, pprint, statistics, fractions, heapq, bisect, itertools, collections, dataclasses, enum, typing, pickle, copy, base64, logging, argparse, locale, unicodedata, calendar, email.message, urllib.parse, ast, inspect, traceback, io, contextlib, functools, operator, types, abc, weakref, gc, time
    logging.basicConfig(filename="/work/log"); logging.warning("x")
    json.dumps({"a": [1]}); E.fromstring("<a><b/></a>"); pickle.loads(pickle.dumps([1])); locale.setlocale(locale.LC_ALL, ""); gc.collect(); time.localtime(); time.sleep(0.001)
@section
def memory():
    for _ in range(3):
        b = bytearray(5 << 20); b[::4096] = b"1" * len(b[::4096]); del b
    x = [bytes(1000) for _ in range(3000)]; del x
    big = bytearray()
    for _ in range(40): big += b"y" * 100000
@section
def signals():
    import signal, os, time
    hit = []
    signal.signal(signal.SIGALRM, lambda *_: hit.append(1)); signal.setitimer(signal.ITIMER_REAL, 0.005); time.sleep(0.05); assert hit
    signal.signal(signal.SIGUSR1, lambda *_: hit.append(2)); os.kill(os.getpid(), signal.SIGUSR1); assert 2 in hit
    signal.alarm(1); signal.alarm(0); signal.setitimer(signal.ITIMER_REAL, 0.01); signal.pause()
    signal.raise_signal(signal.SIGUSR1); signal.getitimer(signal.ITIMER_REAL); signal.sigpending(); signal.pthread_sigmask(signal.SIG_BLOCK, [])
    import threading; signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
    signal.sigtimedwait([signal.SIGUSR2], 0.001)
    import faulthandler; faulthandler.enable(open("/work/f", "w")); faulthandler.dump_traceback_later(10); faulthandler.cancel_dump_traceback_later()
@section
def process():
    import os, resource, sys, platform, select, time, getpass
    os.getpid(); os.getppid(); os.getuid(); os.getgid(); os.geteuid(); os.getegid(); os.getgroups(); os.getresuid(); os.getresgid(); os.getpgrp(); os.getpgid(0); os.getsid(0); os.times(); os.uname(); os.cpu_count(); os.sched_getaffinity(0); os.process_cpu_count(); os.getloadavg(); os.sysconf("SC_PAGE_SIZE"); os.getrandom(4); os.urandom(4); os.sched_yield(); os.getpriority(0, 0)
    resource.getrlimit(resource.RLIMIT_NOFILE); resource.getrusage(resource.RUSAGE_SELF); resource.setrlimit(resource.RLIMIT_NOFILE, (100, 200)); resource.prlimit(0, resource.RLIMIT_NOFILE)
    platform.platform(); platform.processor(); time.get_clock_info("monotonic"); time.clock_gettime(time.CLOCK_PROCESS_CPUTIME_ID); time.process_time(); time.thread_time(); time.clock_getres(time.CLOCK_MONOTONIC)
    r, w = os.pipe(); os.set_blocking(r, False); os.write(w, b"1"); assert select.select([r], [], [], 1)[0]; p = select.poll(); p.register(r); p.poll(10); e = select.epoll(); e.register(r); e.poll(0.01); e.close(); os.read(r, 1); os.isatty(r); os.fspath("x")
    os.set_inheritable(r, True); fd = os.eventfd(0); os.eventfd_write(fd, 1); os.eventfd_read(fd)
    try: os.get_terminal_size()
    except OSError: pass
    try: getpass.getuser()
    except (OSError, KeyError, ModuleNotFoundError): pass
    import socket
    a, b = socket.socketpair(); a.sendall(b"x"); assert b.recv(1) == b"x"; a.setblocking(False); a.getsockname(); a.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE); a.shutdown(socket.SHUT_WR); a.sendmsg; b.close(); a.close()
    sys._debugmallocstats if hasattr(sys, "_debugmallocstats") else None
@section
def cleanly_refused():
    import subprocess, os, socket, multiprocessing
    for act in (lambda: subprocess.run(["/usr/bin/python3.13", "-c", "1"]), lambda: os.fork(), lambda: os.system("x") == -1 or 1 / 0, lambda: socket.socket(), lambda: socket.create_connection(("127.0.0.1", 1), 1), lambda: os.posix_spawn("/usr/bin/python3.13", ["x"], {}), lambda: os.execv("/usr/bin/python3.13", ["x"])):
        try: act()
        except OSError: pass
        except ZeroDivisionError: pass
@section
def recursion():
    import sys
    def f(n): return f(n + 1)
    try: f(0)
    except RecursionError: pass
import json as _j
print("FAILED " + _j.dumps(FAILED))
