#!/bin/bash
# lab.sh up                  build the network, start Samba and the stand-ins
# lab.sh run [SCENARIO...]   record scenarios (all of them without a name); the lab must be up
# lab.sh all                 up, run everything, derive the variants, down
# lab.sh down                stop and remove everything that "up" made
# lab.sh list                names of the scenarios
#
# Root. Run install.sh once before. Interrupting it at any point cleans up.
set -Eeuo pipefail
. "$(dirname "$0")/settings.sh"
. "$HERE/network.sh"
. "$HERE/samba.sh"
. "$HERE/record.sh"
for scenarios in "$HERE"/scenarios/*.sh; do . "$scenarios"; done

up() {
  mkdir -p "$STATE" "$RUN"
  trap 'echo "lab: failed in line $LINENO, logs are in $RUN" >&2; down' ERR
  trap 'down; exit 130' INT TERM
  network_up
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
  trap 'stop_scenario' EXIT
  trap 'exit 130' INT TERM
  mkdir -p "$CAPTURES"
  local name missing=0
  for name in ${@:-$(scenarios)}; do
    declare -F "scenario_$name" > /dev/null || { echo "lab: no scenario $name" >&2; exit 2; }
    attempt "$name" || attempt "$name" || { missing=$((missing + 1)); report_missing "$name"; }
  done
  return $((missing > 0))
}

# attempt NAME: 0 if the capture and its JSON are there and show what they should
attempt() {
  : > "$RUN/failed"
  rm -f "$CAPTURES/$1".{pcap,json}
  "scenario_$1" || fail "ended with an error"
  stop_scenario
  [ -s "$CAPTURES/$1.json" ] || fail "no JSON"
  [ ! -s "$RUN/failed" ]
}

report_missing() {
  rm -f "$CAPTURES/$1".{pcap,json}
  echo "$1: $(paste -sd ';' "$RUN/failed")" | tee -a "$CAPTURES/MISSING.txt" >&2
}

down() {
  network_down
  rm -rf "${RUN:?}/loot"
}

case ${1:-} in
  up) up ;;
  run) shift; run "$@" ;;
  all)
    trap 'stop_scenario; down' EXIT
    up
    trap 'exit 130' INT TERM
    (run)
    "$CLIENTS/python" "$HERE/derive.py" "$CAPTURES"
    ;;
  down) down ;;
  list) scenarios ;;
  *) sed -n '2,8s/^# \?//p' "$0"; exit 2 ;;
esac
