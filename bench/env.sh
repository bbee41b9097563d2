# SPDX-License-Identifier: ISC
# Shared settings of the benchmarks; source it. Override any by environment.
B=${B:-${TMPDIR:-/tmp}/mailbench}                 # work folder: bin/, disk/ (data), run/ (sockets, logs)
S=${S:-$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)}
G=${G:-} SHIFT=${SHIFT:-0}                          # another run beside this one: a suffix for its control groups, a number added to its ports
BIN=$B/bin
DISK=${DISK:-$B/disk}              # where servers keep queues and mailboxes
RUN=${RUN:-$B/run}
NUSERS=${NUSERS:-100}              # u001..u100, password pw
PASS=${PASS:-pw}
CERT=$B/tls/cert.pem KEY=$B/tls/key.pem
VUID=${VUID:-5000}                 # owner of virtual mailboxes
CG=/sys/fs/cgroup/cpuacct
mkdir -p "$RUN" "$DISK" "$B/tls"

# ---- CPU accounting: every server runs in its own cpuacct group ----
cg_new()  { mkdir -p $CG/pb_$1$G; }
cg_exec() { local g=$1; shift; cg_new $g; ( echo $BASHPID > $CG/pb_$g$G/tasks; exec "$@" ); }
cg_cpu()  { local t=0 g v; for g in "$@"; do v=$(cat $CG/pb_$g$G/cpuacct.usage 2>/dev/null || echo 0); t=$((t+v)); done; echo $t; }   # ns
cg_procs(){ cat $CG/pb_$1$G/cgroup.procs 2>/dev/null; }
# as cg_exec, but with a private /etc/resolv.conf that knows only /etc/hosts and refuses DNS at once
# (this machine has no DNS; without this, some servers wait seconds for reverse look-ups)
cg_exec_nodns() { local g=$1; shift; cg_new $g; printf 'lookup file\nnameserver 127.0.0.1\noptions timeout:1 attempts:1\n' > $RUN/resolv.conf
  ( echo $BASHPID > $CG/pb_$g$G/tasks; exec unshare -m bash -c 'mount --bind "$0" /etc/resolv.conf && exec "$@"' $RUN/resolv.conf "$@" ); }
# sum of Pss and Rss (kB) and process count of a group
cg_pss()  { local p; cg_procs $1 | while read p; do cat /proc/$p/smaps_rollup 2>/dev/null; done |
            awk '/^Pss:/{p+=$2;n++} /^Rss:/{r+=$2} END{printf "procs=%d pss_kb=%d rss_kb=%d\n",n,p,r}'; }
# end only the processes of our own group, by pid
cg_kill() { local p i; for i in 1 2 3 4 5 6 7 8 9 10; do
              [ -z "$(cg_procs $1)" ] && return 0
              for p in $(cg_procs $1); do [ $i -lt 6 ] && kill $p 2>/dev/null || kill -9 $p 2>/dev/null; done
              sleep 0.3; done; }
# ---- disk and machine counters ----
disk_dev() { basename "$(df --output=source "$DISK" | tail -1)"; }
disk_stat(){ awk '{printf "%d %d %d\n",$5,$7*512,$16}' /sys/block/$(disk_dev)/stat; }     # writes bytes flushes
cpu_busy() { awk '/^cpu /{printf "%d\n",$2+$3+$4+$7+$8+$9}' /proc/stat; }                   # ticks (1/100 s), steal included
wait_banner() { # host port [secs] : waits until the port greets
  python3 - "$1" "$2" "${3:-20}" <<'P'
import socket,sys,time
h,p,t=sys.argv[1],int(sys.argv[2]),float(sys.argv[3]);e=time.time()+t
while time.time()<e:
    try:
        s=socket.create_connection((h,p),2);s.settimeout(5)
        if s.recv(10): s.close(); sys.exit(0)
    except OSError: pass
    time.sleep(0.01)
sys.exit(1)
P
}
users() { seq -f 'u%03g' 1 $NUSERS; }
ensure_vmail() { getent group vmail >/dev/null || groupadd -g $VUID vmail; getent passwd vmail >/dev/null || useradd -u $VUID -g $VUID -d $DISK -s /usr/sbin/nologin vmail; }
