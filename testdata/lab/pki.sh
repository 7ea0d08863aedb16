# Certificates for logon (PKINIT): an authority, the domain controller's KDC, one member and one user.

PKI=$STATE/pki

pki_up() {
  mkdir -p "$PKI"
  if [ ! -s "$PKI/alice.pem" ]; then
    openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj '/CN=lab logon authority' -keyout "$PKI/ca.key" \
      -out "$PKI/ca.pem" 2> /dev/null
    certificate dc1 "$DC_FQDN" "extendedKeyUsage=1.3.6.1.5.2.3.5,serverAuth
subjectAltName=DNS:$DC_FQDN,otherName:1.3.6.1.5.2.2;SEQUENCE:kdc
[kdc]
realm=EXP:0,GeneralString:$REALM
name=EXP:1,SEQUENCE:kdc_name
[kdc_name]
type=EXP:0,INTEGER:1
parts=EXP:1,SEQUENCE:kdc_parts
[kdc_parts]
first=GeneralString:krbtgt
second=GeneralString:$REALM"
    logon_certificate files1 "${FILES_NAME^^}\$"
    logon_certificate alice "$ALICE"
  fi
  cat >> "/etc/netns/${NS}dc1/krb5.conf" <<KDC
[kdc]
 enable-pkinit = yes
 pkinit_identity = FILE:$PKI/dc1.pem,$PKI/dc1.key
 pkinit_anchors = FILE:$PKI/ca.pem
 pkinit_principal_in_certificate = yes
 pkinit_win2k = no
 pkinit_win2k_require_binding = yes
KDC
}

logon_certificate() { # file account: client authentication and smart card logon, named by UPN; $ is special to openssl
  certificate "$1" "$2" "extendedKeyUsage=clientAuth,1.3.6.1.5.2.3.4,1.3.6.1.4.1.311.20.2.2
subjectAltName=otherName:1.3.6.1.4.1.311.20.2.3;UTF8:${2//\$/\\\$}@$REALM"
}

certificate() { # file common-name extensions
  printf '%s\n' "[v3]
basicConstraints=CA:FALSE
keyUsage=digitalSignature,keyEncipherment
$3" > "$PKI/$1.ext"
  openssl req -new -newkey rsa:2048 -nodes -subj "/CN=$2" -keyout "$PKI/$1.key" -out "$PKI/$1.csr" 2> /dev/null
  openssl x509 -req -in "$PKI/$1.csr" -CA "$PKI/ca.pem" -CAkey "$PKI/ca.key" -CAcreateserial -days 3650 \
    -extfile "$PKI/$1.ext" -extensions v3 -out "$PKI/$1.pem" 2> /dev/null
}
