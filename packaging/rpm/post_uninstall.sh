if [ -d /run/systemd/system ]; then
    systemctl daemon-reload || :
    # An upgrade goes on with the new program.
    if [ "$1" -ge 1 ]; then systemctl try-restart relaywatch.service || :; fi
fi
