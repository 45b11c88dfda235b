# expect: contained
# after: daemon-ok; raw, packet, netlink, AF_ALG, AF_VSOCK and every rare family is refused at socket()
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


fams = dict(
    inet_raw=(2, 3, 1),
    inet6_raw=(10, 3, 58),
    packet=(17, 3, 768),
    netlink_audit=(16, 3, 9),
    netlink_xfrm=(16, 3, 6),
    netlink_netfilter=(16, 3, 12),
    alg=(38, 5, 0),
    vsock=(40, 1, 0),
    vsock_dgram=(40, 2, 0),
    rxrpc=(33, 2, 2),
    tipc=(30, 4, 0),
    can=(29, 3, 1),
    bluetooth=(31, 3, 1),
    nfc=(39, 5, 0),
    key=(15, 3, 2),
    pppox=(24, 1, 0),
    llc=(26, 1, 0),
    x25=(9, 5, 0),
    ax25=(3, 2, 0),
    smc=(43, 1, 0),
    xdp=(44, 3, 0),
    qipcrtr=(42, 2, 0),
    rds=(21, 5, 0),
    kcm=(41, 5, 0),
    phonet=(35, 2, 0),
    ieee802154=(36, 2, 0),
    caif=(37, 1, 0),
    mctp=(45, 2, 0),
)
for n, (f, ty, p) in fams.items():
    t(n, *sc(41 if X else 198, f, ty, p))
output = "ESCAPED: " + " ".join(map(str, hits)) if hits else "contained: " + " ".join(seen)
