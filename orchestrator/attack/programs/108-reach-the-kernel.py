# expect: contained
# after: daemon-ok; calls that no job needs are refused before the kernel looks at their arguments
import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
X = os.uname().machine == "x86_64"


def sc(nr, *args):
    if nr is None:
        return -1, 38
    ctypes.set_errno(0)
    r = libc.syscall(ctypes.c_long(nr), *[ctypes.c_long(a) if isinstance(a, int) else a for a in args])
    return r, ctypes.get_errno()


hits, seen = [], []


def t(name, r, e):
    (hits if r >= 0 else seen).append(name if r >= 0 else f"{name}:{e}")


calls = dict(
    bpf=(321, 280),
    userfaultfd=(323, 282),
    perf_event_open=(298, 241),
    keyctl=(250, 219),
    add_key=(248, 217),
    request_key=(249, 218),
    ptrace=(101, 117),
    process_vm_readv=(310, 270),
    process_vm_writev=(311, 271),
    process_madvise=(440, 440),
    process_mrelease=(448, 448),
    finit_module=(313, 273),
    init_module=(175, 105),
    delete_module=(176, 106),
    kexec_load=(246, 104),
    kexec_file_load=(320, 294),
    mount=(165, 40),
    umount2=(166, 39),
    pivot_root=(155, 41),
    open_tree=(428, 428),
    move_mount=(429, 429),
    fsopen=(430, 430),
    fsconfig=(431, 431),
    fsmount=(432, 432),
    fspick=(433, 433),
    mount_setattr=(442, 442),
    setns=(308, 268),
    unshare=(272, 97),
    pidfd_open=(434, 434),
    pidfd_getfd=(438, 438),
    personality=(135, 92),
    mincore=(27, 232),
    cachestat=(451, 451),
    acct=(163, 89),
    swapon=(167, 224),
    swapoff=(168, 225),
    reboot=(169, 142),
    quotactl=(179, 60),
    quotactl_fd=(443, 443),
    syslog=(103, 116),
    sethostname=(170, 161),
    setdomainname=(171, 162),
    clock_settime=(227, 112),
    name_to_handle_at=(303, 264),
    open_by_handle_at=(304, 265),
    fanotify_init=(300, 262),
    fanotify_mark=(301, 263),
    lookup_dcookie=(212, 18),
    memfd_create=(319, 279),
    memfd_secret=(447, 447),
    io_uring_setup=(425, 425),
    io_uring_enter=(426, 426),
    io_uring_register=(427, 427),
    splice=(275, 76),
    tee=(276, 77),
    vmsplice=(278, 75),
    execveat=(322, 281),
    move_pages=(279, 239),
    migrate_pages=(256, 238),
    kcmp=(312, 272),
    setxattrat=(463, 463),
    getxattrat=(464, 464),
    open_tree_attr=(467, 467),
    next_new_call=(470, 470),
)
for name, numbers in calls.items():
    r, e = sc(numbers[0 if X else 1], -1, -1, -1, -1, -1, -1)
    (seen if r < 0 and e in (1, 38) else hits).append(f"{name}:{e}")
seen = [f"{len(seen)} calls refused"]
output = "ESCAPED: " + " ".join(map(str, hits)) if hits else "contained: " + " ".join(seen)
