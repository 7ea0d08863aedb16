# The real Samba part of the lab: one domain controller and two members.

SERVICE_LOG='log level = 1 auth_audit:3'

dc_up() {
  # Not the directory but the last thing done tells that an earlier "up" was not interrupted.
  [ -e "$STATE/dc1/provisioned" ] || dc_provision
  "$HERE/in_host" dc1 samba -i --no-process-group --debug-stdout -s "$STATE/dc1/etc/smb.conf" \
    > "$RUN/dc1.log" 2>&1 &
  local port
  for port in 389 445 88 53; do wait_for_port dc1 $port; done
}

dc_provision() {
  rm -rf "$STATE"/{dc1,dc2,srv1,files1,ws3}
  mkdir -p "$STATE/dc1"
  in_host dc1 samba-tool domain provision --targetdir="$STATE/dc1" --realm=$REALM --domain=$DOMAIN \
    --server-role=dc --dns-backend=SAMBA_INTERNAL --host-name=$DC_NAME --host-ip=$DC \
    --adminpass="$ADMIN_PW" --machinepass="$DC_PW" > "$RUN/provision.log" 2>&1
  # Strong authentication off is what makes a relay to LDAP possible at all, and encryption off is
  # what makes the captures readable. Both are common in the field.
  sed -i "0,/^\[global\]/s||[global]\n\
	interfaces = $DC/24 lo\n\
	bind interfaces only = yes\n\
	ldap server require strong auth = no\n\
	ntlm auth = ntlmv2-only\n\
	server smb encrypt = off\n\
	kccsrv:periodic_interval = 100000\n\
	dreplsrv:periodic_interval = 100000\n\
	$SERVICE_LOG|" "$STATE/dc1/etc/smb.conf"
  # Provisioning takes the DC itself for a forwarder, which then asks itself without end.
  sed -i '/dns forwarder/d' "$STATE/dc1/etc/smb.conf"
  # Debian's print$ comes along. Its directory appears once somebody asks for printers, and then takes no files.
  sed -i '/^\[print\$\]/,/^$/d' "$STATE/dc1/etc/smb.conf"
  key_credential_schema
  in_host dc1 samba-tool user create $ALICE "$ALICE_PW" -s "$STATE/dc1/etc/smb.conf" > /dev/null
  in_host dc1 samba-tool user create $BOB "$BOB_PW" -s "$STATE/dc1/etc/smb.conf" > /dev/null
  # Samba lets only administrators ask for printer notifications.
  in_host dc1 samba-tool group addmembers 'Domain Admins' $BOB -s "$STATE/dc1/etc/smb.conf" > /dev/null
  touch "$STATE/dc1/provisioned"
}

# Samba's schema is that of 2012 R2 and lacks msDS-KeyCredentialLink (MS-ADA2), which is of 2016.
key_credential_schema() {
  local schema=CN=Schema,CN=Configuration,$BASE_DN kind
  local edit=(-H "$STATE/dc1/private/sam.ldb" '--option=dsdb:schema update allowed=true')
  in_host dc1 ldbadd "${edit[@]}" > /dev/null <<EOF
dn: CN=ms-DS-Key-Credential-Link,$schema
objectClass: attributeSchema
attributeID: 1.2.840.113556.1.4.2328
attributeSyntax: 2.5.5.7
oMSyntax: 127
oMObjectClass:: KoZIhvcUAQEBCw==
isSingleValued: FALSE
lDAPDisplayName: msDS-KeyCredentialLink
schemaIDGUID:: D9ZHW5BgskCfNypN6I8wYw==
systemOnly: FALSE
EOF
  for kind in User Computer; do
    in_host dc1 ldbmodify "${edit[@]}" > /dev/null <<EOF
dn: CN=$kind,$schema
changetype: modify
add: mayContain
mayContain: msDS-KeyCredentialLink
EOF
  done
}

member_up() { # name address machine-password
  local name=$1 address=$2 conf=$STATE/$1/smb.conf
  member_configure "$name" "$address"
  if [ ! -e "$STATE/$name/joined" ]; then
    rm -f "$STATE/$name/private"/*.tdb
    in_host "$name" net ads join -s "$conf" -S "$DC_FQDN" -U "Administrator%$ADMIN_PW" \
      machinepass="$3" --no-dns-updates >> "$RUN/join.log" 2>&1
    touch "$STATE/$name/joined"
  fi
  "$HERE/in_host" "$name" winbindd -F --no-process-group -s "$conf" > "$RUN/$name.winbindd.log" 2>&1 &
  sleep 2
  "$HERE/in_host" "$name" smbd -F --no-process-group -s "$conf" > "$RUN/$name.smbd.log" 2>&1 &
  wait_for_port "$name" 445
}

member_configure() { # name address
  local name=$1 dir=$STATE/$1 helpers=yes encrypt=default v6=
  # On the victim our stand-ins serve the pipes in place of Samba's own RPC helpers. Samba offers
  # SMB3 encryption by default and impacket then always uses it; see set_encryption.
  [ "$name" = srv1 ] && helpers=no encrypt=off v6="$SRV6/64"
  mkdir -p "$dir"/{private,state,cache,lock,pid,share,dfsroot,spool}
  chmod 755 "$dir"; chmod 1777 "$dir/share" "$dir/spool"
  echo 'hello from the lab' > "$dir/share/hello.txt"
  ln -sfn "msdfs:$FILES\\share" "$dir/dfsroot/link1"
  cat > "$dir/smb.conf" <<EOF
[global]
	netbios name = $(name_of "$name" | tr a-z A-Z)
	workgroup = $DOMAIN
	realm = $REALM
	security = ads
	server role = member server
	interfaces = $2/24 $v6 lo
	bind interfaces only = yes
	private dir = $dir/private
	state directory = $dir/state
	cache directory = $dir/cache
	lock directory = $dir/lock
	pid directory = $dir/pid
	ncalrpc dir = /run/samba/ncalrpc
	winbindd socket directory = /run/samba/winbindd
	log file = $RUN/$name.%m.log
	$SERVICE_LOG
	machine password timeout = 0
	idmap config * : backend = tdb
	idmap config * : range = 100000-199999
	idmap config $DOMAIN : backend = rid
	idmap config $DOMAIN : range = 200000-299999
	server min protocol = SMB2_02
	server smb encrypt = $encrypt
	rpc start on demand helpers = $helpers
	printing = bsd
	load printers = no
	printcap name = /dev/null
	print command = rm -f %s
	lpq command = true
	lprm command = true
	host msdfs = yes
	panic action =
[share]
	path = $dir/share
	read only = no
	force user = root
[secret]
	path = $dir/share
	smb encrypt = required
	force user = root
[dfs]
	path = $dir/dfsroot
	msdfs root = yes
[print\$]
	path = $dir/share
	force user = root
	write list = @"$DOMAIN\\Domain Admins"
[laser]
	path = $dir/spool
	printable = yes
EOF
}

# A workstation that shares nothing but lets a print server call back, as Windows clients do.
workstation_smbd() { # name address [netbios-name]; prints nothing, runs until killed
  local dir=$STATE/$1
  mkdir -p "$dir"/{private,state,cache,lock,pid}
  cat > "$dir/smb.conf" <<EOF
[global]
	netbios name = ${3:-$(name_of "$1" | tr a-z A-Z)}
	workgroup = WORKGROUP
	server role = standalone
	interfaces = $2/24 lo
	bind interfaces only = yes
	private dir = $dir/private
	state directory = $dir/state
	cache directory = $dir/cache
	lock directory = $dir/lock
	pid directory = $dir/pid
	log file = $RUN/$1.%m.log
	map to guest = bad user
	printing = bsd
	load printers = no
	printcap name = /dev/null
	panic action =
EOF
  exec "$HERE/in_host" "$1" smbd -F --no-process-group -s "$dir/smb.conf"
}

# set_encryption off|default: SMB3 encryption offered by the victim. A reload is enough, but it
# only holds for sessions that start afterwards.
set_encryption() {
  sed -i "s/^\tserver smb encrypt = .*/\tserver smb encrypt = $1/" "$STATE/srv1/smb.conf"
  local pid
  for pid in $(ip netns pids ${NS}srv1); do
    [ "$(cat "/proc/$pid/comm" 2> /dev/null)" = smbd ] && kill -HUP "$pid"
  done
  sleep 1.5
}

dns_records() {
  local host name
  for host in "${HOSTS[@]}"; do
    name=${host%%:*}
    case $name in dc1 | drop) continue ;; esac
    in_host dc1 samba-tool dns add "$DC_FQDN" "$DNS_DOMAIN" "$(name_of "$name")" A "${host##*:}" \
      -U "Administrator%$ADMIN_PW" -s "$STATE/dc1/etc/smb.conf" > /dev/null 2>&1 || true
  done
}

wait_for_port() { # host port
  local _
  for _ in $(seq 80); do
    in_host "$1" ss -ltnH "sport = :$2" | grep -q . && return
    sleep 0.25
  done
  fail "nothing listens on port $2 of $1"
  return 1
}
