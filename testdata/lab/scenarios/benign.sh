# Ordinary traffic that resembles an attack in one respect: one function records one capture.

SMB_CLIENT=(--use-kerberos=off "--option=client min protocol=SMB2_02")
AS_ALICE=(-U "$DOMAIN/$ALICE%$ALICE_PW" "${SMB_CLIENT[@]}")
AS_BOB=(-U "$DOMAIN/$BOB%$BOB_PW" "${SMB_CLIENT[@]}")
AS_FILES=(-U "$DOMAIN/${FILES_NAME^^}\$%$FILES_PW" "${SMB_CLIENT[@]}")
AS_SRV=(-U "$DOMAIN/${SRV_NAME^^}\$%$SRV_PW" "${SMB_CLIENT[@]}")
CURL=(curl -sS --max-time 10 -o /dev/null --ntlm)
SAMBA_CLIENT='smbclient 4.17.12'
CURL_VERSION="curl $(curl --version 2> /dev/null | awk 'NR == 1 {print $2}' || true)"
PROXY_VERSION="haproxy $(haproxy -v 2> /dev/null | awk 'NR == 1 {print $3}' || true)"

SERVERS=()  # process ids of what a scenario of ours started besides

# quietly COMMAND...: what clients print does not matter, what they send does
quietly() { timeout 20 "$@" >> "$RUN/clients.log" 2>&1 < /dev/null || true; }

# benign "DETECTOR..." KEY=VALUE...: ends a scenario; the detectors whose false alarm it could be
benign() {
  local detector labels=()
  for detector in $1; do labels+=("looks_like=$detector"); done
  truth malicious=no family=benign "${labels[@]}" "${@:2}"
}

# shows FILTER...: each of tshark's filters must find something in what was just recorded
shows() {
  local filter
  for filter in "$@"; do
    [ -n "$(tshark -n -r "$CAPTURES/$NAME.pcap" -Y "$filter" 2> /dev/null | head -1)" ] || fail "no frame shows $filter"
  done
}

# ticket HOST USER PASSWORD: fills $RUN/USER.ccache
ticket() {
  quietly "$HERE/in_host" "$1" bash -c "echo '$3' | kinit -c '$RUN/$2.ccache' '$2@$REALM'"
}

# on HOST COMMAND...
on() { quietly "$HERE/in_host" "$@"; }

scenario_print_notify() {
  start_workstation
  record print_notify
  echo 'hello printer' > "$RUN/page.txt"
  on ws1 smbclient //$FILES/laser "${AS_BOB[@]}" -c "print $RUN/page.txt page"
  on ws1 rpcclient $FILES "${AS_BOB[@]}" -c 'openprinter laser; rffpcnex laser'
  benign "RW-06 RW-07" tools="$SAMBA_CLIENT" \
    notes="A print job and then a change notification (spoolss opnum 65) at a real Samba print server, in which the client gives its own name. The server does not call back."
}

scenario_print_notify_callback() {
  callback_with libsmbclient
  start_workstation
  record print_notify_callback
  on ws1 rpcclient $SRV "${AS_BOB[@]}" -c 'rffpcnex laser'
  benign "RW-06 RW-08 RW-10" victim=$SRV listener=$WS1 tools="$SAMBA_CLIENT" \
    notes="What PrinterBug looks like when nobody is attacked: opnum 65 with the caller's own name, and the print server logs on at the caller as its machine account. The server is our stand-in, the rest is Samba. Listed under coercion_events because the request did cause the logon."
}

# The client's own SMB server, to which a print server may report.
start_workstation() {
  workstation_smbd ws1 $WS1 > "$RUN/ws1.smbd.log" 2>&1 &
  HELPER=$!
  wait_for_port ws1 445
}

scenario_dfs_enumeration() {
  record dfs_enumeration
  # rpcclient halves backslashes once more than the shell does
  on ws1 rpcclient $FILES "${AS_ALICE[@]}" -c 'dfsversion; dfsenum 1; dfsenum 3; dfsgetinfo \\\\'$FILES_NAME'\\dfs\\link1 '$FILES_NAME' share 1'
  on ws1 smbclient //$FILES/dfs "${AS_ALICE[@]}" -c 'ls; cd link1; ls'
  benign "RW-07 RW-23" tools="$SAMBA_CLIENT" \
    notes="netdfs as an administrator uses it, and a client that follows a DFS link: the interface of DFSCoerce without its opnums 12 and 13."
}

scenario_two_servers() {
  record two_servers
  local _
  for _ in 1 2 3; do
    on ws1 smbclient //$FILES/share "${AS_ALICE[@]}" -c ls &
    local smb=$!
    on ws1 "${CURL[@]}" -u "$DOMAIN\\$ALICE:$ALICE_PW" http://$CA/app &
    local web=$!
    on ws1 ldbsearch -H ldap://$DC "${AS_ALICE[@]}" -b "$BASE_DN" "(cn=$BOB)" cn
    wait $smb $web
  done
  benign "RW-01 RW-02 RW-09" tools="$SAMBA_CLIENT" \
    notes="One user logs on to three servers over SMB, HTTP and LDAP in the same moment, three times. Every challenge is different."
}

scenario_web_logon() {
  record web_logon
  on ws1 "${CURL[@]}" -u "$DOMAIN\\$ALICE:$ALICE_PW" http://$CA/app/one -o /dev/null http://$CA/app/two
  on ws2 "${CURL[@]}" -u "$DOMAIN\\$BOB:$BOB_PW" -d 'field=value' http://$CA/app/form
  on ws2 "$CLIENTS/python" -c "
import requests, requests_ntlm
session = requests.Session()
session.auth = requests_ntlm.HttpNtlmAuth('$DOMAIN\\\\$BOB', '$BOB_PW')
session.get('http://$CA/app/three'); session.get('http://$CA/certsrv/')"
  benign "RW-15 RW-18" tools="$CURL_VERSION, requests-ntlm 1.3.0" \
    notes="NTLM to a web server: GET, POST, several requests on one authenticated connection, and a look at the start page of /certsrv."
}

scenario_certsrv_enrolment() {
  record certsrv_enrolment
  openssl req -new -newkey rsa:2048 -nodes -keyout /dev/null -subj "/CN=$ALICE" -out "$RUN/alice.csr" 2> /dev/null
  local browser=(-A 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) Gecko/20100101 Firefox/128.0' -u "$DOMAIN\\$ALICE:$ALICE_PW")
  on ws1 "${CURL[@]}" "${browser[@]}" http://$CA/certsrv/ -o /dev/null http://$CA/certsrv/certrqxt.asp \
    --next "${CURL[@]:1}" "${browser[@]}" --data-urlencode "CertRequest@$RUN/alice.csr" \
    -d 'Mode=newreq&CertAttrib=CertificateTemplate:User&TargetStoreFlags=0&SaveCert=yes' http://$CA/certsrv/certfnsh.asp
  local number
  number=$(sed -n 's/.*"request": \([0-9]*\).*/\1/p' "$RUN/adcs.jsonl" | tail -1)
  on ws1 "${CURL[@]}" "${browser[@]}" "http://$CA/certsrv/certnew.cer?ReqID=$number&Enc=b64"
  benign "RW-15" tools="$CURL_VERSION" \
    notes="A user enrols on the web pages of AD CS: a browser's User-Agent, the pages before the form, the user's own challenge, a user template."
}

scenario_member_logon() {
  record member_logon
  on files1 wbinfo -a "$DOMAIN\\$ALICE%$ALICE_PW"
  on files1 wbinfo -t
  on files1 net ads testjoin -s "$STATE/files1/smb.conf"
  on files1 net ads info -s "$STATE/files1/smb.conf"
  on ws1 smbclient //$DC/sysvol "${AS_ALICE[@]}" -c 'ls'
  on ws1 smbclient //$FILES/share -U "$DOMAIN/$ALICE%not-the-password" "${SMB_CLIENT[@]}" -c 'ls'
  benign "RW-05 RW-24" tools="$SAMBA_CLIENT, wbinfo 4.17.12" \
    notes="A member at work: NETLOGON SamLogon for a user, its own Kerberos and LDAP as a machine account, a logon to sysvol, a wrong password."
}

scenario_ldap_ntlm() {
  record ldap_ntlm
  local wrapping
  for wrapping in plain seal; do
    on ws1 ldbsearch -H ldap://$DC "${AS_ALICE[@]}" -b "$BASE_DN" "(cn=$BOB)" cn \
      "--option=client ldap sasl wrapping=$wrapping"
  done
  benign "RW-17 RW-18" tools="ldbsearch 4.17.12" \
    notes="SASL GSS-SPNEGO binds with NTLM, then a search in clear and a sealed one."
}

scenario_smb3_encrypted() {
  record smb3_encrypted
  on ws1 smbclient //$FILES/secret "${AS_ALICE[@]}" -c 'ls; get hello.txt /dev/null'
  on ws2 "$CLIENTS/python" -c "
import smbclient
smbclient.ClientConfig(require_secure_negotiate=False)
smbclient.register_session('$FILES', username='$DOMAIN\\\\$BOB', password='$BOB_PW', encrypt=True, auth_protocol='ntlm')
print(smbclient.listdir(r'\\\\$FILES\\share'))
smbclient.reset_connection_cache()"
  benign "RW-07 RW-08" tools="$SAMBA_CLIENT, smbprotocol 1.17.0" \
    notes="Two users of an encrypted share. Nobody calls anybody back."
}

scenario_reverse_proxy() {
  record reverse_proxy
  on ws1 "${CURL[@]}" -u "$DOMAIN\\$ALICE:$ALICE_PW" http://$PROXY/app/one -o /dev/null http://$PROXY/app/two
  on ws2 "${CURL[@]}" -u "$DOMAIN\\$BOB:$BOB_PW" http://$PROXY/app/three
  benign "RW-01 RW-02 RW-04" tools="$CURL_VERSION, $PROXY_VERSION" \
    notes="A reverse proxy passes NTLM through on pinned connections, so that both its legs carry the same challenge and the same response. Method, target and Host of the requests are the same on both."
}

scenario_nat_two_clients() {
  record nat_two_clients
  local _
  for _ in 1 2; do
    on pc1 smbclient //$FILES/share "${AS_ALICE[@]}" -c ls &
    local first=$!
    on pc2 "${CURL[@]}" -u "$DOMAIN\\$BOB:$BOB_PW" http://$CA/app &
    local second=$!
    on pc2 smbclient //$DC/sysvol "${AS_BOB[@]}" -c ls
    wait $first $second
  done
  benign "RW-01 RW-05" tools="$SAMBA_CLIENT, $CURL_VERSION" \
    notes="Two clients with different users behind one address, logging on to several servers at once. Recorded outside the gateway."
}

scenario_kerberos_only() {
  record kerberos_only
  ticket ws1 $ALICE "$ALICE_PW"
  on ws1 env KRB5CCNAME="$RUN/$ALICE.ccache" smbclient "//$FILES_FQDN/share" --use-kerberos=required \
    --use-krb5-ccache="$RUN/$ALICE.ccache" -c ls
  on ws1 env KRB5CCNAME="$RUN/$ALICE.ccache" rpcclient "$DC_FQDN" --use-kerberos=required \
    --use-krb5-ccache="$RUN/$ALICE.ccache" -c 'lsaquery; enumdomusers'
  benign "RW-13 RW-14 RW-25" tools="$SAMBA_CLIENT, kinit 1.20.1" \
    notes="A day without NTLM: tickets, a share, RPC over pipes."
}
