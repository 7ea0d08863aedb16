# Printing, file services and administration: the interfaces that coercion uses, used as they are meant.

CALLS=("$CLIENTS/python" "$HERE/benign_calls.py")
RPC_ADMIN='rpcclient 4.17.12'
IMPACKET_CLIENT='impacket 0.13.1'

scenario_print_notify_many() {
  record print_notify_many
  local host
  for host in ws1 ws2 ws3 nas1; do
    on $host rpcclient $FILES "${AS_BOB[@]}" -c 'openprinter laser; getprinter laser 2; rffpcnex laser'
  done
  benign "RW-06 RW-07" tools="$RPC_ADMIN" \
    notes="Four clients open the same printer and ask for notifications (spoolss opnum 65), each in its own name. A real Samba print server, which does not call back."
  shows 'spoolss.opnum == 65'
}

scenario_print_notify_old() {
  callback_with libsmbclient
  start_workstation
  record print_notify_old
  on ws1 "${CALLS[@]}" notify-old $SRV $BOB "$BOB_PW" "\\\\$(name_of ws1 | tr a-z A-Z)"
  benign "RW-06 RW-07 RW-08" victim=$SRV listener=$WS1 tools="$IMPACKET_CLIENT" \
    notes="The older request for notifications, opnum 62, in the caller's own name. Whether the print server calls back is in coercion_events."
  shows 'spoolss.opnum == 62'
}

scenario_print_enumeration() {
  record print_enumeration
  on ws1 rpcclient $FILES "${AS_ALICE[@]}" -c 'enumprinters 2; enumports 1; enumdrivers 3; enumjobs laser; enumforms laser; enumprocs; getdriverdir; enumdata laser'
  on ws2 smbclient //$FILES/laser "${AS_ALICE[@]}" -c 'queue'
  benign "RW-07 RW-23" tools="$RPC_ADMIN, $SAMBA_CLIENT" \
    notes="What a print dialogue asks of a print server: printers, ports, drivers, jobs, forms. No notification."
  shows 'spoolss.opnum == 0'
}

scenario_print_driver_admin() {
  record print_driver_admin
  on ws1 "${CALLS[@]}" driver $FILES $BOB "$BOB_PW" 'C:\Windows\System32\spool\drivers\x64\3'
  on ws1 "${CALLS[@]}" driver $FILES $BOB "$BOB_PW" "\\\\$FILES_NAME\\print\$\\x64"
  benign "RW-24" tools="$IMPACKET_CLIENT" \
    notes="An administrator adds a printer driver, RpcAddPrinterDriverEx (opnum 89) as PrintNightmare uses it, but the files lie on the server itself: once by local path, once by the server's own print\$ share."
  shows 'spoolss.opnum == 89'
}

scenario_point_and_print() {
  record point_and_print
  on ws1 rpcclient $FILES "${AS_ALICE[@]}" -c 'openprinter laser; getdriver laser 3; getdriverdir "Windows x64"; getdata laser PrinterDriver'
  on ws1 smbclient "//$FILES/print\$" "${AS_ALICE[@]}" -c 'ls; get hello.txt /dev/null'
  benign "RW-24 RW-07" tools="$RPC_ADMIN, $SAMBA_CLIENT" \
    notes="Point and print: a user's client asks for the driver of a printer and fetches files from the server's print\$ share."
  shows 'smb2.tree contains "print"'
}

scenario_dfs_administration() {
  record dfs_administration
  on ws1 rpcclient $FILES "${AS_BOB[@]}" -c 'dfsadd \\\\'$FILES_NAME'\\dfs\\team '$FILES_NAME' share 0; dfsgetinfo \\\\'$FILES_NAME'\\dfs\\team '$FILES_NAME' share 1; dfsremove \\\\'$FILES_NAME'\\dfs\\team '$FILES_NAME' share; dfsenum 3'
  benign "RW-06 RW-07" tools="$RPC_ADMIN" \
    notes="An administrator adds a DFS link, looks at it and removes it: NetrDfsAdd, GetInfo, Remove and Enum. Every path names the server itself."
  shows 'netdfs.opnum == 1'
}

scenario_fsrvp_backup() {
  record fsrvp_backup
  on ws2 rpcclient $FILES "${AS_BOB[@]}" -c 'fss_get_sup_version; fss_is_path_sup share; fss_has_shadow_copy share'
  on ws2 smbclient //$FILES/share "${AS_BOB[@]}" -c 'recurse; ls; get hello.txt /dev/null'
  benign "RW-06 RW-07" tools="$RPC_ADMIN" \
    notes="A backup program asks a file server whether its own share can be snapshot (FSRVP GetSupportedVersion, IsPathSupported, IsPathShadowCopied) and then reads it. Real Samba; it has no snapshot provider and says so."
  shows 'smb2.filename contains "agentRpc" || smb2.filename contains "FssagentRpc"' 'dcerpc.opnum == 8'
}

scenario_efs_local() {
  record efs_local
  on ws1 "${CALLS[@]}" efs-local $SRV $ALICE "$ALICE_PW" "C:\\Users\\$ALICE\\contract.docx" 'D:\projects\budget.xlsx'
  benign "RW-06 RW-07" tools="$IMPACKET_CLIENT" \
    notes="A user encrypts files on a server and asks who may read them: EFSR opnums 0, 4 and 6 with paths on the server's own disks. The server is our stand-in; nothing leaves it."
  shows 'dcerpc.cn_bind_to_uuid == c681d488-d850-11d0-8c52-00c04fd90f7e' 'smb2.filename contains "lsarpc"'
}

scenario_eventlog_backup() {
  record eventlog_backup
  on ws1 "${CALLS[@]}" event-backup $FILES $BOB "$BOB_PW" '\??\C:\backup\application.evt'
  on ws1 rpcclient $FILES "${AS_BOB[@]}" -c 'eventlog_backuplog Application C:\\backup\\application.evt'
  benign "RW-06 RW-07" tools="$RPC_ADMIN, $IMPACKET_CLIENT" \
    notes="An administrator backs an event log up to a local path (MS-EVEN opnum 1). Samba refuses, as it keeps no such log; the request is what a coercion looks like but for its path."
  shows 'dcerpc.cn_bind_to_uuid == 82273fdc-e32a-18c3-3f78-827929dc23ea'
}

scenario_remote_services() {
  record remote_services
  local host
  for host in ws1 ws2; do
    on $host net rpc service list -S $FILES "${AS_BOB[@]}"
    on $host net rpc service status Spooler -S $FILES "${AS_BOB[@]}"
    on $host net rpc service start Spooler -S $FILES "${AS_BOB[@]}"
  done
  benign "RW-24" tools="net 4.17.12" \
    notes="Administrators list services and start one (svcctl). No service is created."
  shows 'svcctl'
}

scenario_remote_registry() {
  record remote_registry
  on ws1 net rpc registry enumerate 'HKLM\Software' -S $FILES "${AS_BOB[@]}"
  on ws1 net rpc registry getvalue 'HKLM\SYSTEM\CurrentControlSet\Control\ProductOptions' ProductType -S $FILES "${AS_BOB[@]}"
  on ws1 rpcclient $FILES "${AS_BOB[@]}" -c 'winreg_enumkey HKLM'
  benign "RW-06 RW-24" tools="net 4.17.12, $RPC_ADMIN" \
    notes="An administrator reads the registry of a server. RegSaveKey and its like, which take a path, are not used."
  shows 'winreg'
}

scenario_admin_inventory() {
  record admin_inventory
  local host
  for host in $FILES $DC; do
    on ws1 rpcclient $host "${AS_BOB[@]}" -c 'srvinfo; netshareenumall; netsessenum; lsaquery'
    on ws1 net rpc share list -S $host "${AS_BOB[@]}"
  done
  on ws1 rpcclient "ncacn_ip_tcp:$DC" "${AS_BOB[@]}" -c 'lsaquery'
  benign "RW-23 RW-24" tools="$RPC_ADMIN, net 4.17.12" \
    notes="An inventory of two servers: versions, shares, sessions, domain, over three pipes each, and one port from the endpoint mapper."
  shows 'srvsvc' 'epm'
}

scenario_sealed_administration() {
  record sealed_administration
  on ws1 rpcclient "ncacn_np:$FILES[seal]" "${AS_BOB[@]}" -c 'openprinter laser; rffpcnex laser'
  on ws2 rpcclient "ncacn_np:$FILES[seal]" "${AS_BOB[@]}" -c 'enumprinters; netshareenumall'
  on ws2 rpcclient "ncacn_ip_tcp:$DC[seal]" "${AS_BOB[@]}" -c 'enumdomusers; enumdomgroups'
  benign "RW-07 RW-08 RW-24" tools="$RPC_ADMIN" \
    notes="Administration with RPC privacy: interface and opnum are readable, among them spoolss 65, the stub is not. Nobody is called back."
  shows 'dcerpc.auth_level == 6'
}

scenario_scanner_sweep() {
  record scanner_sweep
  local hosts="$DC $SRV $FILES $CA $PROXY" host
  on ws2 nmap -n -Pn -sT -T4 --max-retries 0 -p 80,88,135,139,389,443,445,593,3389 $hosts
  on ws2 nmap -n -Pn -sT -T4 -p 445 --script smb2-security-mode,smb-protocols $DC $SRV $FILES
  for host in $DC $SRV $FILES; do on ws2 "$IMPACKET/rpcdump.py" $host; done
  benign "RW-23 RW-06 RW-10" allow=RW-23 tools="nmap $(nmap --version | awk 'NR == 1 {print $3}'), impacket 0.13.1" \
    notes="A vulnerability scanner goes over every server: ports, SMB versions and signing, every endpoint of the mappers. Reconnaissance may be reported; nobody is coerced."
  shows 'epm.opnum == 2'
}

scenario_scanner_credentialed() {
  record scanner_credentialed
  local host pipe
  for host in $FILES $SRV $DC; do
    for pipe in 'srvinfo' 'lsaquery' 'enumdomains' 'dfsversion' 'enumprinters' 'fss_get_sup_version'; do
      on ws2 rpcclient $host "${AS_BOB[@]}" -c "$pipe"
    done
  done
  benign "RW-23 RW-07" allow=RW-23 tools="$RPC_ADMIN" \
    notes="A scanner with an account opens six interfaces on three servers and asks each a harmless question, among them netdfs, spoolss and FSRVP, which can coerce. Reconnaissance may be reported."
  shows 'netdfs' 'spoolss'
}
