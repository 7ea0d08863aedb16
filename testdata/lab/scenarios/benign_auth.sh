# Logons, tickets and the directory, as members, users and administrators use them.

scenario_reauthentication() {
  record reauthentication
  on ws1 "${CALLS[@]}" reauthenticate $FILES $ALICE "$ALICE_PW"
  on ws2 "${CALLS[@]}" reauthenticate $FILES $BOB "$BOB_PW"
  benign "RW-01 RW-02 RW-18" tools="$IMPACKET_CLIENT" \
    notes="A session is re-authenticated twice: three NTLM exchanges on one connection and one SMB session, each with its own challenge."
  shows 'smb2.cmd == 1 && smb2.sesid != 0 && ntlmssp.messagetype == 1'
}

scenario_multichannel() {
  record multichannel
  on ws1 smbtorture "//$FILES/share" -U "$DOMAIN/$ALICE%$ALICE_PW" --use-kerberos=off smb2.session.bind1
  on ws2 smbtorture "//$FILES/share" -U "$DOMAIN/$BOB%$BOB_PW" --use-kerberos=off smb2.multichannel.generic.num_channels
  benign "RW-01 RW-02 RW-18" tools="smbtorture 4.17.12" \
    notes="One SMB 3 session over several connections: each is bound with an NTLM exchange of its own (SMB2_SESSION_FLAG_BINDING). Samba's own tests are the client, so some of it is refused."
  shows 'smb2.ses_req_flags & 1 || smb2.ses_req_flags.session_binding == 1'
}

scenario_user_on_many_hosts() {
  record user_on_many_hosts
  local host
  for host in ws1 ws2 ws3 pc1; do
    on $host smbclient //$FILES/share "${AS_ALICE[@]}" -c ls &
    on $host smbclient //$DC/sysvol "${AS_ALICE[@]}" -c ls
    wait $!
  done
  benign "RW-01 RW-05 RW-10" tools="$SAMBA_CLIENT" \
    notes="One user logs on from four hosts, one of them behind NAT, to two servers at the same moment."
  shows 'ntlmssp.messagetype == 3'
}

scenario_wrong_passwords() {
  record wrong_passwords
  local word
  for word in one two three four; do
    on ws1 smbclient //$FILES/share -U "$DOMAIN/$ALICE%$word" "${SMB_CLIENT[@]}" -c ls
    on ws2 "${CURL[@]}" -u "$DOMAIN\\$BOB:$word" http://$CA/app
    on ws2 ldbsearch -H ldap://$DC -U "$DOMAIN/$BOB%$word" "${SMB_CLIENT[@]}" -b "$BASE_DN" '(cn=x)' cn
  done
  on ws1 smbclient //$FILES/share "${AS_ALICE[@]}" -c ls
  benign "RW-02 RW-18 RW-19" tools="$SAMBA_CLIENT, $CURL_VERSION" \
    notes="Users who mistype: refused logons over SMB, HTTP and LDAP, then one that works."
  shows 'smb2.nt_status == 0xc000006d'
}

scenario_legacy_clients() {
  record legacy_clients
  on ws1 smbclient //$FILES/share "${AS_ALICE[@]}" -c ls --option='client signing=disabled' --option='client max protocol=SMB2_02'
  on ws2 "$IMPACKET/python" "$IMPACKET/smbclient.py" -inputfile /dev/null "$DOMAIN/$BOB:$BOB_PW@$FILES"
  on ws3 "${CURL[@]}" -u "$BOB:$BOB_PW" http://$CA/app
  on ws2 "$IMPACKET/python" -c "
from ldap3 import Server, Connection, NTLM
Connection(Server('$DC'), '$DOMAIN\\\\$BOB', '$BOB_PW', authentication=NTLM).bind()"
  benign "RW-18 RW-03" tools="$SAMBA_CLIENT, impacket 0.13.1, $CURL_VERSION, ldap3 2.9.1" \
    notes="Clients that send no MIC or no target name: impacket, curl without a domain, ldap3, and SMB 2.02 without signing."
  shows 'ntlmssp.messagetype == 3'
}

scenario_encrypted_sessions() {
  encrypted_sessions encrypted_sessions 8
  benign "RW-07 RW-08 RW-09 RW-10" tools="$SAMBA_CLIENT" \
    notes="32 encrypted sessions of clients to two file servers, and each server, shortly after, opens an SMB session of its own to the other one or to the domain controller, as servers do."
  shows 'smb2.header.transform.signature || smb2.protocol_id == 0xfd' "ip.src == $FILES && tcp.dstport == 445"
}

# encrypted_sessions NAME ROUNDS: four client sessions and up to two server sessions a round
encrypted_sessions() {
  local encrypted=("${SMB_CLIENT[@]}" --client-protection=encrypt) round
  set_encryption default
  record "$1"
  for round in $(seq "$2"); do
    on ws1 smbclient //$FILES/secret -U "$DOMAIN/$ALICE%$ALICE_PW" "${encrypted[@]}" -c 'ls; get hello.txt /dev/null' &
    on ws2 smbclient //$FILES/share -U "$DOMAIN/$BOB%$BOB_PW" "${encrypted[@]}" -c ls
    on ws3 smbclient //$SRV/share -U "$DOMAIN/$ALICE%$ALICE_PW" "${encrypted[@]}" -c ls &
    on ws1 smbclient //$SRV/share -U "$DOMAIN/$BOB%$BOB_PW" "${encrypted[@]}" -c ls
    case $((round % 4)) in
      0) on files1 smbclient //$DC/sysvol "${AS_FILES[@]}" -c ls ;;
      1) on srv1 smbclient //$FILES/share "${AS_SRV[@]}" -c ls ;;
    esac
    wait %smbclient 2> /dev/null || true
  done
  sleep 1
  set_encryption off
}

scenario_server_chain() {
  record server_chain
  local _
  for _ in 1 2 3; do
    on ws1 smbclient //$FILES/share "${AS_ALICE[@]}" -c 'get hello.txt /dev/null'
    on files1 smbclient //$SRV/share "${AS_FILES[@]}" -c ls
    on srv1 smbclient //$FILES/share "${AS_SRV[@]}" -c ls
  done
  benign "RW-08 RW-09 RW-10 RW-12" tools="$SAMBA_CLIENT" \
    notes="A user reads a file, the file server copies to another server, that one reads back: machine accounts go out right after a user came in, and two hosts are each other's server."
  shows "ip.src == $FILES && ntlmssp.messagetype == 3" "ip.src == $SRV && ntlmssp.messagetype == 3"
}

scenario_machine_startup() {
  record machine_startup
  local host
  for host in files1 srv1; do
    on $host smbclient //$DC_FQDN/sysvol -P --use-kerberos=required -s "$STATE/$host/smb.conf" -c "ls; cd $DNS_DOMAIN/Policies; ls"
  done
  on srv1 smbclient //$FILES/share "${AS_SRV[@]}" -c 'get hello.txt /dev/null'
  benign "RW-05 RW-10 RW-14" tools="$SAMBA_CLIENT" \
    notes="Computers at start-up fetch policies from sysvol as their machine accounts with Kerberos, and one reads a software share with NTLM."
  shows 'smb2 && kerberos.msg_type == 14' "ip.src == $SRV && ntlmssp.messagetype == 3"
}

scenario_group_policy() {
  record group_policy
  local fetch="recurse; cd $DNS_DOMAIN; cd Policies; ls; cd {31B2F340-016D-11D2-945F-00C04FB984F9}; get GPT.INI /dev/null"
  on ws1 ldbsearch -H ldap://$DC "${AS_ALICE[@]}" -b "CN=Policies,CN=System,$BASE_DN" '(objectClass=groupPolicyContainer)' gPCFileSysPath versionNumber
  on ws1 smbclient //$DC/sysvol "${AS_ALICE[@]}" -c "$fetch"
  on files1 smbclient //$DC/sysvol "${AS_FILES[@]}" -c "$fetch"
  benign "RW-01 RW-05 RW-17" tools="$SAMBA_CLIENT, ldbsearch 4.17.12" \
    notes="Group policy as users and computers fetch it: the list over LDAP, GPT.INI over SMB, NTLM on both, user and machine account."
  shows 'smb2.filename contains "GPT.INI"' 'smb2.cmd == 8 && smb2.nt_status == 0 && smb2.flags.response == 1'
}

scenario_domain_join() {
  member_configure ws3 $WS3
  record domain_join
  on ws3 net ads join -s "$STATE/ws3/smb.conf" -S "$DC_FQDN" -U "Administrator%$ADMIN_PW" --no-dns-updates
  on ws3 net ads testjoin -s "$STATE/ws3/smb.conf"
  on ws3 net ads leave -s "$STATE/ws3/smb.conf" -U "Administrator%$ADMIN_PW"
  benign "RW-17 RW-24 RW-25" tools="net 4.17.12" \
    notes="A workstation joins the domain and leaves it: a computer account is created and deleted by an administrator from the workstation itself."
  shows 'dcerpc || ldap' 'kerberos'
}

scenario_netlogon_channels() {
  record netlogon_channels
  local _
  for _ in 1 2 3; do
    on files1 net rpc testjoin -s "$STATE/files1/smb.conf" -S "$DC_FQDN"
    on srv1 net rpc testjoin -s "$STATE/srv1/smb.conf" -S "$DC_FQDN"
  done
  on files1 wbinfo -t
  benign "RW-24 RW-05" tools="net 4.17.12" \
    notes="Members set up their secure channel: NetrServerReqChallenge and NetrServerAuthenticate3, several in a row, each with a real challenge and credential. What Zerologon does hundreds of times with zeros."
  shows 'netlogon.opnum == 26 || dcerpc.opnum == 26'
}

scenario_dc_replication() {
  dc2_up
  record dc_replication
  on dc2 samba-tool drs replicate $DC2_NAME.$DNS_DOMAIN $DC_FQDN "$BASE_DN" -s "$STATE/dc2/etc/smb.conf" -U "Administrator%$ADMIN_PW"
  in_host dc1 samba-tool user setexpiry $BOB --noexpiry -s "$STATE/dc1/etc/smb.conf" > /dev/null 2>&1
  on dc2 samba-tool drs replicate $DC2_NAME.$DNS_DOMAIN $DC_FQDN "CN=Configuration,$BASE_DN" -s "$STATE/dc2/etc/smb.conf" -U "Administrator%$ADMIN_PW"
  sleep 3
  benign "RW-24 RW-05 RW-10" tools="samba-tool 4.17.12" \
    notes="A second domain controller pulls changes from the first: DRSGetNCChanges between two DCs, which is DCSync when anybody else asks."
  shows "ip.src == $DC2 && dcerpc.opnum == 3 && dcerpc.pkt_type == 0"
  dc2_down
}

# Joining takes a while and is not recorded.
dc2_up() {
  local conf=$STATE/dc2/etc/smb.conf
  if [ ! -e "$STATE/dc2/joined" ]; then
    rm -rf "$STATE/dc2"
    mkdir -p "$STATE/dc2"
    in_host dc2 samba-tool domain join "$DNS_DOMAIN" DC -U "Administrator%$ADMIN_PW" --server="$DC_FQDN" --realm=$REALM \
      --targetdir="$STATE/dc2" --dns-backend=NONE --option="interfaces=$DC2/24 lo" --option="bind interfaces only=yes" \
      > "$RUN/dc2-join.log" 2>&1 || { fail "dc2 did not join"; return 1; }
    sed -i "s|^\[global\]|[global]\n\tserver services = -dns -dnsupdate\n\tkccsrv:periodic_interval = 100000|" "$conf"
    in_host dc1 samba-tool dns add "$DC_FQDN" "$DNS_DOMAIN" $DC2_NAME A $DC2 -U "Administrator%$ADMIN_PW" > /dev/null 2>&1 || true
    touch "$STATE/dc2/joined"
  fi
  "$HERE/in_host" dc2 samba -i --no-process-group --debug-stdout -s "$conf" > "$RUN/dc2.log" 2>&1 &
  DC2_PID=$!
  wait_for_port dc2 389
  wait_for_port dc2 135
  sleep 3
}

dc2_down() {
  local pid
  for pid in $(ip netns pids ${NS}dc2); do kill -9 "$pid" 2> /dev/null || true; done
  wait "$DC2_PID" 2> /dev/null || true
}

scenario_directory_sync() {
  record directory_sync
  local attributes=(cn mail sAMAccountName whenChanged memberOf)
  for filter in '(objectClass=user)' '(objectClass=group)' '(objectClass=computer)'; do
    on ws2 ldbsearch -H ldap://$DC "${AS_BOB[@]}" -b "$BASE_DN" "$filter" "${attributes[@]}" --option='client ldap sasl wrapping=plain'
  done
  benign "RW-17 RW-18 RW-24" tools="ldbsearch 4.17.12" \
    notes="A synchronisation reads users, groups and computers over NTLM without signing, three times, from one host."
  shows 'ldap.filter || ldap'
}

# provisioning BIND...: what an identity management host writes
provisioning() {
  cat > "$RUN/add.ldif" <<LDIF
dn: CN=new.colleague,CN=Users,$BASE_DN
objectClass: user
sAMAccountName: new.colleague
mail: new.colleague@$DNS_DOMAIN
LDIF
  cat > "$RUN/modify.ldif" <<LDIF
dn: CN=new.colleague,CN=Users,$BASE_DN
changetype: modify
replace: department
department: Accounts
-
replace: telephoneNumber
telephoneNumber: 4711

dn: CN=$ALICE,CN=Users,$BASE_DN
changetype: modify
replace: description
description: moved to another room
LDIF
  on ws2 env KRB5CCNAME="$RUN/$BOB.ccache" ldbadd -H "$1" "${@:2}" "$RUN/add.ldif"
  on ws2 env KRB5CCNAME="$RUN/$BOB.ccache" ldbmodify -H "$1" "${@:2}" "$RUN/modify.ldif"
  on ws2 env KRB5CCNAME="$RUN/$BOB.ccache" ldbdel -H "$1" "${@:2}" "CN=new.colleague,CN=Users,$BASE_DN"
}

scenario_provisioning_ntlm() {
  record provisioning_ntlm
  provisioning ldap://$DC "${AS_BOB[@]}" --option='client ldap sasl wrapping=plain'
  benign "RW-17" tools="ldbmodify 4.17.12" \
    notes="Identity management over unsigned NTLM: a user is added, changed and deleted, another changed, from the host where this always happens. No attribute that gives rights."
  shows 'ldap.protocolOp == 6' 'ldap.protocolOp == 8' 'ldap.protocolOp == 10'
}

scenario_provisioning_kerberos() {
  record provisioning_kerberos
  ticket ws2 $BOB "$BOB_PW"
  provisioning ldap://$DC_FQDN --use-kerberos=required --option='client ldap sasl wrapping=plain'
  benign "RW-17 RW-13 RW-14" tools="ldbmodify 4.17.12, kinit 1.20.1" \
    notes="The same with Kerberos, not sealed, so that the writes are readable."
  shows 'ldap && kerberos.msg_type == 14' 'ldap.protocolOp == 6'
}

scenario_kerberos_alias() {
  in_host dc1 samba-tool dns add "$DC_FQDN" "$DNS_DOMAIN" intranet CNAME $FILES_FQDN -U "Administrator%$ADMIN_PW" > /dev/null 2>&1 || true
  in_host dc1 samba-tool spn add "cifs/intranet.$DNS_DOMAIN" "${FILES_NAME^^}\$" -s "$STATE/dc1/etc/smb.conf" > /dev/null 2>&1 || true
  record kerberos_alias
  ticket ws1 $ALICE "$ALICE_PW"
  on ws1 env KRB5CCNAME="$RUN/$ALICE.ccache" smbclient "//intranet.$DNS_DOMAIN/share" --use-kerberos=required -c ls
  benign "RW-14 RW-03 RW-11" tools="$SAMBA_CLIENT, kinit 1.20.1" \
    notes="A file server is reached by a CNAME, with a service ticket for the alias: the name in the ticket is not the name in the server's own address record."
  shows 'dns.cname' 'smb2 && kerberos.msg_type == 14'
}

scenario_kerberos_address() {
  in_host dc1 samba-tool spn add "HTTP/$CA" $BOB -s "$STATE/dc1/etc/smb.conf" > /dev/null 2>&1 || true
  record kerberos_address
  ticket ws1 $ALICE "$ALICE_PW"
  on ws1 env KRB5CCNAME="$RUN/$ALICE.ccache" curl -sS --max-time 10 -o /dev/null --negotiate -u : http://$CA/app
  ticket ws2 $BOB "$BOB_PW"
  on ws2 env KRB5CCNAME="$RUN/$BOB.ccache" curl -sS --max-time 10 -o /dev/null --negotiate -u : http://$CA/app
  benign "RW-14 RW-03 RW-13" tools="$CURL_VERSION, kinit 1.20.1" \
    notes="A service principal with an address for a name, HTTP/$CA, as administrators register for clients that are configured so. The web server is our stand-in, which takes NTLM only, so the ticket gets the client nowhere."
  shows "http && kerberos.SNameString == \"$CA\""
}

scenario_s4u_front_end() {
  in_host dc1 samba-tool delegation add-service $BOB "cifs/$FILES_FQDN" -s "$STATE/dc1/etc/smb.conf" > /dev/null 2>&1 || true
  in_host dc1 samba-tool delegation for-any-protocol $BOB on -s "$STATE/dc1/etc/smb.conf" > /dev/null 2>&1 || true
  in_host dc1 samba-tool spn add "http/front.$DNS_DOMAIN" $BOB -s "$STATE/dc1/etc/smb.conf" > /dev/null 2>&1 || true
  record s4u_front_end
  on ca1 bash -c "echo '$BOB_PW' | kinit -f -c '$RUN/$BOB.ccache' '$BOB@$REALM'"
  on ca1 env KRB5CCNAME="$RUN/$BOB.ccache" kvno -U $ALICE -P "cifs/$FILES_FQDN"
  benign "RW-25" tools="kvno 1.20.1" \
    notes="Constrained delegation as a web front end uses it: S4U2Self and S4U2Proxy by a service account from its own host, with MIT's kvno for a client."
  shows 'kerberos.msg_type == 13 && kerberos.CNameString == "'$ALICE'"'
}

scenario_dns_update() {
  record dns_update
  on files1 net ads dns register -s "$STATE/files1/smb.conf" -P
  on srv1 net ads dns register -s "$STATE/srv1/smb.conf" -P
  benign "RW-21 RW-25 RW-14" tools="net 4.17.12" \
    notes="Members register their own names in DNS: secure dynamic update with TKEY and TSIG at the domain controller."
  shows 'dns.flags.opcode == 5'
}

scenario_enrolment_machine() {
  record enrolment_machine
  on files1 wbinfo -t
  on ws1 smbclient //$FILES/share "${AS_ALICE[@]}" -c ls
  local subject=/CN=$FILES_FQDN
  openssl req -new -newkey rsa:2048 -nodes -keyout /dev/null -subj "$subject" -out "$RUN/machine.csr" 2> /dev/null
  local account=(-u "$DOMAIN\\${FILES_NAME^^}\$:$FILES_PW")
  on files1 "${CURL[@]}" "${account[@]}" http://$CA/certsrv/ --next "${CURL[@]:1}" "${account[@]}" \
    --data-urlencode "CertRequest@$RUN/machine.csr" \
    -d 'Mode=newreq&CertAttrib=CertificateTemplate:Machine&TargetStoreFlags=0&SaveCert=yes' http://$CA/certsrv/certfnsh.asp
  benign "RW-15 RW-05" tools="$CURL_VERSION" \
    notes="A machine enrols for its own certificate on the web pages of AD CS, from its own address, after the file has shown whose address that is."
  shows 'http.request.uri contains "certfnsh"' "ip.src == $FILES && ntlmssp.auth.username"
}

scenario_enrolment_rpc_user() { rpc_enrolment enrolment_rpc_user ws1 $ALICE "$ALICE_PW" 6 "A user enrols over RPC (ICPR) with privacy, as certreq and certmgr do."; }
scenario_enrolment_rpc_machine() { rpc_enrolment enrolment_rpc_machine files1 "${FILES_NAME^^}\$" "$FILES_PW" 6 "Autoenrolment: a machine asks for its certificate over RPC (ICPR) with privacy, from its own address."; }
scenario_enrolment_rpc_integrity() { rpc_enrolment enrolment_rpc_integrity ws2 $BOB "$BOB_PW" 5 "An old client enrols over RPC (ICPR) with integrity only, as a user from the user's own workstation. The authority allows it, which is what ESC11 needs."; }

rpc_enrolment() { # name host user password level notes
  ss_listens ca1 135 || { fail "no ICPR service on ca1"; return 1; }
  openssl req -new -newkey rsa:2048 -nodes -keyout /dev/null -subj "/CN=$3" -outform DER -out "$RUN/icpr.csr" 2> /dev/null
  record "$1"
  [ "$2" = files1 ] && on files1 wbinfo -t
  on ws1 smbclient //$FILES/share "${AS_ALICE[@]}" -c ls
  on "$2" "${CALLS[@]}" enrol $CA "$3" "$4" "$RUN/icpr.csr" "$5"
  benign "RW-16" tools="$IMPACKET_CLIENT" notes="$6 The authority is our stand-in."
  shows "dcerpc.auth_level == $5"
}

ss_listens() { in_host "$1" ss -ltnH "sport = :$2" | grep -q .; }

scenario_nas_static_challenge() {
  "$HERE/in_host" nas1 "${CALLS[@]}" nas $NAS $ALICE "$ALICE_PW" > "$RUN/nas.log" 2>&1 &
  HELPER=$!
  wait_for_port nas1 445
  record nas_static_challenge
  local host
  for host in ws1 ws2 ws3; do
    on $host smbclient //$NAS/PUBLIC "${AS_ALICE[@]}" -c ls
  done
  benign "RW-19 RW-01" tools="$SAMBA_CLIENT, impacket 0.13.1" \
    notes="An appliance whose random numbers are not: the same challenge for everybody. Three users' hosts visit it, nobody was sent there. impacket's smbserver plays it, under another GUID than its own."
  shows 'ntlmssp.ntlmserverchallenge == 5a:3c:96:e1:d2:78:0b:4f'
}

# browse_webdav HOST USER PASSWORD AGENT
browse_webdav() {
  local dav=(-A "$4" -u "$DOMAIN\\$2:$3")
  on "$1" "${CURL[@]}" "${dav[@]}" -X OPTIONS http://$CA/app/documents/ --next "${CURL[@]:1}" "${dav[@]}" \
    -X PROPFIND -H 'Depth: 1' -H 'translate: f' http://$CA/app/documents/ -o /dev/null http://$CA/app/documents/plan.docx
}

scenario_webdav_explorer() {
  record webdav_explorer
  browse_webdav ws1 $ALICE "$ALICE_PW" 'Microsoft-WebDAV-MiniRedir/10.0.19045'
  browse_webdav ws2 $BOB "$BOB_PW" 'Microsoft-WebDAV-MiniRedir/10.0.22631'
  benign "RW-22" tools="$CURL_VERSION" \
    notes="Explorer opens a document library over WebDAV: the redirector's User-Agent, but users and not machines, from workstations, to a known web server on port 80. curl in place of the redirector."
  shows 'http.request.method == "PROPFIND"'
}

scenario_webdav_office() {
  record webdav_office
  browse_webdav ws1 $ALICE "$ALICE_PW" 'Microsoft Office Word 2016 (16.0.5395) Windows NT 10.0'
  browse_webdav ws2 $BOB "$BOB_PW" 'Microsoft Office Protocol Discovery'
  browse_webdav ws3 $BOB "$BOB_PW" 'gvfs/1.50.3'
  benign "RW-22" tools="$CURL_VERSION" \
    notes="WebDAV by programs that are not the redirector. curl in their place."
  shows 'http.request.method == "PROPFIND"'
}

scenario_webdav_anonymous() {
  record webdav_anonymous
  local host
  for host in ws1 ws2 ws3 files1; do
    on $host curl -sS --max-time 10 -o /dev/null -A 'Microsoft-WebDAV-MiniRedir/10.0.19045' -X OPTIONS http://$CA/app/
  done
  benign "RW-22" tools="$CURL_VERSION" \
    notes="The redirector asks a web server what it can do, also from a server, and goes away when it wants a logon."
  shows 'http.request.method == "OPTIONS"'
}

# certificate_logon HOST FILE ACCOUNT: PKINIT, and a ticket for a share with what it gives
certificate_logon() {
  on "$1" env KRB5CCNAME="$RUN/$2.pkinit" kinit -X "X509_user_identity=FILE:$PKI/$2.pem,$PKI/$2.key" -X "X509_anchors=FILE:$PKI/ca.pem" "$3@$REALM"
  on "$1" env KRB5CCNAME="$RUN/$2.pkinit" smbclient "//$DC_FQDN/sysvol" --use-kerberos=required -c ls
}

scenario_certificate_logon_machine() {
  record certificate_logon_machine
  on ws1 smbclient //$FILES/share "${AS_ALICE[@]}" -c ls
  on files1 wbinfo -t
  certificate_logon files1 files1 "${FILES_NAME^^}\$"
  benign "RW-25 RW-05" tools="kinit 1.20.1, $SAMBA_CLIENT" \
    notes="A member logs on with its own certificate (PKINIT) from its own address, which the file has shown before, and reads sysvol. Samba's KDC."
  shows "ip.src == $FILES && kerberos.padata_type == 16" 'kerberos.msg_type == 11 && kerberos.padata_type == 17' "ip.src == $FILES && smb2 && kerberos.msg_type == 14"
}

scenario_certificate_logon_user() {
  record certificate_logon_user
  certificate_logon ws1 alice $ALICE
  certificate_logon ws2 alice $ALICE
  benign "RW-25" tools="kinit 1.20.1, $SAMBA_CLIENT" \
    notes="A user with a smart card (here a file) logs on with PKINIT on two workstations."
  shows 'kerberos.msg_type == 11 && kerberos.padata_type == 17' 'smb2 && kerberos.msg_type == 14'
}
