# expect: contained|error
# after: no-procs, slot-fresh; no shell or tool starts, or it starts exactly as confined as the job itself
import subprocess

try:
    st = subprocess.run(
        ["/bin/sh", "-c", 'while read l; do echo "$l"; done < /proc/self/status'],
        capture_output=True,
        text=True,
        timeout=2,
    ).stdout
    d = dict(l.split(":", 1) for l in st.splitlines() if ":" in l)
    ok = (
        d
        and int(d["CapEff"], 16) == 0
        and int(d["CapBnd"], 16) == 0
        and d["NoNewPrivs"].strip() == "1"
        and d["Seccomp"].strip() == "2"
        and d["Uid"].split()[0] != "0"
    )
    output = (
        "contained: shell is equally confined"
        if ok
        else "ESCAPED: shell status "
        + str({k: d.get(k) for k in ("CapEff", "CapBnd", "NoNewPrivs", "Seccomp", "Uid")})
    )
except (OSError, subprocess.SubprocessError) as e:
    output = f"contained: {type(e).__name__} {getattr(e, 'errno', '')}"
