#!/bin/bash
# Installs what the lab needs: Debian packages, and Python environments under LAB_DIR.
# Debian 12, root. Nothing is left running: policy-rc.d keeps apt from starting daemons.
set -euo pipefail
. "$(dirname "$0")/settings.sh"

if [ ! -e /usr/sbin/policy-rc.d ]; then
  printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d
  chmod +x /usr/sbin/policy-rc.d
  trap 'rm -f /usr/sbin/policy-rc.d' EXIT
fi
apt-get update -q
DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
  samba samba-ad-dc samba-ad-provision samba-common-bin samba-dsdb-modules samba-vfs-modules \
  winbind libnss-winbind smbclient ldb-tools krb5-user acl attr \
  python3 python3-venv python3-samba \
  samba-testsuite krb5-pkinit nmap squid dnsmasq-base isc-dhcp-client isc-dhcp-server avahi-daemon avahi-utils llmnrd dnsutils socat \
  iproute2 iptables ethtool tcpdump tshark haproxy openssl curl zstd
[ -e /etc/krb5.conf ] || touch /etc/krb5.conf  # each host's own copy is mounted over it

mkdir -p "$LAB_DIR"
for name in impacket coercer clients mitm6 certipy; do
  [ -d "$LAB_DIR/venv-$name" ] || /usr/bin/python3 -m venv "$LAB_DIR/venv-$name"
done
# ntlmrelayx --adcs still uses OpenSSL.crypto.X509Req, which pyOpenSSL 24 removed.
"$IMPACKET/pip" install -q 'impacket==0.13.1' 'pyOpenSSL<24' 'setuptools<80'
"$COERCER/pip" install -q 'coercer==2.4.3'
"$CLIENTS/pip" install -q 'impacket==0.13.1' 'cryptography' 'pycryptodomex' 'pyspnego' \
  'requests-ntlm' 'smbprotocol' 'ldap3' 'pycryptodome' 'PySocks'
"$MITM6/pip" install -q 'mitm6==0.3.0' 'setuptools<80'
"$CERTIPY/pip" install -q 'certipy-ad==4.8.2' 'impacket==0.12.0' 'setuptools<80'
