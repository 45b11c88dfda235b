# expect: contained
# after: slot-fresh; the image has no set-id file, no file with capabilities, and nothing outside the tmpfs that others may write
import os
import stat

hits, seen = [], 0
for top, folders, files in os.walk("/"):
    folders[:] = [
        f for f in folders if os.path.join(top, f) not in ("/proc", "/sys", "/dev", "/tmp", "/work")
    ]
    for name in files + folders:
        path = os.path.join(top, name)
        try:
            facts = os.lstat(path)
        except OSError:
            continue
        seen += 1
        if stat.S_ISLNK(facts.st_mode):
            continue
        if (
            facts.st_mode & (stat.S_ISUID | stat.S_ISGID)
            or facts.st_mode & stat.S_IWOTH
            or facts.st_uid == os.getuid()
        ):
            hits.append(path)
output = "ESCAPED: " + " ".join(hits[:8]) if hits else f"contained: {seen} files, none of them"
