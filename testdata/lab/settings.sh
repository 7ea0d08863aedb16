# Names, addresses and accounts of the lab. Sourced by every script here; the stand-ins read
# the exported variables, so nothing is written down twice.

# Labs with different LAB_ID live side by side: namespaces rw$LAB_ID-*, state and logs of their own.
export LAB_ID=${LAB_ID:-}
export NS=rw$LAB_ID-

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TESTDATA=$(dirname "$HERE")
CAPTURES=${LAB_OUT:-$HERE/out}  # what "lab.sh run" records; testdata/captures ships a selection
export LAB_DIR=${LAB_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/relaywatch-lab}
export STATE=$LAB_DIR/state$LAB_ID     # Samba databases; delete it for a fresh domain
export PYTHONDONTWRITEBYTECODE=1
export RUN=$LAB_DIR/run$LAB_ID         # logs of the current run, thrown away with it

IMPACKET=$LAB_DIR/venv-impacket/bin
COERCER=$LAB_DIR/venv-coercer/bin    # Coercer pins an old impacket, hence its own environment
CLIENTS=$LAB_DIR/venv-clients/bin

# The network has no route to anywhere else. The stand-ins refuse every other address.
export LAB_NET=10.10.0.0/24
export LAB_NET6=fd10::/64 # host .N is also fd10::N
NAT_NET=10.10.1
export DC=10.10.0.10        # Samba AD domain controller, DNS, KDC, LDAP
export SRV=10.10.0.20  # the victim: real smbd in front, coercible RPC stand-ins behind
FILES=10.10.0.21     # ordinary Samba member: shares, DFS root, printer
export CA=10.10.0.30        # stand-in AD CS web enrolment, and a small web application
PROXY=10.10.0.40     # haproxy in front of the web application
WS1=10.10.0.50       # workstation
WS2=10.10.0.51       # second workstation
GW=10.10.0.60        # NAT gateway; pc1 and pc2 sit behind it
EVIL=10.10.0.66      # the attacker
DROP=10.10.0.67      # a second host of the attacker, so that a listener need not be the caller
SRV6=fd10::20 EVIL6=fd10::66
export DC1_V4=$DC DC1_V6=fd10::10 SRV1_V4=$SRV SRV1_V6=$SRV6 # as victim.py looks them up
HOSTS=(dc1:$DC srv1:$SRV files1:$FILES ca1:$CA proxy1:$PROXY ws1:$WS1 ws2:$WS2 gw1:$GW evil:$EVIL drop:$DROP)

# Throw-away accounts of a domain that exists only while the lab runs. They are listed in each
# capture's JSON (must_not_appear), so that a test can look for them in our own output.
export DOMAIN=LAB REALM=LAB.EXAMPLE
ADMIN_PW='Adm1n-of-the-lab!'
export ALICE_PW='Alice-likes-Tea-7'
BOB_PW='Bob-prints-A4-paper'
DC_PW='dc1-Machine-7ad5'
SRV_PW='srv1-Machine-0fc3'
FILES_PW='files1-Machine-9b21'
export ACCOUNTS="Administrator:$ADMIN_PW alice:$ALICE_PW bob:$BOB_PW DC1\$:$DC_PW SRV1\$:$SRV_PW FILES1\$:$FILES_PW"

# in_host NAME COMMAND...: run a command on one of the lab's hosts. In the background call the
# program itself: $! of a function is a shell around the command, and killing that does not end it.
in_host() { "$HERE/in_host" "$@"; }
