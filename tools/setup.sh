# Sourced by ./quickstart and ./test: everything that a fresh machine needs, each step only where it is missing.
# It never changes the configuration of an engine that is already there.

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold='\033[1m' plain='\033[0m'; else bold='' plain=''; fi
say() { printf "${bold}==>${plain} %s\n" "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 3; }

is_root() { [ "$(id -u)" -eq 0 ]; }
has_apt() { command -v apt-get >/dev/null 2>&1; }

apt_updated=no
apt_install() { # apt_install PACKAGE...
  say "installing $* (apt-get)"
  if [ "$apt_updated" = no ]; then
    apt-get -qq update || die "apt-get update failed; look at its messages above"
    apt_updated=yes
  fi
  DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install "$@" >/dev/null ||
    die "could not install $*; look at the messages above"
}

find_python() {
  for candidate in python3.13 python3.12 python3.11 python3; do
    if command -v "$candidate" >/dev/null 2>&1 &&
      "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
}

need_space() { # need_space FOLDER MEBIBYTES
  free=$(df -Pm "$1" | awk 'NR == 2 { print $4 }')
  [ "$free" -ge "$2" ] || die "$1 has $free MiB free; this needs about $2 MiB"
}

make_environment() { # make_environment EXTRAS ("" or "[dev]")
  need_space . 500
  python=$(find_python)
  if [ -z "$python" ]; then
    is_root && has_apt || die "Python 3.11 or newer is needed; install it (apt-get install python3 python3-venv)"
    apt_install python3
    python=$(find_python)
    [ -n "$python" ] || die "this system's Python is older than 3.11; install a newer one"
  fi
  # A stamp of all that decides what is installed: a second run takes no time.
  stamp=$(cat pyproject.toml requirements.lock | sha256sum | cut -c1-16)-${1:-plain}
  [ -f ".venv/$stamp" ] && return
  say "making the virtual environment .venv with $("$python" --version)"
  if ! "$python" -m venv .venv 2>/dev/null; then
    is_root && has_apt || die "python3-venv is needed; install it (apt-get install python3-venv)"
    apt_install python3-venv
    rm -rf .venv
    "$python" -m venv .venv || die "could not make .venv"
  fi
  say "installing the package"
  .venv/bin/pip -q --disable-pip-version-check install --requirement requirements.lock ||
    die "pip could not install what requirements.lock names; is a package index reachable?"
  .venv/bin/pip -q --disable-pip-version-check install --no-deps --no-build-isolation --editable . ||
    die "pip could not install this package"
  touch ".venv/$stamp"
}

engine_answers() { .venv/bin/python -c 'import docker; docker.from_env(timeout=5).ping()' 2>/dev/null; }

find_engine() {
  engine_answers && return
  [ -z "${DOCKER_HOST:-}" ] || die "no Docker Engine answers at DOCKER_HOST=$DOCKER_HOST"
  if ! is_root; then
    [ ! -S /var/run/docker.sock ] ||
      die "user $(id -un) may not use /var/run/docker.sock; add it to the docker group and log in anew"
    die "no Docker Engine runs here; install and start one (as root: apt-get install docker.io)"
  fi
  if ! command -v dockerd >/dev/null 2>&1; then
    has_apt || die "no Docker Engine here; install one (docs.docker.com/engine/install)"
    need_space /var 3000
    apt_install docker.io
  fi
  start_engine
}

start_engine() {
  say "starting the Docker Engine"
  if [ -d /run/systemd/system ]; then
    systemctl start docker || die "systemctl start docker failed; journalctl -u docker tells why"
  else
    # The engine outlives this script: it is the machine's, not ours.
    setsid dockerd >/var/log/dockerd.log 2>&1 </dev/null &
  fi
  for _ in $(seq 60); do
    engine_answers && return
    sleep 0.5
  done
  die "the Docker Engine did not answer within 30 s; its log (/var/log/dockerd.log or journalctl -u docker) tells why"
}

install_test_databases() { # PostgreSQL's programs: its tests start a server of their own; as root only
  [ -n "$(ls -d /usr/lib/postgresql/*/bin/initdb 2>/dev/null)" ] && return 0
  is_root && has_apt || return 0
  # The package would start a server for the machine, which nobody asked for.
  [ -e /etc/postgresql-common/createcluster.conf ] || {
    mkdir -p /etc/postgresql-common/createcluster.d
    echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.d/sandbox-orch.conf
  }
  apt_install postgresql
}

install_test_runtimes() { # further container runtimes, for the tests that need them; as root only
  is_root && has_apt || return 0
  command -v crun >/dev/null 2>&1 || apt_install crun
  command -v runsc >/dev/null 2>&1 && return 0
  [ -x .tools/runsc/usr/bin/runsc ] && return 0
  say "fetching gVisor of Debian 13 for the tests, beside the system's packages"
  fetch_from_trixie runsc .tools/runsc
}

fetch_from_trixie() { # fetch_from_trixie PACKAGE FOLDER: what is in Debian 13's package, unpacked; nothing is installed
  local package=$1 folder mirror options
  mkdir -p "$2"
  folder=$(cd "$2" && pwd)
  mkdir -p "$folder/apt/lists/partial" "$folder/apt/cache/archives/partial"
  mirror=${SANDBOX_ORCH_DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' | sed -n '/\/debian\/$/p' | sort -u | tail -n 1)}
  [ -n "$mirror" ] || die "no mirror of Debian is known here; name one: SANDBOX_ORCH_DEBIAN_MIRROR"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" >"$folder/apt/sources.list"
  options="-o Dir::Etc::SourceList=$folder/apt/sources.list -o Dir::Etc::SourceParts=/dev/null
    -o Dir::State::Lists=$folder/apt/lists -o Dir::Cache=$folder/apt/cache -o APT::Sandbox::User=root"
  # shellcheck disable=SC2086 # several options
  (cd "$folder/apt" && apt-get -qq $options update && apt-get -qq $options download "$package") ||
    die "could not fetch $package of Debian 13; look at the messages above"
  dpkg-deb --extract "$folder/apt/$package"_*.deb "$folder"
  rm -rf "$folder/apt"
}

install_test_compose() { # Compose v2 and Debian's docker-compose 1.29, for the tests of compose.yaml; as root only, by apt
  is_root && has_apt || return 0
  # To the end of what is said: whoever closes the pipe early ends the one before it, which `pipefail` takes for a failure.
  if apt-cache policy docker-compose 2>/dev/null | grep 'Candidate: 1\.' >/dev/null; then
    command -v docker-compose >/dev/null 2>&1 || apt_install docker-compose
  fi
  docker compose version >/dev/null 2>&1 && return 0
  [ -x .venv/compose-v2/docker-compose ] && return 0
  say "fetching Compose v2 of Debian 13 for the tests, beside the system's packages"
  fetch_from_trixie docker-compose .venv/compose-v2
  ln -sf "$(cd .venv/compose-v2 && find "$PWD" -path '*cli-plugins/docker-compose' | head -n 1)" .venv/compose-v2/docker-compose
}

install_test_programs() { # what docs/install.md and docs/proxy.md ask for, for their tests; as root only
  is_root && has_apt || return 0
  /usr/bin/python3 -c 'import ensurepip' 2>/dev/null || apt_install python3 python3-venv
  command -v curl >/dev/null 2>&1 || apt_install curl
  command -v npm >/dev/null 2>&1 || apt_install npm # fetches the diagrams' program of the docs' site, once
  [ ! -x /usr/sbin/nginx ] || return 0
  # The package would start a server for the machine, which nobody asked for: for this once, none may start.
  local policy=/usr/sbin/policy-rc.d
  if [ -e "$policy" ]; then
    apt_install nginx
    return
  fi
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  trap 'rm -f /usr/sbin/policy-rc.d' EXIT
  apt_install nginx
  rm -f "$policy"
  trap - EXIT
  # Nor at the next boot.
  [ ! -d /run/systemd/system ] || systemctl -q disable nginx 2>/dev/null || true
}

install_test_browser() { # a browser for the tests of the dashboard, and Prometheus for those of its rules; as root only
  is_root && has_apt || return 0
  command -v chromium >/dev/null 2>&1 || apt_install chromium fonts-dejavu-core
  command -v prometheus >/dev/null 2>&1 && return 0
  [ -x .tools/prometheus/usr/bin/promtool ] && return 0
  # Its two programs only: the package would start a server for the machine, which nobody asked for.
  say "unpacking Debian's prometheus into .tools (not installed)"
  [ "$apt_updated" = yes ] || { apt-get -qq update && apt_updated=yes; }
  mkdir -p .tools/prometheus
  (cd .tools && apt-get -qq download prometheus >/dev/null && dpkg-deb -x prometheus_*.deb prometheus && rm prometheus_*.deb) ||
    die "could not get Debian's prometheus; look at the messages above"
}

build_images() { # build_images [RUNTIME...]: node and python unless named
  [ "$#" -gt 0 ] || set -- node python
  # Which of them are not current: `images list` has a line for every runtime, on offer or not.
  names=$(printf '%s|' "$@")
  if ! .venv/bin/sandbox-orch images list | grep -E "^(${names%|}) .* (missing|stale)( |$)" >/dev/null; then
    return
  fi
  if is_root && has_apt && ! command -v mmdebstrap >/dev/null 2>&1; then
    apt_install mmdebstrap # for machines whose engine reaches no registry
  fi
  say "building the runtime images (some minutes, once)"
  .venv/bin/sandbox-orch images build "$@" || exit 3
}
