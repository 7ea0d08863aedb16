# Ordinary traffic that resembles an attack in one respect: one function records one capture.

SMB_CLIENT=(--use-kerberos=off "--option=client min protocol=SMB2_02")
AS_ALICE=(-U "$DOMAIN/alice%$ALICE_PW" "${SMB_CLIENT[@]}")
AS_BOB=(-U "$DOMAIN/bob%$BOB_PW" "${SMB_CLIENT[@]}")
CURL=(curl -sS --max-time 10 -o /dev/null --ntlm)
SAMBA_CLIENT='smbclient 4.17.12'
QUIET=(malicious=no)

# quietly COMMAND...: what clients print does not matter, what they send does
quietly() { timeout 20 "$@" >> "$RUN/clients.log" 2>&1 < /dev/null || true; }

# on HOST COMMAND...
on() { quietly "$HERE/in_host" "$@"; }

scenario_print_notify() {
  start_workstation
  record print_notify
  echo 'hello printer' > "$RUN/page.txt"
  on ws1 smbclient //$FILES/laser "${AS_BOB[@]}" -c "print $RUN/page.txt page"
  on ws1 rpcclient $FILES "${AS_BOB[@]}" -c 'openprinter laser; rffpcnex laser'
  truth "${QUIET[@]}" tools="$SAMBA_CLIENT" \
    notes="A print job and then a change notification (spoolss opnum 65) at a real Samba print server, in which the client gives its own name. The server does not call back."
}

scenario_print_notify_callback() {
  callback_with libsmbclient
  start_workstation
  record print_notify_callback
  on ws1 rpcclient $SRV "${AS_BOB[@]}" -c 'rffpcnex laser'
  truth "${QUIET[@]}" victim=$SRV listener=$WS1 tools="$SAMBA_CLIENT" \
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
  on ws1 rpcclient $FILES "${AS_ALICE[@]}" -c 'dfsversion; dfsenum 1; dfsenum 3; dfsgetinfo \\\\files1\\dfs\\link1 files1 share 1'
  on ws1 smbclient //$FILES/dfs "${AS_ALICE[@]}" -c 'ls; cd link1; ls'
  truth "${QUIET[@]}" tools="$SAMBA_CLIENT" \
    notes="netdfs as an administrator uses it, and a client that follows a DFS link: the interface of DFSCoerce without its opnums 12 and 13."
}

scenario_two_servers() {
  record two_servers
  local _
  for _ in 1 2 3; do
    on ws1 smbclient //$FILES/share "${AS_ALICE[@]}" -c ls &
    local smb=$!
    on ws1 "${CURL[@]}" -u "$DOMAIN\\alice:$ALICE_PW" http://$CA/app &
    local web=$!
    on ws1 ldbsearch -H ldap://$DC "${AS_ALICE[@]}" -b DC=lab,DC=example '(cn=bob)' cn
    wait $smb $web
  done
  truth "${QUIET[@]}" tools="$SAMBA_CLIENT" \
    notes="One user logs on to three servers over SMB, HTTP and LDAP in the same moment, three times. Every challenge is different."
}

scenario_web_logon() {
  record web_logon
  on ws1 "${CURL[@]}" -u "$DOMAIN\\alice:$ALICE_PW" http://$CA/app/one -o /dev/null http://$CA/app/two
  on ws2 "${CURL[@]}" -u "$DOMAIN\\bob:$BOB_PW" -d 'field=value' http://$CA/app/form
  on ws2 "$CLIENTS/python" -c "
import requests, requests_ntlm
session = requests.Session()
session.auth = requests_ntlm.HttpNtlmAuth('$DOMAIN\\\\bob', '$BOB_PW')
session.get('http://$CA/app/three'); session.get('http://$CA/certsrv/')"
  truth "${QUIET[@]}" tools="curl $(curl --version | awk 'NR == 1 {print $2}'), requests-ntlm 1.3.0" \
    notes="NTLM to a web server: GET, POST, several requests on one authenticated connection, and a look at the start page of /certsrv."
}

scenario_certsrv_enrolment() {
  record certsrv_enrolment
  openssl req -new -newkey rsa:2048 -nodes -keyout /dev/null -subj /CN=alice -out "$RUN/alice.csr" 2> /dev/null
  local browser=(-A 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) Gecko/20100101 Firefox/128.0' -u "$DOMAIN\\alice:$ALICE_PW")
  on ws1 "${CURL[@]}" "${browser[@]}" http://$CA/certsrv/ -o /dev/null http://$CA/certsrv/certrqxt.asp \
    --next "${CURL[@]:1}" "${browser[@]}" --data-urlencode "CertRequest@$RUN/alice.csr" \
    -d 'Mode=newreq&CertAttrib=CertificateTemplate:User&TargetStoreFlags=0&SaveCert=yes' http://$CA/certsrv/certfnsh.asp
  local number
  number=$(sed -n 's/.*"request": \([0-9]*\).*/\1/p' "$RUN/adcs.jsonl" | tail -1)
  on ws1 "${CURL[@]}" "${browser[@]}" "http://$CA/certsrv/certnew.cer?ReqID=$number&Enc=b64"
  truth "${QUIET[@]}" tools="curl $(curl --version | awk 'NR == 1 {print $2}')" \
    notes="A user enrols on the web pages of AD CS: a browser's User-Agent, the pages before the form, the user's own challenge, a user template."
}

scenario_member_logon() {
  record member_logon
  on files1 wbinfo -a "$DOMAIN\\alice%$ALICE_PW"
  on files1 wbinfo -t
  on files1 net ads testjoin -s "$STATE/files1/smb.conf"
  on files1 net ads info -s "$STATE/files1/smb.conf"
  on ws1 smbclient //$DC/sysvol "${AS_ALICE[@]}" -c 'ls'
  on ws1 smbclient //$FILES/share -U "$DOMAIN/alice%not-the-password" "${SMB_CLIENT[@]}" -c 'ls'
  truth "${QUIET[@]}" tools="$SAMBA_CLIENT, wbinfo 4.17.12" \
    notes="A member at work: NETLOGON SamLogon for a user, its own Kerberos and LDAP as a machine account, a logon to sysvol, a wrong password."
}

scenario_ldap_ntlm() {
  record ldap_ntlm
  local wrapping
  for wrapping in plain seal; do
    on ws1 ldbsearch -H ldap://$DC "${AS_ALICE[@]}" -b DC=lab,DC=example '(cn=bob)' cn \
      "--option=client ldap sasl wrapping=$wrapping"
  done
  truth "${QUIET[@]}" tools="ldbsearch 4.17.12" \
    notes="SASL GSS-SPNEGO binds with NTLM, then a search in clear and a sealed one."
}

scenario_smb3_encrypted() {
  record smb3_encrypted
  on ws1 smbclient //$FILES/secret "${AS_ALICE[@]}" -c 'ls; get hello.txt /dev/null'
  on ws2 "$CLIENTS/python" -c "
import smbclient
smbclient.ClientConfig(require_secure_negotiate=False)
smbclient.register_session('$FILES', username='$DOMAIN\\\\bob', password='$BOB_PW', encrypt=True, auth_protocol='ntlm')
print(smbclient.listdir(r'\\\\$FILES\\share'))
smbclient.reset_connection_cache()"
  truth "${QUIET[@]}" tools="$SAMBA_CLIENT, smbprotocol 1.17.0" \
    notes="Two users of an encrypted share. Nobody calls anybody back."
}

scenario_reverse_proxy() {
  record reverse_proxy
  on ws1 "${CURL[@]}" -u "$DOMAIN\\alice:$ALICE_PW" http://$PROXY/app/one -o /dev/null http://$PROXY/app/two
  on ws2 "${CURL[@]}" -u "$DOMAIN\\bob:$BOB_PW" http://$PROXY/app/three
  truth "${QUIET[@]}" tools="curl $(curl --version | awk 'NR == 1 {print $2}'), haproxy $(haproxy -v | awk 'NR == 1 {print $3}')" \
    notes="A reverse proxy passes NTLM through on pinned connections, so that both its legs carry the same challenge and the same response. Method, target and Host of the requests are the same on both."
}

scenario_nat_two_clients() {
  record nat_two_clients
  local _
  for _ in 1 2; do
    on pc1 smbclient //$FILES/share "${AS_ALICE[@]}" -c ls &
    local first=$!
    on pc2 "${CURL[@]}" -u "$DOMAIN\\bob:$BOB_PW" http://$CA/app &
    local second=$!
    on pc2 smbclient //$DC/sysvol "${AS_BOB[@]}" -c ls
    wait $first $second
  done
  truth "${QUIET[@]}" tools="$SAMBA_CLIENT, curl $(curl --version | awk 'NR == 1 {print $2}')" \
    notes="Two clients with different users behind one address, logging on to several servers at once. Recorded outside the gateway."
}

scenario_kerberos_only() {
  record kerberos_only
  in_host ws1 bash -c "echo '$ALICE_PW' | kinit -c '$RUN/alice.ccache' alice@$REALM" > /dev/null 2>&1
  on ws1 env KRB5CCNAME="$RUN/alice.ccache" smbclient "//files1.${REALM,,}/share" --use-kerberos=required \
    --use-krb5-ccache="$RUN/alice.ccache" -c ls
  on ws1 env KRB5CCNAME="$RUN/alice.ccache" rpcclient "dc1.${REALM,,}" --use-kerberos=required \
    --use-krb5-ccache="$RUN/alice.ccache" -c 'lsaquery; enumdomusers'
  truth "${QUIET[@]}" tools="$SAMBA_CLIENT, kinit 1.20.1" \
    notes="A day without NTLM: tickets, a share, RPC over pipes."
}
