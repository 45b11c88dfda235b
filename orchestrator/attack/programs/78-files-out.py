# expect: contained
# after: host-file-intact, slot-fresh; of what a program leaves, only plain regular files with plain names come back
# modes: program
# check: files=fine.txt
import os

made = []


def tried(name, act):
    try:
        act()
        made.append(name)
    except OSError as e:
        made.append(f"{name}:{e.errno}")


with open("fine.txt", "w") as f:
    f.write("fine")
tried("link", lambda: os.symlink("/etc/passwd", "passwd.txt"))
tried("environ", lambda: os.symlink("/proc/1/environ", "environ.txt"))
tried("self", lambda: os.symlink("/proc/self/mem", "mem.txt"))
tried("loop", lambda: os.symlink("loop.txt", "loop.txt"))
tried("folder-link", lambda: os.symlink("/", "root"))
tried("hard", lambda: os.link("/etc/passwd", "hard.txt"))
tried("fifo", lambda: os.mkfifo("fifo.txt"))
tried("device", lambda: os.mknod("null.txt", 0o20666, os.makedev(1, 3)))
tried("folder", lambda: os.makedirs("folder.txt/../folder2/deep"))
tried("sparse", lambda: os.truncate(os.open("sparse.txt", os.O_CREAT | os.O_WRONLY, 0o600), 4 << 20))
tried("unreadable", lambda: os.close(os.open("secret.txt", os.O_CREAT | os.O_WRONLY, 0)))
for name in (b"new\nline", b"esc\x1b[2J", b"broken\xff\xfe", b"back\x08", "right‮left".encode()):
    tried("odd", lambda: os.close(os.open(os.path.join(b"/work", name), os.O_CREAT | os.O_WRONLY, 0o600)))
output = "contained: " + " ".join(made)
