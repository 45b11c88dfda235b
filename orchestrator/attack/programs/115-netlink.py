# expect: contained
# after: daemon-ok; only a loopback device exists and no interface, route or address can be added
import socket
import struct

try:
    s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
    s.settimeout(0.5)
    info = (
        struct.pack("BxHiII", 0, 0, 0, 0, 0xFFFFFFFF)
        + struct.pack("HH", 10, 3)
        + b"probe\0\0\0"
        + struct.pack("HH", 16, 18)
        + struct.pack("HH", 9, 1)
        + b"dummy\0\0\0"
    )
    s.send(struct.pack("IHHII", 16 + len(info), 16, 0x605, 1, 0) + info)
    err = struct.unpack_from("i", s.recv(4096), 16)[0]
    ifs = [n for _, n in socket.if_nameindex()]
    extra = [
        n
        for n in ifs
        if n
        not in (
            "lo",
            "tunl0",
            "sit0",
            "ip6tnl0",
            "gre0",
            "gretap0",
            "erspan0",
            "ip_vti0",
            "ip6_vti0",
            "ip6gre0",
            "teql0",
            "dummy0",
            "bond0",
            "ifb0",
            "ifb1",
        )
    ]
    output = (
        f"ESCAPED: RTM_NEWLINK {err} interfaces {ifs}"
        if err == 0 or extra
        else f"contained: newlink errno {-err}, interfaces {ifs}"
    )
except OSError as e:
    output = f"contained: errno {e.errno}"
