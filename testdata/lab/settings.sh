# Names, addresses and accounts of the lab. Sourced by every script here; the stand-ins read
# the exported variables, so nothing is written down twice.

# Labs with different LAB_ID live side by side: namespaces rw$LAB_ID-*, state and logs of their own.
export LAB_ID=${LAB_ID:-}
export NS=rw$LAB_ID-

# LAB_SEED varies addresses, names, accounts and ports; without it everything is as in the documents.
export LAB_SEED=${LAB_SEED:-}

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TESTDATA=$(dirname "$HERE")
CAPTURES=${LAB_OUT:-$HERE/out}  # what "lab.sh run" records; testdata/captures ships a selection
export LAB_DIR=${LAB_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/relaywatch-lab}
export STATE=$LAB_DIR/state$LAB_ID${LAB_SEED:+-varied}  # Samba databases; delete it for a fresh domain
export PYTHONDONTWRITEBYTECODE=1
export RUN=$LAB_DIR/run$LAB_ID         # logs of the current run, thrown away with it

IMPACKET=$LAB_DIR/venv-impacket/bin
MITM6=$LAB_DIR/venv-mitm6/bin
CERTIPY=$LAB_DIR/venv-certipy/bin    # its relay needs an older impacket
COERCER=$LAB_DIR/venv-coercer/bin    # Coercer pins an old impacket, hence its own environment
CLIENTS=$LAB_DIR/venv-clients/bin

# --- what a seed varies --------------------------------------------------------------------------

PREFIX=10.10.0   # first three octets; .100 and above are for DHCP and for addresses that move
NAT_NET=10.10.1
OCTETS=(10 11 20 21 22 30 40 50 51 52 60 66 67)
NAMES=(dc1 dc2 srv1 files1 nas1 ca1 proxy1 ws1 ws2 ws3 gw1 evil drop)
export DOMAIN=LAB REALM=LAB.EXAMPLE
export ALICE=alice BOB=bob PASSWORD_TAIL=
export DYNAMIC_PORT=49664 FORWARD_PORT=3128 WEB_PORT=8080
LOCAL_PORTS='32768 60999'
if [ -n "$LAB_SEED" ]; then eval "$(python3 "$HERE/vary.py" "$LAB_SEED")"; fi

# --- addresses and names -------------------------------------------------------------------------

# The network has no route to anywhere else. The stand-ins refuse every other address.
export LAB_NET=$PREFIX.0/24 LAB_NET6=fd10::/64  # host .N is also fd10::N
export DC=$PREFIX.${OCTETS[0]}       # Samba AD domain controller, DNS, KDC, LDAP
export DC2=$PREFIX.${OCTETS[1]}      # a second one, only in the scenario that replicates
export SRV=$PREFIX.${OCTETS[2]}      # the victim: real smbd in front, coercible RPC stand-ins behind
export FILES=$PREFIX.${OCTETS[3]}    # ordinary Samba member: shares, DFS root, printer
export NAS=$PREFIX.${OCTETS[4]}      # an embedded file server that is no member of the domain
export CA=$PREFIX.${OCTETS[5]}       # stand-in AD CS web enrolment, and a small web application
export PROXY=$PREFIX.${OCTETS[6]}    # haproxy in front of the web application
export WS1=$PREFIX.${OCTETS[7]}      # workstation
export WS2=$PREFIX.${OCTETS[8]}      # second workstation
export WS3=$PREFIX.${OCTETS[9]}      # third workstation, whose address may change
export GW=$PREFIX.${OCTETS[10]}      # NAT gateway and router; pc1 and pc2 sit behind it
export EVIL=$PREFIX.${OCTETS[11]}    # the attacker
export DROP=$PREFIX.${OCTETS[12]}    # a second host of the attacker, so that a listener need not be the caller
HOSTS=(dc1:$DC dc2:$DC2 srv1:$SRV files1:$FILES nas1:$NAS ca1:$CA proxy1:$PROXY ws1:$WS1 ws2:$WS2 ws3:$WS3
  gw1:$GW evil:$EVIL drop:$DROP)

SRV6=fd10::${SRV##*.} EVIL6=fd10::${EVIL##*.}
export DC1_V4=$DC DC1_V6=fd10::${DC##*.} SRV1_V4=$SRV SRV1_V6=$SRV6  # as victim.py looks them up

# The scripts call a host by its key (dc1, srv1, ...); on the wire it has its name of NAMES.
keys=(dc1 dc2 srv1 files1 nas1 ca1 proxy1 ws1 ws2 ws3 gw1 evil drop)
HOSTNAMES=" "
for i in "${!keys[@]}"; do HOSTNAMES+="${keys[i]}=${NAMES[i]} "; done
export HOSTNAMES
unset keys i
name_of() { local rest=${HOSTNAMES#*" $1="}; [ "$rest" = "$HOSTNAMES" ] && echo "$1" || echo "${rest%% *}"; }
export DC_NAME=${NAMES[0]} DC2_NAME=${NAMES[1]} SRV_NAME=${NAMES[2]} FILES_NAME=${NAMES[3]} CA_NAME=${NAMES[5]}
export DNS_DOMAIN=${REALM,,}
export DC_FQDN=$DC_NAME.$DNS_DOMAIN FILES_FQDN=$FILES_NAME.$DNS_DOMAIN SRV_FQDN=$SRV_NAME.$DNS_DOMAIN PROXY_FQDN=${NAMES[6]}.$DNS_DOMAIN
BASE_DN=DC=${DNS_DOMAIN//./,DC=}

# Throw-away accounts of a domain that exists only while the lab runs. They are listed in each
# capture's JSON (must_not_appear), so that a test can look for them in our own output.
ADMIN_PW='Adm1n-of-the-lab!'$PASSWORD_TAIL
export ALICE_PW='Alice-likes-Tea-7'$PASSWORD_TAIL
export BOB_PW='Bob-prints-A4-paper'$PASSWORD_TAIL
DC_PW='dc1-Machine-7ad5'$PASSWORD_TAIL
SRV_PW='srv1-Machine-0fc3'$PASSWORD_TAIL
FILES_PW='files1-Machine-9b21'$PASSWORD_TAIL
export ACCOUNTS="Administrator:$ADMIN_PW $ALICE:$ALICE_PW $BOB:$BOB_PW ${DC_NAME^^}\$:$DC_PW ${SRV_NAME^^}\$:$SRV_PW ${FILES_NAME^^}\$:$FILES_PW"

# in_host NAME COMMAND...: run a command on one of the lab's hosts. In the background call the
# program itself: $! of a function is a shell around the command, and killing that does not end it.
in_host() { "$HERE/in_host" "$@"; }
