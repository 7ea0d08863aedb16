#!/usr/bin/env bash
# How much the sensor takes from an interface: tcpreplay sends into one end of a veth pair, the sensor watches the
# other, both in a network namespace of their own. Needs root, iproute2, ethtool, tcpreplay and python3.
#
#   testdata/bench/veth.sh rate PPS SECONDS [PCAP...]      one trial at a rate (0: as fast as it goes)
#   testdata/bench/veth.sh search PPS SECONDS [PCAP...]    doubles the rate from PPS until something is lost, then
#                                                          halves the step four times
#
# Without PCAP the recorded attacks of testdata/captures are sent, which is far denser in alerts than a network is.
# Environment: RELAYWATCH=program (target/fast/relaywatch or target/release/relaywatch), ARGS=more flags for it,
# SENSOR_CPUS and SENDER_CPU (taskset lists; unset: the scheduler decides), UNIQUE=0 (every round has the same addresses).
#
# One line a trial: packets sent, sent per second, packets the kernel had for us, drops of the kernel, drops of the
# sensor's queues, alerts, packet to alert in microseconds (median, 99 of 100; beyond the detection's own wait), CPU
# seconds of the sensor a second, its largest memory.
set -euo pipefail
cd "$(dirname "$0")/../.."

usage() {
    sed -n '2,18s/^# \{0,1\}//p' "$0"
    exit 2
}
[ $# -ge 3 ] || usage
mode=$1 pps=$2 secs=$3
shift 3
pcaps=("$@")
[ ${#pcaps[@]} -gt 0 ] || pcaps=(testdata/captures/*.pcap)
sensor=${RELAYWATCH:-}
for built in target/release/relaywatch target/fast/relaywatch; do
    [ -n "$sensor" ] || [ ! -x "$built" ] || sensor=$built
done
[ -n "$sensor" ] || { echo "no program: make build, or cargo build --profile fast" >&2; exit 2; }
for tool in ip ethtool tcpreplay python3; do
    command -v "$tool" >/dev/null || { echo "$tool is missing (apt-get install iproute2 ethtool tcpreplay python3)" >&2; exit 2; }
done
[ "$(id -u)" = 0 ] || { echo "needs root, for network namespaces" >&2; exit 2; }

space=rwbench-$$
dir=$(mktemp -d)
pid=
clean() {
    [ -z "$pid" ] || kill "$pid" 2>/dev/null || true
    ip netns del "$space" 2>/dev/null || true
    rm -rf "$dir"
}
trap clean EXIT
ip netns add "$space"
ip -n "$space" link add out type veth peer name in
for end in out in; do
    # The kernel's own neighbour discovery is none of the traffic, and nothing is to be put together or cut.
    ip -n "$space" link set "$end" addrgenmode none mtu 65535
    ip netns exec "$space" ethtool -K "$end" gro off gso off tso off rx off tx off >/dev/null 2>&1 || true
    ip -n "$space" link set "$end" up
done

become() { # CPUs (may be empty), command...: in the place of this shell
    local cpus=$1
    shift
    if [ -n "$cpus" ]; then exec taskset -c "$cpus" "$@"; else exec "$@"; fi
}

trial() { # PPS; prints a line, leaves what was lost in $dir/lost
    local rate=(--pps="$1") unique=(--unique-ip)
    [ "$1" != 0 ] || rate=(--topspeed)
    [ "${UNIQUE:-1}" = 1 ] || unique=()
    rm -f "$dir/eve.json"
    # shellcheck disable=SC2086
    become "${SENSOR_CPUS:-}" ip netns exec "$space" "$sensor" -i in -o "$dir/eve.json" --stats-interval 1 \
        -q ${ARGS:-} 2>"$dir/stderr" &
    pid=$!
    for _ in $(seq 100); do [ -e "$dir/eve.json" ] && break; sleep 0.05; done
    [ -e "$dir/eve.json" ] || { cat "$dir/stderr" >&2; exit 2; }
    sleep 0.5
    read -r -a before <"/proc/$pid/stat"
    (become "${SENDER_CPU:-}" ip netns exec "$space" tcpreplay -K --loop=0 "${rate[@]}" ${unique[@]+"${unique[@]}"} \
        --duration="$secs" -i out "${pcaps[@]}") >"$dir/sent" 2>&1 || { cat "$dir/sent" >&2; exit 2; }
    # What waits in rings and detections.
    sleep 2
    read -r -a after <"/proc/$pid/stat"
    local rss
    rss=$(awk '/^VmHWM/ {print $2}' "/proc/$pid/status")
    kill -TERM "$pid"
    wait "$pid" || { cat "$dir/stderr" >&2; exit 2; }
    pid=
    python3 - "$dir" "$secs" "$((after[13] + after[14] - before[13] - before[14]))" "$rss" <<'PYTHON'
import json, os, re, sys
dir, secs, ticks, rss = sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
sent = open(dir + "/sent").read()
packets = int(re.search(r"Actual: (\d+) packets", sent).group(1))
took = float(re.search(r"sent in ([\d.]+) seconds", sent).group(1))
stats = sensor = None
for line in open(dir + "/eve.json"):
    event = json.loads(line)
    if event["event_type"] == "stats": stats = event["stats"]
    if event["event_type"] == "sensor": sensor = event["sensor"]
of = sensor["interfaces"][0]
late = sensor.get("latency", {})
lost = of["kernel_drops"] + of["kernel_ifdrops"] + sensor["queue_drops"] + max(0, packets - of["kernel_packets"])
cpu = ticks / os.sysconf("SC_CLK_TCK") / took
print(f"sent {packets:>9}  {packets / took:>9.0f}/s  kernel {of['kernel_packets']:>9}  dropped {of['kernel_drops']:>8}"
      f"  queues {sensor['queue_drops']:>8}  alerts {stats['detect']['alert']:>5}"
      f"  p50 {late.get('p50_us', '-'):>6}  p99 {late.get('p99_us', '-'):>6} us  cpu {cpu:>5.2f}  memory {rss / 1024:>4.0f} MiB"
      f"  late {sensor['late']}")
open(dir + "/lost", "w").write(str(lost))
PYTHON
}

echo "$("$sensor" --version), $(nproc) cores, Linux $(uname -r), ${#pcaps[@]} captures, $secs s a trial, load $(cut -d' ' -f1 /proc/loadavg)"
case $mode in
rate) trial "$pps" ;;
search)
    good=0 step=
    while [ -z "$step" ]; do
        trial "$pps"
        if [ "$(cat "$dir/lost")" = 0 ]; then
            good=$pps
            pps=$((pps * 2))
        else
            step=$(((pps - good) / 2))
        fi
        # Past this the sender is the limit.
        [ "$pps" -le 8000000 ] || break
    done
    for _ in 1 2 3 4; do
        [ -n "$step" ] || break
        trial $((good + step))
        [ "$(cat "$dir/lost")" != 0 ] || good=$((good + step))
        step=$((step / 2))
    done
    echo "without loss: up to $good packets/s (asked for; see what was sent)"
    ;;
*) usage ;;
esac
