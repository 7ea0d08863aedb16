# Proxies, balancers, gateways and name services: one exchange on several flows, one host with several addresses.

# record_inside HOST INTERFACE: a second capture point; merge it with one_capture before the truth
record_inside() {
  ip netns exec "$NS$1" tcpdump -i "$2" -s0 -U --immediate-mode -Z root -w "$RUN/inside.pcap" tcp or udp > "$RUN/inside.log" 2>&1 &
  INSIDE=$!
  local _
  for _ in $(seq 40); do grep -q listening "$RUN/inside.log" && break; sleep 0.1; done
}

one_capture() {
  sleep 0.7
  kill -INT $INSIDE; wait $INSIDE 2> /dev/null || true
  stop_scenario
  mergecap -F pcap -w "$RUN/merged.pcap" "$RUN/$NAME.pcap" "$RUN/inside.pcap"
  mv "$RUN/merged.pcap" "$RUN/$NAME.pcap"
}

scenario_reverse_proxy_tcp() {
  record reverse_proxy_tcp
  on ws1 "${CURL[@]}" -u "$DOMAIN\\$ALICE:$ALICE_PW" http://$PROXY:$WEB_PORT/app/one -o /dev/null http://$PROXY:$WEB_PORT/app/two
  on ws2 "${CURL[@]}" -u "$DOMAIN\\$BOB:$BOB_PW" -d 'field=value' http://$PROXY:$WEB_PORT/app/form
  benign "RW-01 RW-02 RW-03 RW-19" tools="$CURL_VERSION, $PROXY_VERSION" \
    notes="A reverse proxy that copies bytes: both legs carry the same NTLM messages and the same requests, no header is added."
  shows "ip.src == $PROXY && ntlmssp.messagetype == 3"
}

scenario_reverse_proxy_many() {
  record reverse_proxy_many
  local host _
  for _ in 1 2 3; do
    for host in ws1 ws2 ws3 pc1; do
      on $host "${CURL[@]}" -u "$DOMAIN\\$ALICE:$ALICE_PW" http://$PROXY/app/$host &
    done
    wait %ws1 %ws2 %ws3 %pc1 2> /dev/null || true
    sleep 0.5
  done
  sleep 1
  benign "RW-01 RW-02 RW-04" tools="$CURL_VERSION, $PROXY_VERSION" \
    notes="Four clients at once through a reverse proxy, three times, one of them behind NAT."
  shows "ip.src == $PROXY && ntlmssp.messagetype == 3"
}

# A forward proxy on the file server, whose winbindd verifies the users.
forward_proxy() { # yes|no: whether the proxy itself wants NTLM
  local conf=$RUN/squid.conf
  cat > "$conf" <<SQUID
http_port $FILES:$FORWARD_PORT
pid_filename $RUN/squid.pid
access_log none
cache_log /dev/null
cache deny all
visible_hostname $FILES_FQDN
shutdown_lifetime 0 seconds
pinger_enable off
SQUID
  if [ "$1" = yes ]; then
    cat >> "$conf" <<SQUID
auth_param ntlm program /usr/bin/ntlm_auth --helper-protocol=squid-2.5-ntlmssp --configfile=/run/samba/squid.conf
auth_param ntlm children 4 startup=2
acl users proxy_auth REQUIRED
http_access allow users
SQUID
    chgrp proxy "$STATE/files1/state/winbindd_privileged"
  fi
  echo 'http_access allow all' >> "$conf"
  # squid drops root, and the helper must still find winbindd's socket: mounted where everybody may look.
  "$HERE/in_host" files1 bash -c "mount --bind '$STATE/files1/state' /var/lib/samba
    sed 's|state directory = .*|state directory = /var/lib/samba|; /private dir/d; /log file/d; /lock dir/d; /cache dir/d; /pid dir/d' '$STATE/files1/smb.conf' > /run/samba/squid.conf
    exec squid -N -f '$conf'" > "$RUN/squid.out" 2>&1 &
  HELPER=$!
  wait_for_port files1 $FORWARD_PORT
}

scenario_forward_proxy() {
  forward_proxy no
  record forward_proxy
  on ws1 "${CURL[@]}" -x http://$FILES:$FORWARD_PORT -u "$DOMAIN\\$ALICE:$ALICE_PW" http://$CA/app/one -o /dev/null http://$CA/app/two
  on ws2 "${CURL[@]}" -x http://$FILES:$FORWARD_PORT -u "$DOMAIN\\$BOB:$BOB_PW" http://$CA/app/three
  benign "RW-01 RW-02 RW-03" tools="$CURL_VERSION, squid $(squid -v | awk 'NR == 1 {print $4}')" \
    notes="NTLM at a web server through a forward proxy, which pins the connection: absolute URI and Via on one leg, the same challenge and response on both."
  shows "ip.src == $FILES && ntlmssp.messagetype == 3" 'http.proxy_connect_host || http.request.full_uri contains "http://"'
}

scenario_forward_proxy_logon() {
  forward_proxy yes
  record forward_proxy_logon
  local through=(-x http://$FILES:$FORWARD_PORT --proxy-ntlm --proxy-user)
  on ws1 "${CURL[@]:0:6}" "${through[@]}" "$DOMAIN\\$ALICE:$ALICE_PW" http://$CA/certsrv/ -o /dev/null http://$CA/two
  on ws2 "${CURL[@]:0:6}" "${through[@]}" "$DOMAIN\\$BOB:$BOB_PW" http://$CA/three
  benign "RW-01 RW-18 RW-22" tools="$CURL_VERSION, squid $(squid -v | awk 'NR == 1 {print $4}')" \
    notes="The proxy itself asks for NTLM: 407, Proxy-Authenticate, Proxy-Authorization."
  shows 'http.response.code == 407' 'http.proxy_authorization'
}

scenario_nat_both_sides() {
  record nat_both_sides
  record_inside gw1 inside
  on pc1 smbclient //$FILES/share "${AS_ALICE[@]}" -c ls &
  on pc2 "${CURL[@]}" -u "$DOMAIN\\$BOB:$BOB_PW" http://$CA/app
  wait $!
  on pc2 ldbsearch -H ldap://$DC "${AS_BOB[@]}" -b "$BASE_DN" "(cn=$BOB)" cn
  one_capture
  benign "RW-01 RW-02 RW-05 RW-19" tools="$SAMBA_CLIENT, $CURL_VERSION" \
    notes="Source NAT seen on both sides of the gateway: every exchange twice, with another client address and perhaps another port."
  shows "ip.src == $NAT_NET.0/24 && ntlmssp.messagetype == 3" "ip.src == $GW && ntlmssp.messagetype == 3"
}

scenario_nat_kerberos() {
  record nat_kerberos
  record_inside gw1 inside
  ticket pc1 $ALICE "$ALICE_PW"
  on pc1 env KRB5CCNAME="$RUN/$ALICE.ccache" smbclient "//$FILES_FQDN/share" --use-kerberos=required -c ls
  ticket pc2 $BOB "$BOB_PW"
  on pc2 env KRB5CCNAME="$RUN/$BOB.ccache" ldbsearch -H ldap://$DC_FQDN --use-kerberos=required -b "$BASE_DN" "(cn=$BOB)" cn
  one_capture
  benign "RW-13 RW-14 RW-25" tools="$SAMBA_CLIENT, kinit 1.20.1" \
    notes="Kerberos through source NAT, seen on both sides: every AP-REQ twice, from two clients."
  shows "ip.src == $GW && smb2 && kerberos.msg_type == 14" "ip.src == $NAT_NET.0/24 && ldap && kerberos.msg_type == 14"
}

scenario_port_forward() {
  workstation_smbd pc1 $NAT_NET.11 > "$RUN/pc1.smbd.log" 2>&1 &
  HELPER=$!
  wait_for_port pc1 445
  ip netns exec ${NS}pc1 ip route replace default via $NAT_NET.1
  ip netns exec ${NS}gw1 iptables -t nat -A PREROUTING -i eth0 -p tcp --dport 445 -j DNAT --to $NAT_NET.11
  record port_forward
  record_inside gw1 inside
  on ws1 smbclient -L //$GW "${AS_ALICE[@]}"
  on ws2 smbclient -L //$GW "${AS_BOB[@]}"
  one_capture
  ip netns exec ${NS}gw1 iptables -t nat -D PREROUTING -i eth0 -p tcp --dport 445 -j DNAT --to $NAT_NET.11
  benign "RW-01 RW-02 RW-03 RW-04" tools="$SAMBA_CLIENT" \
    notes="Destination NAT seen on both sides: one exchange, two server addresses, and a target name that is the gateway's."
  shows "ip.dst == $NAT_NET.11 && ntlmssp.messagetype == 3" "ip.dst == $GW && ntlmssp.messagetype == 3"
}

scenario_balancer_smb() {
  record balancer_smb
  on ws1 smbclient //$PROXY/share "${AS_ALICE[@]}" -c 'ls; get hello.txt /dev/null'
  on ws2 smbclient //$PROXY/share "${AS_BOB[@]}" -c ls
  on ws1 smbclient //$FILES/share "${AS_ALICE[@]}" -c ls
  benign "RW-01 RW-02 RW-03 RW-04" tools="$SAMBA_CLIENT, $PROXY_VERSION" \
    notes="A TCP load balancer in front of a file server, byte for byte the same stream on both legs; the target name in the response is the balancer's."
  shows "ip.src == $PROXY && ntlmssp.messagetype == 3"
}

scenario_balancer_ldap() {
  record balancer_ldap
  local wrapping
  for wrapping in plain seal; do
    on ws1 ldbsearch -H ldap://$PROXY "${AS_ALICE[@]}" -b "$BASE_DN" "(cn=$BOB)" cn --option="client ldap sasl wrapping=$wrapping"
  done
  provisioning ldap://$PROXY "${AS_BOB[@]}" --option='client ldap sasl wrapping=plain'
  benign "RW-01 RW-02 RW-03 RW-17" tools="ldbsearch 4.17.12, $PROXY_VERSION" \
    notes="A TCP load balancer in front of a domain controller's LDAP: searches in clear and sealed, and an identity management host that writes through it."
  shows "ip.src == $PROXY && ntlmssp.messagetype == 3" 'ldap.protocolOp == 6'
}

scenario_balancer_kerberos() {
  local service
  for service in "cifs/$PROXY_FQDN:$FILES_NAME" "ldap/$PROXY_FQDN:$DC_NAME"; do
    in_host dc1 samba-tool spn add "${service%:*}" "$(tr a-z A-Z <<< "${service#*:}")\$" -s "$STATE/dc1/etc/smb.conf" > /dev/null 2>&1 || true
  done
  record balancer_kerberos
  ticket ws1 $ALICE "$ALICE_PW"
  on ws1 env KRB5CCNAME="$RUN/$ALICE.ccache" smbclient "//$PROXY_FQDN/share" --use-kerberos=required -c ls
  on ws1 env KRB5CCNAME="$RUN/$ALICE.ccache" ldbsearch -H "ldap://$PROXY_FQDN" --use-kerberos=required -b "$BASE_DN" "(cn=$BOB)" cn
  benign "RW-13 RW-14" tools="$SAMBA_CLIENT, $PROXY_VERSION, kinit 1.20.1" \
    notes="Kerberos through a TCP load balancer that has a name and service principals of its own: the same AP-REQ on two flows, to two servers."
  shows "ip.src == $PROXY && smb2 && kerberos.msg_type == 14" "ip.src == $PROXY && ldap && kerberos.msg_type == 14"
}

scenario_hairpin() {
  record hairpin
  on files1 smbclient //$PROXY/share "${AS_FILES[@]}" -c ls
  on files1 smbclient //$PROXY/share "${AS_ALICE[@]}" -c ls
  on ca1 "${CURL[@]}" -u "$DOMAIN\\$ALICE:$ALICE_PW" http://$PROXY:$WEB_PORT/app/self
  benign "RW-12 RW-01 RW-02" tools="$SAMBA_CLIENT, $CURL_VERSION, $PROXY_VERSION" \
    notes="Hosts that reach themselves through a load balancer: client and server of one exchange are the same machine, as in reflection, and so are the machine account and the server."
  shows "ip.src == $PROXY && ip.dst == $FILES && ntlmssp.messagetype == 3"
}

scenario_hairpin_web() {
  record hairpin_web
  local _
  for _ in 1 2 3; do
    on ca1 "${CURL[@]}" -u "$DOMAIN\\$BOB:$BOB_PW" http://$PROXY/app/monitor
    on ca1 "${CURL[@]}" -u "$DOMAIN\\$BOB:$BOB_PW" http://$PROXY:$WEB_PORT/app/monitor
  done
  benign "RW-12 RW-01 RW-10" tools="$CURL_VERSION, $PROXY_VERSION" \
    notes="A web server that watches itself through its reverse proxy, in HTTP and in TCP mode."
  shows "ip.src == $PROXY && ip.dst == $CA && ntlmssp.messagetype == 3"
}

# address_server FIRST LAST: DHCP on the gateway
address_server() { # host address first last
  "$HERE/in_host" "$1" dnsmasq -k -C /dev/null -p 0 -i eth0 --bind-dynamic --dhcp-authoritative \
    --dhcp-range="$3,$4,255.255.255.0,10m" --dhcp-option="6,$DC" --dhcp-option="3,$GW" --dhcp-leasefile="$RUN/leases.$1.$3" \
    -u root --log-facility="$RUN/dnsmasq.$1.log" > /dev/null 2>&1 &
  SERVERS+=($!)
}

stop_servers() {
  local pid
  for pid in "${SERVERS[@]}"; do kill "$pid" 2> /dev/null || true; wait "$pid" 2> /dev/null || true; done
  SERVERS=()
}

# get_address HOST: one lease, without a daemon left behind
get_address() {
  cat > "$RUN/dhclient-script" <<'SCRIPT'
#!/bin/bash
case $reason in
  BOUND | RENEW | REBIND | REBOOT)
    ip addr flush dev "$interface"
    ip addr add "$new_ip_address/24" dev "$interface"
    ip route replace 224.0.0.0/4 dev "$interface" ;;
  BOUND6) ip addr add "$new_ip6_address/64" dev "$interface" ;;
esac
exit 0
SCRIPT
  chmod +x "$RUN/dhclient-script"
  rm -f "$RUN/dhclient.leases"
  on "$1" dhclient "${2:--4}" -1 -v -cf /dev/null -sf "$RUN/dhclient-script" -lf "$RUN/dhclient.leases" -pf "$RUN/dhclient.pid" eth0
  kill -9 "$(cat "$RUN/dhclient.pid" 2> /dev/null)" 2> /dev/null || true
}

address_of() { ip -n "$NS$1" -4 -o addr show dev eth0 | awk '{print $4}' | cut -d/ -f1 | head -1; }

fixed_address() { # host address
  ip -n "$NS$1" addr flush dev eth0
  ip -n "$NS$1" addr add "$2/24" dev eth0
  ip -n "$NS$1" route replace 224.0.0.0/4 dev eth0
}

machine_ws3() {
  in_host dc1 samba-tool computer create roamer -s "$STATE/dc1/etc/smb.conf" > /dev/null 2>&1 || true
  in_host dc1 samba-tool user setpassword 'roamer$' --newpassword="$BOB_PW" -s "$STATE/dc1/etc/smb.conf" > /dev/null 2>&1 || true
}

scenario_dhcp_address_change() {
  machine_ws3
  local as=(-U "$DOMAIN/ROAMER\$%$BOB_PW" "${SMB_CLIENT[@]}")
  address_server gw1 $GW $PREFIX.100 $PREFIX.109
  record dhcp_address_change
  get_address ws3
  local first; first=$(address_of ws3)
  on ws3 smbclient //$DC/sysvol "${as[@]}" -c ls
  stop_servers
  address_server gw1 $GW $PREFIX.120 $PREFIX.129
  get_address ws3
  local second; second=$(address_of ws3)
  on ws3 smbclient //$DC/sysvol "${as[@]}" -c ls
  on ws3 smbclient //$FILES/share "${as[@]}" -c ls
  stop_servers
  fixed_address ws3 $WS3
  benign "RW-05 RW-04 RW-21" tools="$SAMBA_CLIENT, dnsmasq $(dnsmasq -v | awk 'NR == 1 {print $3}'), dhclient 4.4.3" \
    notes="A workstation's machine account logs on from $first, then DHCP gives the workstation $second and it logs on from there."
  shows 'dhcp.option.dhcp == 5' "ip.src == $first && ntlmssp.messagetype == 3" "ip.src == $second && ntlmssp.messagetype == 3"
  [ "$first" != "$second" ] || fail "the address did not change"
}

scenario_dhcp_two_servers() {
  address_server gw1 $GW $PREFIX.100 $PREFIX.109
  address_server dc1 $DC $PREFIX.120 $PREFIX.129
  record dhcp_two_servers
  local _
  for _ in 1 2 3; do get_address ws3; done
  sleep 2
  on ws3 smbclient //$FILES/share "${AS_ALICE[@]}" -c ls
  stop_servers
  fixed_address ws3 $WS3
  benign "RW-21" tools="dnsmasq $(dnsmasq -v | awk 'NR == 1 {print $3}'), dhclient 4.4.3" \
    notes="Two DHCP servers share a subnet (split scope): two offers for one DISCOVER, the same router and DNS server in both."
  shows "ip.src == $GW && dhcp.option.dhcp == 2" "ip.src == $DC && dhcp.option.dhcp == 2"
}

scenario_router_ipv6() {
  local host
  # A router needs a link-local address; network.sh makes none. It comes when IPv6 is switched on.
  for host in gw1 ws1 ws2; do
    ip netns exec $NS$host sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.eth0.addr_gen_mode=0 \
      net.ipv6.conf.eth0.accept_dad=0
    ip netns exec $NS$host sysctl -qw net.ipv6.conf.all.disable_ipv6=0
  done
  ip -n ${NS}gw1 addr add fd10::1/64 dev eth0 nodad
  record router_ipv6
  "$HERE/in_host" gw1 dnsmasq -k -C /dev/null -p 0 -i eth0 --bind-dynamic --enable-ra --dhcp-range=fd10::100,fd10::1ff,64,10m \
    --dhcp-option=option6:dns-server,[fd10::10] --dhcp-leasefile="$RUN/leases6" -u root > "$RUN/dnsmasq6.log" 2>&1 &
  SERVERS+=($!)
  sleep 10  # dnsmasq announces within 16 seconds of its start, or when asked
  for host in ws1 ws2; do get_address $host -6; done
  sleep 4
  stop_servers
  ip -n ${NS}gw1 addr del fd10::1/64 dev eth0
  for host in gw1:$GW ws1:$WS1 ws2:$WS2; do ipv6_by_hand "$NS${host%%:*}" "${host##*.}"; done
  benign "RW-21" tools="dnsmasq $(dnsmasq -v | awk 'NR == 1 {print $3}'), dhclient 4.4.3" \
    notes="The network's real router announces a prefix and answers DHCPv6, with a DNS server that is not itself."
  shows 'icmpv6.type == 134' 'dhcpv6.msgtype == 7'
}

scenario_wpad_by_dns() {
  in_host dc1 samba-tool dns add "$DC_FQDN" "$DNS_DOMAIN" wpad A $CA -U "Administrator%$ADMIN_PW" > /dev/null 2>&1 || true
  record wpad_by_dns
  local host
  for host in ws1 ws2; do
    on $host curl -sS --max-time 5 -o /dev/null -A 'WinHttp-Autoproxy-Service/5.1' "http://wpad.$DNS_DOMAIN/wpad.dat"
    on $host "${CURL[@]}" -u "$DOMAIN\\$ALICE:$ALICE_PW" http://$CA/app
  done
  benign "RW-21 RW-20" tools="$CURL_VERSION" \
    notes="Proxy auto-configuration that the administrator set up: wpad in the domain's DNS, fetched from the intranet web server."
  shows 'dns.qry.name contains "wpad"' 'http.request.uri contains "wpad.dat"'
}

scenario_cluster_moves() {
  local host first=$PREFIX.110 second=$PREFIX.111
  record cluster_moves
  for host in ws1:$first ws2:$second; do
    ip -n $NS${host%:*} addr add ${host#*:}/24 dev eth0
    workstation_smbd ${host%:*} ${host#*:} CLUSTER1 > "$RUN/cluster.log" 2>&1 &
    HELPER=$!
    wait_for_port ${host%:*} 445
    on ws3 smbclient -L //${host#*:} "${AS_ALICE[@]}"
    on files1 smbclient -L //${host#*:} "${AS_BOB[@]}"
    kill -9 $HELPER; wait $HELPER 2> /dev/null || true
    HELPER=
    ip -n $NS${host%:*} addr del ${host#*:}/24 dev eth0
    sleep 2
  done
  benign "RW-04 RW-03 RW-01" tools="$SAMBA_CLIENT" \
    notes="The server that calls itself CLUSTER1 is first at $first, on one machine, and then at $second, on another. The old address is silent after the move."
  shows "ip.src == $first && ntlmssp.messagetype == 2" "ip.src == $second && ntlmssp.messagetype == 2"
}

scenario_mdns_own_names() {
  local host
  record mdns_own_names
  for host in ws1 ws2 nas1; do
    cat > "$RUN/avahi.$host.conf" <<AVAHI
[server]
host-name=$(name_of $host)
enable-dbus=no
use-ipv6=no
[publish]
publish-workstation=yes
publish-hinfo=yes
AVAHI
    "$HERE/in_host" $host bash -c "mount -t tmpfs none /run/avahi-daemon; exec avahi-daemon --no-drop-root --no-chroot --no-rlimits -f '$RUN/avahi.$host.conf'" > "$RUN/avahi.$host.log" 2>&1 &
    SERVERS+=($!)
  done
  sleep 5
  for host in ws1 ws2 nas1; do
    on ws3 dig +time=1 +tries=1 -p 5353 @224.0.0.251 "$(name_of $host).local"
    on ws3 dig +time=1 +tries=1 -p 5353 @224.0.0.251 _workstation._tcp.local PTR
  done
  stop_servers
  benign "RW-20" tools="avahi $(avahi-daemon --version | awk '{print $2}'), dig 9.18" \
    notes="Three hosts announce themselves by mDNS and answer for their own names and services, and say goodbye."
  shows 'udp.srcport == 5353 && dns.flags.response == 1'
}

scenario_llmnr_own_names() {
  local host
  mkdir -p /run
  for host in ws1 ws2 nas1; do
    "$HERE/in_host" $host llmnrd -H "$(name_of $host)" -i eth0 > "$RUN/llmnrd.$host.log" 2>&1 &
    SERVERS+=($!)
  done
  sleep 1
  record llmnr_own_names
  for host in ws1 ws2 nas1; do on ws3 llmnr-query -c 1 -i eth0 "$(name_of $host)"; done
  on ws3 llmnr-query -c 1 -i eth0 nobody
  on ws3 smbclient //$FILES/share "${AS_ALICE[@]}" -c ls
  stop_servers
  benign "RW-20" tools="llmnrd 0.5" \
    notes="Three hosts answer LLMNR for their own names. A name that nobody has stays unanswered."
  shows 'udp.srcport == 5355 && dns.flags.response == 1'
}

scenario_nbns_own_names() {
  local host address
  record nbns_own_names
  for host in ws1:$WS1 ws2:$WS2 nas1:$NAS; do
    address=${host#*:} host=${host%:*}
    mkdir -p "$STATE/nmbd-$host"
    cat > "$STATE/nmbd-$host/smb.conf" <<NMBD
[global]
	netbios name = $(name_of $host | tr a-z A-Z)
	workgroup = $DOMAIN
	interfaces = $address/24
	bind interfaces only = yes
	local master = no
	wins support = $([ $host = nas1 ] && echo yes || echo no)
	wins server = $([ $host = nas1 ] || echo $NAS)
	state directory = $STATE/nmbd-$host
	lock directory = $STATE/nmbd-$host
	cache directory = $STATE/nmbd-$host
	pid directory = $STATE/nmbd-$host
	private dir = $STATE/nmbd-$host
	log file = $RUN/nmbd.$host.log
NMBD
    "$HERE/in_host" $host nmbd -F --no-process-group -s "$STATE/nmbd-$host/smb.conf" > "$RUN/nmbd.$host.out" 2>&1 &
    SERVERS+=($!)
    sleep 3
  done
  sleep 6
  for host in ws1 ws2 nas1; do
    on ws3 nmblookup -B $PREFIX.255 "$(name_of $host)"
    on ws3 nmblookup -R -U $NAS "$(name_of $host)"
  done
  stop_servers
  benign "RW-20" tools="nmbd 4.17.12" \
    notes="NetBIOS names: hosts register and answer for their own, and a WINS server answers for all of them, because that is its office."
  shows 'nbns.flags.response == 1' "ip.src == $NAS && nbns.flags.response == 1"
}

random_name() { # length; the same for the same lab
  { sha512sum <<< "$1$LAB_SEED"; sha512sum <<< "$1 $LAB_SEED"; } | base64 -w0 | tr -d '+/=' | cut -c "1-$1"
}

scenario_long_names_dns() {
  record long_names_dns
  local length
  for length in 40 44 50 55 60 63; do
    on ws1 dig +time=1 +tries=1 @$DC "$(random_name $length).$DNS_DOMAIN"
    on ws2 dig +time=1 +tries=1 @$DC "$FILES_NAME$(random_name $((length - 20))).cdn.$DNS_DOMAIN" AAAA
  done
  benign "RW-11" tools="dig 9.18" \
    notes="Long names of base64 characters, as content networks and mail filters look up: like a marshalled target name (1UWhRC...BAAAA) but without its form."
  shows 'dns.qry.name.len > 50'
}

scenario_long_names_smb() {
  record long_names_smb
  local length
  for length in 30 45 60; do
    on ws1 smbclient "//$FILES/$(random_name $length)" "${AS_ALICE[@]}" -c ls
    on ws1 smbclient "//$FILES/share" "${AS_ALICE[@]}" -c "get 1UWhRC$(random_name $length).tmp /dev/null"
  done
  benign "RW-11" tools="$SAMBA_CLIENT" \
    notes="Long share and file names of base64 characters; the file names even begin like a marshalled target name, but are not in a host's place and do not end like one."
  shows 'smb2.filename contains "1UWhRC"'
}

scenario_long_names_ldap() {
  record long_names_ldap
  local length
  for length in 30 45 60; do
    on ws1 ldbsearch -H ldap://$DC "${AS_ALICE[@]}" -b "$BASE_DN" "(servicePrincipalName=host/$(random_name $length))" cn --option='client ldap sasl wrapping=plain'
  done
  ticket ws1 $ALICE "$ALICE_PW"
  on ws1 env KRB5CCNAME="$RUN/$ALICE.ccache" kvno "http/$(random_name 50).$DNS_DOMAIN"
  benign "RW-11 RW-14" tools="ldbsearch 4.17.12, kvno 1.20.1" \
    notes="Long random host names in an LDAP filter and in a request for a service ticket, which is refused."
  shows 'ldap' 'kerberos.msg_type == 12'
}
