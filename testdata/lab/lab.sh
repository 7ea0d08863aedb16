#!/bin/bash
# lab.sh up                  build the network, start Samba and the stand-ins
# lab.sh run [SCENARIO...]   record scenarios (all of them without a name); the lab must be up
# lab.sh all                 four scenarios in five in the lab as documented, the fifth in one with other
#                            addresses, names and ports, then every derivation; takes everything down
# lab.sh smoke               two scenarios, up to down; skips and says so where the lab cannot run
# lab.sh down                stop and remove everything that "up" made
# lab.sh list                names of the scenarios
#
# Root. Run install.sh once before. Interrupting it at any point cleans up. LAB_SEED=N repeats a
# varied lab; "all" chooses and prints one. What could not be recorded is in out/MISSING.txt.
set -Eeuo pipefail
. "$(dirname "$0")/settings.sh"
. "$HERE/network.sh"
. "$HERE/samba.sh"
. "$HERE/pki.sh"
. "$HERE/record.sh"
for scenarios in "$HERE"/scenarios/*.sh; do . "$scenarios"; done

up() {
  mkdir -p "$STATE" "$RUN"
  trap 'echo "lab: failed in line $LINENO, logs are in $RUN" >&2; down' ERR
  trap 'down; exit 130' INT TERM
  network_up
  pki_up
  dc_up
  dns_records
  member_up srv1 $SRV "$SRV_PW"
  member_up files1 $FILES "$FILES_PW"
  stand_ins_up
  trap - ERR INT TERM
}

stand_ins_up() {
  start_stand_in srv1 victim
  start_stand_in ca1 adcs
  start_stand_in files1 sql
  start_stand_in dc1 sicily
  # Only what the attacker sends to LDAP goes through the shim; see sicily.py.
  ip netns exec ${NS}dc1 iptables -t nat -A PREROUTING -p tcp -s $EVIL --dport 389 -j REDIRECT --to-ports 3890
  cat > "$RUN/haproxy.cfg" <<EOF
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
  http-reuse never
  option prefer-last-server
frontend web
  bind $PROXY:80
  default_backend app
backend app
  server ca1 $CA:80
listen web-tcp
  mode tcp
  bind $PROXY:$WEB_PORT
  server ca1 $CA:80
listen smb
  mode tcp
  bind $PROXY:445
  server files1 $FILES:445
listen ldap
  mode tcp
  bind $PROXY:389
  server dc1 $DC:389
EOF
  "$HERE/in_host" proxy1 haproxy -db -f "$RUN/haproxy.cfg" > "$RUN/haproxy.log" 2>&1 &
  wait_for_port srv1 593
  wait_for_port ca1 80
  wait_for_port files1 1433
  wait_for_port dc1 3890
  wait_for_port proxy1 80
}

start_stand_in() { # host program
  : > "$RUN/$2.jsonl"
  "$HERE/in_host" "$1" "$CLIENTS/python" "$HERE/$2.py" "$RUN/$2.jsonl" > "$RUN/$2.log" 2>&1 &
}

scenarios() { declare -F | sed -n 's/^declare -f scenario_//p'; }

# fail REASON: the scenario being recorded does not show what it should
fail() {
  echo "   $1" >&2
  echo "$1" >> "$RUN/failed"
}

run() {
  ip netns list | grep -q "^$SWITCH" || { echo 'lab: not up' >&2; exit 2; }
  trap 'stop_scenario; stop_servers' EXIT
  trap 'exit 130' INT TERM
  mkdir -p "$CAPTURES"
  local name recorded=0 missing=0 begun=$SECONDS
  for name in ${@:-$(scenarios)}; do
    declare -F "scenario_$name" > /dev/null || { echo "lab: no scenario $name" >&2; exit 2; }
    # A busy machine may need another go, and a quiet moment before it.
    if attempt "$name" || attempt "$name" || { sleep 15 && attempt "$name"; }; then
      recorded=$((recorded + 1))
    else
      missing=$((missing + 1))
      report_missing "$name"
    fi
  done
  echo "lab: $recorded recorded, $missing missing, $((SECONDS - begun)) s${LAB_SEED:+, seed $LAB_SEED}"
  return $((missing > 0))
}

# attempt NAME: 0 if the capture and its JSON are there and show what they should
attempt() {
  : > "$RUN/failed"
  rm -f "$CAPTURES/$1".{pcap,pcap.zst,json}
  "scenario_$1" || fail "ended with an error"
  stop_scenario
  [ -s "$CAPTURES/$1.json" ] || fail "no JSON"
  [ ! -s "$RUN/failed" ]
}

report_missing() {
  rm -f "$CAPTURES/$1".{pcap,pcap.zst,json}
  echo "$1: $(paste -sd ';' "$RUN/failed")" | tee -a "$CAPTURES/MISSING.txt" >&2
}

down() {
  network_down
  rm -rf "${RUN:?}/loot"
}

# --- from the outside ------------------------------------------------------------------------------

CHILD=

# step COMMAND...: another lab.sh, in a session of its own, so that a signal ends it and all that it
# waits for at once
step() {
  setsid "$HERE/lab.sh" body "$@" &
  CHILD=$!
  local code=0
  wait $CHILD || code=$?
  CHILD=
  return $code
}

end_step() {
  [ -n "$CHILD" ] || return 0
  local _
  kill -TERM -- "-$CHILD" 2> /dev/null || true
  for _ in $(seq 30); do kill -0 -- "-$CHILD" 2> /dev/null || break; sleep 0.1; done
  kill -KILL -- "-$CHILD" 2> /dev/null || true
}

all() {
  local seed=${LAB_SEED:-$((RANDOM + 1))} begun=$SECONDS code=0 varied fixed
  trap 'trap "" INT TERM; end_step; down' EXIT
  trap 'echo "lab: interrupted" >&2; exit 130' INT TERM
  mkdir -p "$CAPTURES"
  rm -rf "$CAPTURES"/*.{pcap,pcap.zst,json} "$CAPTURES/MISSING.txt" "$CAPTURES/derived"
  echo "$seed" > "$CAPTURES/SEED"
  varied=$(one_in_five "$seed")
  fixed=$(scenarios | grep -vxF "$varied")
  echo "lab: LAB_SEED=$seed; varied: $(wc -w <<< "$varied") of $(scenarios | wc -l) scenarios"
  # A domain of its own for every run: what an earlier one left in it would show in this one.
  rm -rf "${STATE%-varied}" "${STATE%-varied}-varied"
  LAB_SEED='' step up
  LAB_SEED='' step run $fixed || code=1
  LAB_SEED='' step down
  LAB_SEED=$seed step up
  LAB_SEED=$seed step run $varied || code=1
  LAB_SEED=$seed step down
  rm -rf "${STATE%-varied}-varied"
  step derive
  echo "lab: $(ls "$CAPTURES"/*.json | wc -l) recordings, $(ls "$CAPTURES"/derived/*.json | wc -l) derived," \
    "$(du -sm "$CAPTURES" | cut -f1) MB, $((SECONDS - begun)) s, seed $seed"
  [ ! -s "$CAPTURES/MISSING.txt" ] || { echo 'lab: missing:'; cat "$CAPTURES/MISSING.txt"; }
  return $code
}

# The same seed chooses the same scenarios, and varies them in the same way.
one_in_five() {
  local name
  for name in $(scenarios); do echo "$(sha1sum <<< "$1 $name" | cut -c 1-12) $name"; done |
    sort | awk '{all[NR] = $2} END {for (i = 1; i <= NR / 5; i++) print all[i]}'
}

smoke() {
  local program
  [ "$(id -u)" = 0 ] || { echo 'lab-smoke: skipped, needs root'; return 0; }
  for program in samba smbd winbindd tcpdump tshark haproxy "$CLIENTS/python" "$IMPACKET/python"; do
    command -v "$program" > /dev/null || { echo "lab-smoke: skipped, no $program (testdata/lab/install.sh)"; return 0; }
  done
  ip netns add ${NS}probe 2> /dev/null || { echo 'lab-smoke: skipped, no network namespaces here'; return 0; }
  ip netns del ${NS}probe
  trap 'trap "" INT TERM; end_step; down' EXIT
  trap 'exit 130' INT TERM
  step up
  step run petitpotam_pipe_clear reverse_proxy
}

up_alone() {
  trap 'trap "" INT TERM; end_step; down; exit 130' INT TERM
  step up
}

run_alone() {
  trap 'trap "" INT TERM; end_step; exit 130' INT TERM
  step run "$@"
}

body() {
  case $1 in
    up) up ;;
    run) shift; run "$@" ;;
    down) down ;;
    derive) "$CLIENTS/python" "$HERE/derive.py" "$CAPTURES" "$CAPTURES/derived" ;;
  esac
}

case ${1:-} in
  up) up_alone ;;
  run) shift; run_alone "$@" ;;
  all) all ;;
  smoke) smoke ;;
  down) down ;;
  list) scenarios ;;
  body) shift; body "$@" ;;
  *) sed -n '2,12s/^# \?//p' "$0"; exit 2 ;;
esac
