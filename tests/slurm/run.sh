#!/usr/bin/env bash
# A campaign on a real Slurm of one node: a requeued and a killed task change no byte.
#
#   tests/slurm/run.sh [PROGRAM]     PROGRAM: target/release/humboldt if not given
#
# The daemons are this script's own: their files, sockets and logs lie in a temporary folder, nothing in /etc is
# touched, and none is left. Where apt can, it installs what is missing. Exit code 77: there is no Slurm to be had.
set -euo pipefail
cd "$(dirname "$0")/../.."

none() { echo "slurm: not tested: $1" >&2; exit 77; }
fail() {
    echo "slurm: FAILED: $1" >&2
    tail -n 20 "$work"/*.log "$work"/*/slurm/*.log 2>/dev/null >&2 || true
    exit 1
}

program=$(realpath "${1:-target/release/humboldt}")
[ -x "$program" ] || { echo "slurm: FAILED: $program is not there; build it: cargo build --release" >&2; exit 1; }

PATH=$PATH:/usr/sbin:/sbin
missing() { for tool in munged slurmctld slurmd sbatch squeue sinfo scontrol; do command -v $tool || echo $tool; done | grep -vc / || true; }
if [ "$(missing)" -ne 0 ]; then
    command -v apt-get >/dev/null || none "no Slurm, and no apt"
    root=()
    [ "$(id -u)" -eq 0 ] || { sudo -n true 2>/dev/null && root=(sudo -n); } || none "no Slurm, and not root"
    install=("${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get)
    { "${install[@]}" update -qq && "${install[@]}" install -y -qq --no-install-recommends slurm-wlm munge; } >&2 ||
        none "apt-get could not install slurm-wlm and munge"
    [ "$(missing)" -eq 0 ] || none "slurm-wlm and munge are installed, but not all of their programs"
fi

work=$(mktemp -d)
# munged refuses a folder in which another user could put a socket.
chmod 755 "$work"
stop() {
    for name in slurmd slurmctld munged; do
        [ ! -s "$work/$name.pid" ] || kill "$(cat "$work/$name.pid")" 2>/dev/null || true
    done
    for _ in $(seq 50); do
        [ -n "$(running)" ] || break
        sleep 0.2
    done
    [ -z "$(running)" ] || kill -KILL $(running) 2>/dev/null || true
    rm -rf "$work"
}
running() {
    for name in slurmd slurmctld munged; do
        # Not a zombie: where nobody reaps them, they stay.
        [ ! -s "$work/$name.pid" ] || ps -o pid=,stat= -p "$(cat "$work/$name.pid")" | awk '$2 !~ /Z/ { print $1 }'
    done
}
trap stop EXIT

user=$(id -un) host=$(hostname -s)
read -r ctld_port slurmd_port < <(python3 - <<'PYTHON' 2>/dev/null || echo 36817 36818
import socket
both = [socket.socket() for _ in range(2)]
for s in both: s.bind(("", 0))
print(*[s.getsockname()[1] for s in both])
PYTHON
)
export SLURM_CONF=$work/slurm.conf
cat >"$SLURM_CONF" <<CONF
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$ctld_port
SlurmdPort=$slurmd_port
SlurmUser=$user
SlurmdUser=$user
AuthType=auth/munge
AuthInfo=socket=$work/munge.socket,cred_expire=5
CryptoType=crypto/munge
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.pid
SlurmctldLogFile=$work/slurmctld.log
SlurmdLogFile=$work/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SchedulerParameters=sched_interval=1,bf_interval=1
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
NodeName=$host NodeAddr=127.0.0.1 CPUs=2 RealMemory=4096
PartitionName=only Nodes=$host Default=YES MaxTime=INFINITE State=UP
CONF
mkdir "$work/state" "$work/spool"
head -c 128 /dev/urandom >"$work/munge.key"
chmod 600 "$work/munge.key"
munged --force --socket="$work/munge.socket" --key-file="$work/munge.key" --pid-file="$work/munged.pid" \
    --seed-file="$work/munge.seed" --log-file="$work/munged.log" || none "munged does not start here"
slurmctld -c || none "slurmctld does not start here"
slurmd || { tail -n 5 "$work/slurmd.log" >&2; none "slurmd does not start here"; }

# wait_for SECONDS WHAT COMMAND...
wait_for() {
    local end=$((SECONDS + $1)) what=$2
    shift 2
    until "$@"; do
        [ $SECONDS -lt $end ] || fail "no $what within its time; the queue: $(squeue --noheader 2>&1)"
        sleep 0.2
    done
}
node_is_idle() { [ "$(sinfo --noheader --format=%t 2>/dev/null)" = idle ]; }
queue_is_empty() { [ -z "$(squeue --noheader)" ]; }
is_running() { [ "$(squeue --noheader --format=%T --job="$1")" = RUNNING ]; }
for _ in $(seq 300); do ! node_is_idle || break; sleep 0.2; done
node_is_idle || none "the node does not become idle: $(sinfo --noheader 2>&1)"

# More events than in the other tests: a task takes seconds, so that it is hit while it works.
card=$work/card.toml
sed 's/^events = 800$/events = 4000000/' tests/cards/tiny.toml >"$card"
grep -q 4000000 "$card" || fail "tests/cards/tiny.toml has changed"
one=$work/one campaign="$work/50% on \"a\" cluster"
"$program" --quiet campaign run "$card" --out "$one"

submit() {
    # Sets `array` and `merge`, the numbers of the jobs.
    local line
    line=$("$program" --quiet campaign submit "$card" --out "$campaign" --slurm --tasks 5 --cpus 1 --memory 500M)
    echo "slurm: $line"
    [[ $line =~ ^array\ ([0-9]+),\ merge\ ([0-9]+)$ ]] || fail "submit printed: $line"
    array=${BASH_REMATCH[1]} merge=${BASH_REMATCH[2]}
}
state() { scontrol --oneliner show job "$1" | grep -o "$2=[^ ]*" | head -n 1; }

submit
wait_for 60 "running task 1" is_running "${array}_1"
wait_for 60 "running task 2" is_running "${array}_2"
sleep 0.5
scontrol requeue "${array}_1"
# As where the node runs out of memory, unlike scancel: Slurm sees a task that failed.
pids=$(scontrol listpids "$(squeue --noheader --format=%A --job="${array}_2")" | awk 'NR > 1 && $1 > 1 { print $1 }')
[ -n "$pids" ] || fail "task 2 has no process"
kill -KILL $pids
status=$("$program" campaign status "$campaign")
echo "$status"
grep -q "^job  *${array}_" <<<"$status" || fail "campaign status has no line of array $array"
grep -q "^job  *$merge PENDING" <<<"$status" || fail "campaign status has no line of merge $merge"
wait_for 300 "end of the first array" queue_is_empty
[ "$(state "${array}_1" Restarts)" = Restarts=1 ] || fail "task 1 was not requeued: $(state "${array}_1" Restarts)"
[ "$(state "${array}_1" JobState)" = JobState=COMPLETED ] || fail "task 1: $(state "${array}_1" JobState)"
[ "$(state "${array}_2" JobState)" = JobState=FAILED ] || fail "task 2 was not killed: $(state "${array}_2" JobState)"
[ ! -e "$campaign/manifest.json" ] || fail "the merge ran though a task was killed"

submit
wait_for 300 "end of the second array" queue_is_empty
[ "$(state "$merge" JobState)" = JobState=COMPLETED ] || fail "merge: $(state "$merge" JobState)"
! "$program" campaign status "$campaign" | grep "^job" || fail "campaign status has jobs of an empty queue"
"$program" --quiet campaign verify "$campaign"

# The scripts and their logs, and the locks, are not of the campaign.
sums() { (cd "$1" && find . -type f ! -path './slurm/*' ! -name .lock | sort | xargs -d '\n' sha256sum); }
sums "$one" >"$work/one.sums"
sums "$campaign" >"$work/campaign.sums"
[ "$(wc -l <"$work/one.sums")" -gt 10 ] || fail "too few files: $(cat "$work/one.sums")"
diff "$work/one.sums" "$work/campaign.sums" || fail "other bytes than from one process"
echo "slurm: $(wc -l <"$work/one.sums") files of the campaign on Slurm are those of one process, byte by byte"
