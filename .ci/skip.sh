# skip NAME REASON: says that a check is skipped, and sets `failed` if .ci/skips does not allow it.
skip() {
    echo "skipped: $1: $2"
    if ! grep -q "^$1"$'\t' .ci/skips; then
        echo "FAILED: $1 is skipped and not in .ci/skips"
        failed=1
    fi
}
