# The lab's network: one namespace a host, one bridge in a namespace of its own, no way out.
# The bridge is where we record: it sees every frame once, like a SPAN port.

SWITCH=${NS}switch
SPAN=span0

network_up() {
  ip netns add $SWITCH
  ip -n $SWITCH link set lo up
  ip -n $SWITCH link add $SPAN type bridge stp_state 0 mcast_snooping 0
  ip -n $SWITCH link set $SPAN up
  ip netns exec $SWITCH sysctl -qw net.ipv6.conf.all.disable_ipv6=1
  local host
  for host in "${HOSTS[@]}"; do add_host "${host%%:*}" "${host##*:}"; done
  add_nat_hosts
}

add_host() { # name address
  local name=$1 address=$2 ns=$NS$1
  ip netns add "$ns"
  ip link add eth0 netns "$ns" type veth peer name "to-$name" netns $SWITCH
  ip -n "$ns" link set eth0 address "02:00:0a:0a:00:$(printf %02x "${address##*.}")"
  ip -n "$ns" addr add "$address/24" dev eth0
  wire "$ns" $SWITCH "to-$name" $SPAN
  ip -n "$ns" route add 224.0.0.0/4 dev eth0
  ip netns exec "$ns" sysctl -qw net.ipv4.ip_local_port_range="$LOCAL_PORTS"
  ipv6_by_hand "$ns" "${address##*.}"
  write_etc "$name" "$address"
}

# IPv6 as every host has it between scenarios: no link-local address, no router, nothing announced by itself
ipv6_by_hand() { # namespace last-octet
  ip netns exec "$1" sysctl -qw net.ipv6.conf.all.disable_ipv6=1
  ip netns exec "$1" sysctl -qw net.ipv6.conf.eth0.addr_gen_mode=1 net.ipv6.conf.eth0.accept_ra=0
  ip netns exec "$1" sysctl -qw net.ipv6.conf.all.disable_ipv6=0
  ip -n "$1" addr flush dev eth0 scope link
  ip -n "$1" addr add "fd10::$2/64" dev eth0 nodad
}

wire() { # namespace-of-eth0 namespace-of-peer peer bridge
  ip netns exec "$1" sysctl -qw net.ipv6.conf.all.disable_ipv6=1
  # A SPAN port sees frames of wire size with good checksums, so no offloading.
  ip netns exec "$1" ethtool -K eth0 tx off tso off gso off gro off > /dev/null 2>&1 || true
  ip netns exec "$2" ethtool -K "$3" tx off tso off gso off gro off > /dev/null 2>&1 || true
  ip -n "$1" link set lo up
  ip -n "$1" link set eth0 up
  ip -n "$2" link set "$3" master "$4"
  ip -n "$2" link set "$3" up
}

add_nat_hosts() {
  ip -n ${NS}gw1 link add inside type bridge
  ip -n ${NS}gw1 link set inside up
  ip -n ${NS}gw1 addr add $NAT_NET.1/24 dev inside
  ip netns exec ${NS}gw1 sysctl -qw net.ipv4.ip_forward=1
  local i
  for i in 1 2; do
    ip netns add ${NS}pc$i
    ip link add eth0 netns ${NS}pc$i type veth peer name to-pc$i netns ${NS}gw1
    ip -n ${NS}pc$i addr add $NAT_NET.1$i/24 dev eth0
    wire ${NS}pc$i ${NS}gw1 to-pc$i inside
    ip -n ${NS}pc$i route add $LAB_NET via $NAT_NET.1
    write_etc pc$i $NAT_NET.1$i
  done
  ip netns exec ${NS}gw1 iptables -t nat -A POSTROUTING -s $NAT_NET.0/24 -o eth0 -j MASQUERADE
}

write_etc() { # name address: "ip netns exec" mounts these files over /etc
  local etc=/etc/netns/$NS$1
  mkdir -p "$etc"
  printf 'search %s\nnameserver %s\noptions timeout:1 attempts:2\n' "$DNS_DOMAIN" $DC > "$etc/resolv.conf"
  local host; host=$(name_of "$1")
  printf '127.0.0.1 localhost\n%s %s.%s %s\n' "$2" "$host" "$DNS_DOMAIN" "$host" > "$etc/hosts"
  printf 'passwd: files winbind\ngroup: files winbind\nhosts: files dns\n' > "$etc/nsswitch.conf"
  cat > "$etc/krb5.conf" <<EOF
[libdefaults]
 default_realm = $REALM
 dns_lookup_kdc = false
 rdns = false
 udp_preference_limit = 1
[realms]
 $REALM = {
  kdc = $DC
  pkinit_kdc_hostname = $DC_FQDN
  pkinit_eku_checking = kpServerAuth
 }
[domain_realm]
 .$DNS_DOMAIN = $REALM
EOF
}

network_down() {
  local ns pid
  disown -a  # the shell would report each of its own jobs that ends here
  for ns in $(ip netns list | awk -v ns="^$NS" '$1 ~ ns {print $1}'); do
    for pid in $(ip netns pids "$ns"); do kill -9 "$pid" 2> /dev/null || true; done
    ip netns del "$ns"
  done
  rm -rf "/etc/netns/${NS:?}"*
}
