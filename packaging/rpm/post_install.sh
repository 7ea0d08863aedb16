systemd-sysusers relaywatch.conf
# As the service makes them when it starts; -T wants them before.
install -d -o relaywatch -g relaywatch -m 0750 /var/log/relaywatch
install -d -o relaywatch -g relaywatch -m 0700 /var/lib/relaywatch
key=/etc/relaywatch/relaywatch.key
if [ ! -e "$key" ]; then
    (umask 077 && head -c 32 /dev/urandom >"$key")
    chown relaywatch:relaywatch "$key"
fi
if [ -d /run/systemd/system ]; then systemctl daemon-reload || :; fi
if [ "$1" = 1 ]; then
    echo "relaywatch: name the mirror interface in /etc/relaywatch/relaywatch.toml, then run: systemctl enable --now relaywatch"
fi
