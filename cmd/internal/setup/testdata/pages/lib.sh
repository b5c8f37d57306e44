# What the scripts of pages have at hand. They run in their order on one machine, as root,
# with set -e.

# page NAME: the page whose blocks are used from here on.
page() { page=$1; }

fail() {
	echo "FAIL: $*"
	exit 1
}

# found WORDS: the file of the block that begins so; a block is found once.
found() {
	n=$(awk -F'\t' -v p="$page" -v w="$1" '$2 == p && index($3, w) == 1 { print $1 }' /flowhound/blocks/index |
		while read -r n; do [ -e "/flowhound/blocks/$n.used" ] || { echo "$n"; break; }; done)
	[ -n "$n" ] || fail "$page has no block that begins with $1"
	: >"/flowhound/blocks/$n.used"
}

# text WORDS: prints a block.
text() {
	found "$1"
	cat "/flowhound/blocks/$n"
}

# block WORDS [SED]: does what a block says, in a shell, changed as SED says. Of a block with
# prompts the commands are what stands behind them, and what they print is kept.
block() {
	found "$1"
	b=/flowhound/blocks/$n
	if grep -q '^\$ ' "$b"; then
		sed -n 's/^\$ //p' "$b" | sed "${2:-}" >/tmp/commands
		while read -r line <&3; do
			echo "$ $line"
			sh -ec "$line" >/tmp/said 2>&1 || fail "exit status $?: $(cat /tmp/said)"
			cat /tmp/said
			cat /tmp/said >>"$b.out"
		done 3</tmp/commands
	else
		sed "${2:-}" "$b" | sed 's/^/$ /'
		sh -ec "$(sed "${2:-}" "$b")" || fail "exit status $?"
	fi
}

# await COMMAND: waits until it succeeds.
await() {
	end=$(($(date +%s) + 90))
	while [ "$(date +%s)" -lt $end ]; do
		if sh -ec "$1" >/tmp/awaited 2>&1; then return 0; fi
		sleep 0.2
	done
	fail "$1: $(cat /tmp/awaited)"
}

# config: what stands in the standard input becomes part of the configuration, in place of
# sections of the same names, as a person would with an editor.
config() {
	cat >/tmp/section
	for key in $(grep -o '^[a-z_]*:' /tmp/section); do
		awk -v k="$key" 'index($0, k) == 1 { skip = 1; next } /^[a-z]/ { skip = 0 } !skip' /etc/flowhound/flowhound.yaml >/tmp/rest
		cat /tmp/rest >/etc/flowhound/flowhound.yaml
	done
	cat /tmp/section >>/etc/flowhound/flowhound.yaml
	flowhound check >/tmp/checked || fail "$(cat /tmp/checked /tmp/section)"
}

# flow SRC DST: a router sends a flow, of a connection that was answered.
flow() {
	python3 - "$1" "$2" <<'END'
import socket, struct, sys, time
now = int(time.time())
a, b = (socket.inet_aton(x) for x in sys.argv[1:])
head = struct.pack('>HHIIIIBBH', 5, 2, 1000000, now, 0, int(time.time_ns() // 1000) & 0xffffffff, 0, 0, 0)
def record(src, dst, sport, dport):
    return src + dst + bytes(4) + struct.pack('>HHIIIIHHBBBBHHBBH', 1, 2, 10, 4000, 990000, 999000, sport, dport, 0, 0x1b, 6, 0, 0, 0, 0, 0, 0)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('127.0.0.1', 0))
s.sendto(head + record(a, b, 50000, 443) + record(b, a, 443, 50000), ('127.0.0.1', 2055))
END
}
