#!/bin/sh
# Installs flowhound on this host, or into a folder for a package: the program, its
# output plugins, man pages, completions, a configuration, a user, its folders and a
# service; then lets "flowhound install" wire it into OSSEC or Wazuh. Running it again changes only
# what differs. It prints every change and takes all of them back when one fails.
# It fetches nothing: binaries are taken from the folder bin beside it, or built
# from the sources with Go.
#
# As root it trusts nobody: commands come from the system's folders alone, it writes
# only where nobody but root can change a path, never through a link, and what is
# to be done inside a folder of flowhound's user is done as that user.
set -eu
unset CDPATH
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/go/bin:/snap/bin
export PATH

usage() {
	cat <<'END'
usage: ./install.sh [option ...]

  --prefix DIR    program in DIR/bin, plugins in DIR/lib/flowhound (/usr/local)
  --destdir DIR   install below DIR instead of /, for images and packages
  --upgrade       also restart a flowhound that runs
  --restart       also restart OSSEC or Wazuh when it has something new to read
  --no-ossec      leave OSSEC and Wazuh alone: flowhound install wires them later
  --uninstall     take everything out but configuration, data and logs
  --purge         with --uninstall: those too, and the user
  --dry-run       show what would change, and change nothing
  --help
END
}

prefix=/usr/local
destdir=
mode=install
upgrade=no
restart=
ossec=yes
purge=no
dry=no

fail() {
	printf 'install.sh: %s\n' "$*" >&2
	exit 1
}

wrong() {
	printf 'install.sh: %s\n\n' "$*" >&2
	usage >&2
	exit 2
}

while [ $# -gt 0 ]; do
	case $1 in
	--prefix | --destdir)
		[ $# -ge 2 ] || wrong "$1 needs a folder"
		case $2 in /*) ;; *) wrong "$1 needs an absolute path, not $2" ;; esac
		if [ "$1" = --prefix ]; then prefix=${2%/}; else destdir=${2%/}; fi
		shift
		;;
	--upgrade) upgrade=yes ;;
	--restart) restart=--restart ;;
	--no-ossec) ossec=no ;;
	--uninstall) mode=uninstall ;;
	--purge) purge=yes ;;
	--dry-run) dry=yes ;;
	--help | -h) usage && exit 0 ;;
	*) wrong "unknown option $1" ;;
	esac
	shift
done
[ "$purge" = no ] || [ "$mode" = uninstall ] || wrong "--purge goes with --uninstall"

here=$(cd -- "$(dirname -- "$0")" && pwd)
umask 022
bin=$prefix/bin/flowhound
plugins=$prefix/lib/flowhound
outputs="syslog elasticsearch webhook"
user=flowhound
man=$prefix/share/man/man8
bash_completion=$prefix/share/bash-completion/completions/flowhound
zsh_completion=$prefix/share/zsh/site-functions/_flowhound
fish_completion=$prefix/share/fish/vendor_completions.d/flowhound.fish
work=
signed=
saves=0
made=

# --- what is done can be undone ---

say() { printf '%s\n' "$*"; }

would() { # would WORDS: prints them in a dry run, which then does nothing
	[ "$dry" = yes ] || return 1
	say "would $*"
}

note() { printf '%s\n' "$*" >>"$work/undo"; } # a line of shell, before what it undoes; run last to first

undo() { # undo STATUS: ends with it
	status=$1
	trap '' HUP INT TERM # a second signal would leave the rest
	trap - EXIT
	if [ "$status" -ne 0 ] && [ -n "$work" ] && [ -s "$work/undo" ]; then
		say "install.sh failed: undoing its changes" >&2
		sed -n '1!G;h;$p' "$work/undo" >"$work/undo.sh"
		(
			set +e
			# shellcheck source=/dev/null
			. "$work/undo.sh"
		) || true
		left=$(still_there)
		if [ -z "$left" ]; then
			say "everything is as it was before" >&2
		else
			say "these are left; check them and remove them by hand:" >&2
			say "$left" >&2
		fi
	fi
	[ -z "$work" ] || rm -rf "$work"
	exit "$status"
}

begin() {
	caught=
	trap 'caught=129' HUP
	trap 'caught=130' INT
	trap 'caught=143' TERM
	work=$(mktemp -d)
	: >"$work/undo"
	trap 'undo $?' EXIT
	trap 'undo 129' HUP
	trap 'undo 130' INT
	trap 'undo 143' TERM
	[ -z "$caught" ] || exit "$caught"
}

# still_there: what this run has made and undo has left.
still_there() {
	[ -s "$work/news" ] || return 0
	while read -r path; do
		if [ -e "$path" ] || [ -L "$path" ]; then say "  $path"; fi
	done <"$work/news"
	if grep -q "^user$" "$work/news" && known_user; then say "  the user $user"; fi
}

news() { printf '%s\n' "$1" >>"$work/news"; } # news PATH: it was not there before

known_user() { id "$user" >/dev/null 2>&1; }

is_root() { [ "$(id -u)" -eq 0 ]; }

on_host() { [ -z "$destdir" ] && is_root; }

own() { # own OWNER PATH: only root can, and in a destdir only for users that are there
	if ! is_root || ! known_user; then return 0; fi
	chown -h "$1" "$2"
}

as_user() { # as_user COMMAND: a line of shell as flowhound's user, whose folders are its own to change
	(cd / && su -s /bin/sh "$user" -c "$1")
}

# trusted PATH: fails when anybody but root can change the way to PATH. A link on it
# counts as where it leads.
trusted() {
	on_host || return 0
	where=$(cd -P -- "$(dirname "$1")" && pwd -P)
	while :; do
		if [ -n "$(find "$where" -prune ! -user root)" ]; then
			fail "$where does not belong to root, so root does not write into it: chown root $where"
		fi
		if [ -n "$(find "$where" -prune -perm -002 ! -perm -1000)" ]; then
			fail "everyone may change $where, so root does not write into it: chmod o-w $where"
		fi
		[ "$where" != / ] || break
		where=$(dirname "$where")
	done
	where=$(cd -P -- "$(dirname "$1")" && pwd -P)
	if [ -n "$(find "$where" -prune -perm -002)" ]; then
		fail "everyone may write into $where, so root does not: chmod o-w $where"
	fi
}

parents() { # parents PATH: makes the folders above it, which a failure takes back
	above=$(dirname "$1")
	[ ! -d "$above" ] || return 0
	(parents "$above")
	note "rmdir '$above' 2>/dev/null"
	news "$above"
	mkdir "$above"
}

folder() { # folder PATH MODE OWNER: makes a folder in one of root's
	if [ -d "$destdir$1" ]; then return 0; fi
	would "make $1" && return 0
	parents "$destdir$1"
	trusted "$destdir$1"
	case $3 in
	root:*) note "rmdir '$destdir$1' 2>/dev/null" ;;
	*) note "(gone_of_user '$1') >/dev/null" ;; # with what the service has written there
	esac
	news "$destdir$1"
	mkdir -m 0700 "$destdir$1"
	made=$1 made_mode=$2 made_owner=$3
}

hand_over() { # gives the folder that was just made its owner, who may do what it likes there from now on
	[ -n "$made" ] || return 0
	own "$made_owner" "$destdir$made"
	chmod "$made_mode" "$destdir$made"
	say "made $made"
	made=
}

# into FILE MODE OWNER: FILE gets standard input, whole or not at all.
into() {
	trusted "$1"
	new=$(dirname "$1")/.flowhound.$$
	note "rm -f '$new'"
	rm -f "$new" # which is nobody's link then
	(umask 077 && cat >"$new")
	own "$3" "$new"
	chmod "$2" "$new" # a running program may not be written over, but renamed over
	mv -f "$new" "$1"
}

put() { # put SOURCE PATH MODE OWNER
	target=$destdir$2
	[ ! -L "$target" ] || fail "$2 is a symbolic link, and root does not write through links: remove it, or put a file in its place"
	if [ -f "$target" ] && cmp -s "$1" "$target"; then return 0; fi
	[ ! -d "$target" ] || fail "$2 is a folder, and a file belongs there"
	would "write $2" && return 0
	parents "$target"
	if [ -e "$target" ]; then
		saves=$((saves + 1))
		saved=$work/old.$saves
		cp -p "$target" "$saved"
		note "cp -p '$saved' '$(dirname "$target")/.flowhound.$$' && mv -f '$(dirname "$target")/.flowhound.$$' '$target'"
	else
		note "rm -f '$target'"
		news "$target"
	fi
	into "$target" "$3" "$4" <"$1"
	say "wrote $2"
}

keep() { # keep SOURCE PATH MODE OWNER: as put, but what is there is somebody's own
	if [ -e "$destdir$2" ]; then return 0; fi
	put "$@"
}

gone() { # gone PATH
	[ -e "$destdir$1" ] || [ -L "$destdir$1" ] || return 0
	would "remove $1" && return 0
	trusted "$destdir$1"
	rm -rf -- "$destdir$1"
	say "removed $1"
}

gone_of_user() { # gone_of_user PATH: what flowhound's user has in there goes as that user
	if on_host && known_user && [ "$dry" = no ] && [ -d "$1" ] && [ ! -L "$1" ]; then
		as_user "find '$1' -mindepth 1 -delete" 2>/dev/null || true
	fi
	gone "$1"
}

# agents: the processes that run this program as an agent, however they were started.
agents() {
	for proc in /proc/[0-9]*; do
		case $(readlink "$proc/exe" 2>/dev/null) in
		"$bin" | "$bin (deleted)") ;;
		*) continue ;;
		esac
		if tr '\0' '\n' <"$proc/cmdline" 2>/dev/null | sed -n 2p | grep -qx run; then say "${proc#/proc/}"; fi
	done
}

# stop_agents: stops the agents that no service manager started.
stop_agents() {
	if ! on_host || [ "$dry" = yes ]; then return 0; fi
	tries=0
	while running=$(agents) && [ -n "$running" ]; do
		for pid in $running; do kill -TERM "$pid" 2>/dev/null || true; done
		[ "$tries" -gt 0 ] || say "stopping flowhound, process $(say "$running" | tr '\n' ' ')"
		tries=$((tries + 1))
		[ "$tries" -lt 150 ] || return 1
		sleep 0.1
	done
}

# --- the parts ---

binaries() { # leaves the folder with all binaries in $built
	if [ -x "$here/bin/flowhound" ]; then
		built=$here/bin
		return
	fi
	built=$work/bin
	command -v go >/dev/null || fail "there is no $here/bin/flowhound and no Go in $PATH to build it with (https://go.dev/dl)"
	mkdir "$built"
	say "building flowhound and its output plugins"
	(
		cd "$here"
		export CGO_ENABLED=0
		go build -trimpath -ldflags '-s -w' -o "$built/flowhound" ./cmd/flowhound
		for o in $outputs; do go build -trimpath -ldflags '-s -w' -o "$built/flowhound-output-$o" "./plugin/$o"; done
	)
}

account() {
	if known_user || [ -n "$destdir" ]; then return 0; fi
	would "add the user $user" && return 0
	if command -v useradd >/dev/null; then
		note "userdel '$user' 2>/dev/null"
		news user
		useradd --system --user-group --home-dir /var/lib/flowhound --no-create-home --shell /usr/sbin/nologin "$user"
	elif command -v adduser >/dev/null; then # BusyBox
		note "deluser '$user' 2>/dev/null"
		news user
		addgroup -S "$user"
		adduser -S -D -H -h /var/lib/flowhound -s /sbin/nologin -G "$user" "$user"
	else
		fail "neither useradd nor adduser is there: add the user $user by hand and run this again"
	fi
	say "added the user $user"
}

folders() {
	folder /etc/flowhound 0750 "root:$user"
	hand_over
	folder /var/lib/flowhound 0751 "$user:$user" # others pass to export
	if [ -n "$made" ]; then # it is root's alone until it is handed over
		note "rmdir '$destdir$made/export' 2>/dev/null"
		mkdir -m 0755 "$destdir$made/export"
		own "$user:$user" "$destdir$made/export"
		hand_over
		say "made /var/lib/flowhound/export"
	elif [ ! -d "$destdir/var/lib/flowhound/export" ] && ! would "make /var/lib/flowhound/export"; then
		if on_host; then
			as_user 'mkdir -m 0755 /var/lib/flowhound/export' || fail "$user cannot make /var/lib/flowhound/export: check the owner of /var/lib/flowhound"
		else
			mkdir -m 0755 "$destdir/var/lib/flowhound/export"
			own "$user:$user" "$destdir/var/lib/flowhound/export"
		fi
		say "made /var/lib/flowhound/export"
	fi
	folder /var/log/flowhound 0750 "$user:$user"
	hand_over
}

configuration() {
	keep "$here/cmd/internal/config/example.yaml" /etc/flowhound/flowhound.yaml 0640 "root:$user"
	printf '# Addresses, networks or ranges, one a line.\n' >"$work/blacklist.txt"
	keep "$work/blacklist.txt" /etc/flowhound/blacklist.txt 0640 "root:$user"
	for key in "$destdir"/etc/flowhound/*.key; do
		if [ ! -f "$key" ] || [ -L "$key" ] || [ -z "$(find "$key" -perm -004)" ]; then continue; fi
		would "close $key to others" && continue
		trusted "$key"
		chmod 0640 "$key"
		own "root:$user" "$key"
		say "made ${key#"$destdir"} private"
	done
}

# Which service manager is there: systemd, openrc or none. An image has systemd.
manager() {
	if [ -n "$destdir" ] || [ -d /run/systemd/system ]; then
		echo systemd
	elif [ -x /sbin/openrc-run ]; then
		echo openrc
	else
		echo none
	fi
}

# What the kernel allowed before flowhound came: it stands in the file that raises it,
# so that --uninstall can put it back.
buffers=/proc/sys/net/core/rmem_max
was_buffer() { # what it was, as the file on this host says; nothing where it does not
	sed -n 's/^# before flowhound: \([0-9][0-9]*\)$/\1/p' "$destdir/etc/sysctl.d/60-flowhound.conf" 2>/dev/null || true
}

units=/etc/systemd/system
service() {
	case $(manager) in
	systemd)
		[ -n "$destdir" ] || [ "$dry" = yes ] || note "systemctl daemon-reload"
		for u in flowhound.service flowhound-reload.service flowhound-reload.path flowhound-reload.timer; do
			sed "s:/usr/local/bin/flowhound:$bin:" "$here/integrations/systemd/$u" >"$work/$u"
			put "$work/$u" "$units/$u" 0644 root:root
		done
		;;
	openrc)
		sed "s:/usr/local/bin/flowhound:$bin:" "$here/integrations/openrc/flowhound" >"$work/openrc"
		put "$work/openrc" /etc/init.d/flowhound 0755 root:root
		;;
	esac
	was=$(was_buffer)
	if [ -z "$was" ] && on_host; then was=$(cat "$buffers" 2>/dev/null || true); fi
	cp "$here/integrations/systemd/sysctl.conf" "$work/sysctl.conf"
	[ -z "$was" ] || printf '# before flowhound: %s\n' "$was" >>"$work/sysctl.conf"
	put "$work/sysctl.conf" /etc/sysctl.d/60-flowhound.conf 0644 root:root
}

# signature: a release that is signed must be as it was signed. The key of what is
# installed counts: who changes a release may change the key in it too.
signature() {
	if [ ! -f "$here/SHA256SUMS.minisig" ]; then
		[ ! -e "$destdir$plugins/signed" ] || say "note: $here has no signature, and what is installed had one: make sure where it comes from"
		return 0
	fi
	key=$destdir$plugins/release.pub
	[ -f "$key" ] || key=$here/integrations/packages/release.pub
	if ! command -v minisign >/dev/null; then
		say "note: the signature of this release was not checked: install minisign, or check it elsewhere"
		return 0
	fi
	minisign -V -q -p "$key" -m "$here/SHA256SUMS" >/dev/null 2>&1 ||
		fail "SHA256SUMS is not signed with the key in $key: download the release again; if the project has a new key, put that there"
	(cd "$here" && sha256sum -c SHA256SUMS >/dev/null 2>&1) || fail "files in $here differ from those that were signed: download the release again"
	[ "$(find "$here" -type f ! -name SHA256SUMS ! -name SHA256SUMS.minisig | wc -l)" -eq "$(wc -l <"$here/SHA256SUMS")" ] ||
		fail "$here has files that were not signed: unpack the release into a folder of its own"
	case $key in
	"$here"/*) say "checked the signature of the release with $key, which came with it: compare that with the project's own page" ;;
	*) say "checked the signature of the release with $key" ;;
	esac
	signed=yes
}

# pages: all man pages at once, as there are many; what an older version had goes.
pages() {
	if [ "$(cat "$from"/man/* | cksum)" = "$(cat "$destdir$man"/flowhound*.8* 2>/dev/null | cksum)" ]; then return 0; fi
	would "write $man/flowhound*.8" && return 0
	parents "$destdir$man/flowhound.8"
	trusted "$destdir$man/flowhound.8"
	mkdir "$work/pages"
	cp -p "$destdir$man"/flowhound*.8* "$work/pages/" 2>/dev/null || true
	note "rm -f '$destdir$man'/flowhound*.8*; cp -p '$work/pages'/* '$destdir$man/' 2>/dev/null"
	rm -f "$destdir$man"/flowhound*.8* # links too
	cp "$from"/man/* "$destdir$man/"
	chmod 0644 "$destdir$man"/flowhound*.8*
	say "wrote $man/flowhound*.8"
}

# extras: man pages and completions, and the key that the next release is checked with.
extras() {
	from=$here
	if [ ! -d "$here/man" ] || [ ! -d "$here/completion" ]; then
		from=$work/extras
		mkdir -p "$from/man" "$from/completion"
		if ! "$built/flowhound" man "$from/man" >/dev/null 2>&1; then # made for another kind of machine
			say "note: no man pages and completions: $built/flowhound does not run here"
			return 0
		fi
		"$built/flowhound" completion bash >"$from/completion/flowhound.bash"
		"$built/flowhound" completion zsh >"$from/completion/_flowhound"
		"$built/flowhound" completion fish >"$from/completion/flowhound.fish"
	fi
	pages
	put "$from/completion/flowhound.bash" "$bash_completion" 0644 root:root
	put "$from/completion/_flowhound" "$zsh_completion" 0644 root:root
	put "$from/completion/flowhound.fish" "$fish_completion" 0644 root:root
	keep "$here/integrations/packages/release.pub" "$plugins/release.pub" 0644 root:root
	if [ -n "$signed" ]; then # the next one without a signature is then told of
		printf 'The installed release was signed.\n' >"$work/signed"
		put "$work/signed" "$plugins/signed" 0644 root:root
	else
		[ ! -e "$destdir$plugins/signed" ] || note "printf 'The installed release was signed.\\n' >'$destdir$plugins/signed'"
		gone "$plugins/signed"
	fi
	# --uninstall removes the folders that were made for them, and no others.
	if [ "$dry" = yes ]; then return 0; fi
	{
		cat "$destdir$plugins/folders" 2>/dev/null || true
		grep -s "^$destdir$prefix/share" "$work/news" | while read -r path; do
			[ ! -d "$path" ] || say "${path#"$destdir"}"
		done
	} | sort -u >"$work/folders"
	[ ! -s "$work/folders" ] || put "$work/folders" "$plugins/folders" 0644 root:root
}

# What the configuration has the service write to besides its own folders.
paths() {
	if [ "$(manager)" != systemd ] || [ -n "$destdir" ] || [ "$dry" = yes ]; then return 0; fi
	as_user "'$bin' check --paths" >"$work/paths" 2>/dev/null || return 0
	if [ -s "$work/paths" ]; then
		{
			echo "# Made by install.sh of what flowhound.yaml has the service write to. Run"
			echo "# install.sh again after a change."
			echo "[Service]"
			sed 's:^:ReadWritePaths=-:' "$work/paths"
		} >"$work/paths.conf"
		put "$work/paths.conf" "$units/flowhound.service.d/paths.conf" 0644 root:root
	else
		gone "$units/flowhound.service.d/paths.conf"
	fi
}

start() {
	if [ -n "$destdir" ] || [ "$dry" = yes ]; then return 0; fi
	now=$(cat "$buffers" 2>/dev/null || true)
	[ -z "$now" ] || note "sysctl -q -w net.core.rmem_max=$now 2>/dev/null"
	sysctl -q -p /etc/sysctl.d/60-flowhound.conf 2>/dev/null || say "note: net.core.rmem_max could not be set; in a container set it on the host"
	case $(manager) in
	systemd)
		systemctl daemon-reload
		running=no
		systemctl is-active --quiet flowhound && running=yes
		if [ "$running" = yes ] && [ "$upgrade" = yes ]; then
			: >"$work/restarted"
			systemctl restart flowhound
			say "restarted flowhound"
		elif [ "$running" = no ]; then
			note "systemctl disable --quiet --now flowhound 2>/dev/null"
			systemctl enable --quiet --now flowhound
			say "started flowhound; it starts with the system from now on"
		else
			say "flowhound was not restarted; to use this version: systemctl restart flowhound"
		fi
		;;
	openrc)
		rc-service flowhound status >/dev/null 2>&1 || note "rc-service flowhound stop >/dev/null 2>&1; rc-update -q del flowhound 2>/dev/null"
		rc-update -q add flowhound default
		if [ "$upgrade" = yes ]; then rc-service flowhound restart; else rc-service flowhound start; fi
		;;
	none)
		say "no systemd or OpenRC here. Run these two lines at each boot, as root (integrations/openrc/README.md):"
		say "  install -d -m 0700 -o $user -g $user /run/flowhound"
		say "  su -s /bin/sh $user -c 'exec $bin run' >/dev/null 2>&1 &"
		running=$(agents | paste -sd ' ' -)
		[ -z "$running" ] || say "flowhound runs already; to use this version: kill $running; then run the second line again"
		;;
	esac
}

# wire COMMAND: has flowhound wire itself into OSSEC or Wazuh, or out of it. Where
# neither is installed there is nothing to do.
wire() {
	if [ "$ossec" = no ]; then
		[ "$1" = uninstall ] || say "OSSEC and Wazuh were not changed; to connect flowhound later: sudo $bin install --restart"
		return 0
	fi
	program=$destdir$bin
	[ -x "$program" ] || program=${built:-}/flowhound
	[ -x "$program" ] || return 0
	set -- "$1" --root "${destdir:-/}"
	[ -z "$restart" ] || set -- "$@" "$restart"
	[ "$dry" = no ] || set -- "$@" --dry-run
	if out=$("$program" "$@" 2>&1); then
		say "$out"
		offer
		return 0
	fi
	case $out in
	*"neither OSSEC nor Wazuh"*)
		[ "$1" = uninstall ] || say "note: neither OSSEC nor Wazuh is in /var/ossec; to connect flowhound with one: sudo $bin install --restart, with --home FOLDER where it is elsewhere"
		;;
	*"flowhound: not wired: "*) # a person has to change something there; flowhound works without
		say "note: OSSEC or Wazuh was not changed: ${out#*flowhound: }"
		;;
	*) fail "$out" ;;
	esac
}

# offer asks whether to restart the engine, where somebody is there to answer.
offer() {
	case $out in *"restart it to take this over"*) ;; *) return 0 ;; esac
	if [ -n "$destdir" ] || [ "$dry" = yes ] || [ ! -t 0 ] || [ ! -t 1 ]; then return 0; fi
	printf 'Restart it now? It reads flowhound'"'"'s lines from then on. [y/N] '
	read -r answer || return 0
	case $answer in
	[yY]*) "$program" install --restart || say "note: it was not restarted; see above" ;;
	esac
}

uninstall() {
	if [ -z "$destdir" ] && [ "$dry" = no ]; then
		case $(manager) in
		systemd) systemctl disable --quiet --now flowhound flowhound-reload.path 2>/dev/null || true ;;
		openrc)
			rc-service flowhound stop || true
			rc-update -q del flowhound || true
			;;
		esac
	fi
	stop_agents || fail "flowhound is still running, process $(agents | tr '\n' ' '): stop it, then run this again; nothing was removed"
	wire uninstall
	was=$(was_buffer)
	ours=$(sed -n 's/^net.core.rmem_max = //p' "$here/integrations/systemd/sysctl.conf")
	if on_host && [ "$dry" = no ] && [ -n "$was" ] && [ "$(cat "$buffers" 2>/dev/null)" = "$ours" ]; then
		if sysctl -q -w "net.core.rmem_max=$was" 2>/dev/null; then
			say "set net.core.rmem_max to $was again"
		else
			say "note: net.core.rmem_max stays $ours until the next boot; before flowhound it was $was"
		fi
	fi
	for p in "$units/flowhound.service" "$units/flowhound-reload.service" "$units/flowhound-reload.path" "$units/flowhound-reload.timer" "$units/flowhound.service.d" \
		/etc/init.d/flowhound /etc/sysctl.d/60-flowhound.conf "$bin" "$bash_completion" "$zsh_completion" "$fish_completion" "$plugins/release.pub" "$plugins/signed"; do
		gone "$p"
	done
	if [ -n "$(find "$destdir$man" -name 'flowhound*.8*' 2>/dev/null)" ] && ! would "remove $man/flowhound*.8"; then
		trusted "$destdir$man/flowhound.8"
		rm -f -- "$destdir$man"/flowhound*.8*
		say "removed $man/flowhound*.8"
	fi
	folders=$(sort -r "$destdir$plugins/folders" 2>/dev/null || true)
	gone "$plugins/folders"
	if [ "$dry" = no ] && [ -n "$folders" ]; then
		say "$folders" | while read -r p; do rmdir "$destdir$p" 2>/dev/null || true; done
	fi
	for o in $outputs; do gone "$plugins/flowhound-output-$o"; done
	if [ "$dry" = no ]; then
		rmdir "$destdir$plugins" 2>/dev/null || true
		case $prefix in
		/usr | /usr/local) ;;
		*) rmdir "$destdir$prefix/bin" "$destdir$prefix/lib" "$destdir$prefix" 2>/dev/null || true ;; # where nobody else has anything in them
		esac
	fi
	[ -n "$destdir" ] || [ "$(manager)" != systemd ] || [ "$dry" = yes ] || systemctl daemon-reload
	if [ "$purge" = yes ]; then
		for p in /var/lib/flowhound /var/log/flowhound; do gone_of_user "$p"; done
		if on_host && known_user && [ -d /run/flowhound ] && ! would "remove /run/flowhound"; then
			as_user "find /run/flowhound -mindepth 1 -delete" 2>/dev/null || true
			rmdir /run/flowhound 2>/dev/null && say "removed /run/flowhound"
		fi
		gone /etc/flowhound
		if [ -z "$destdir" ] && known_user && ! would "remove the user $user"; then
			userdel "$user" 2>/dev/null || deluser "$user"
			say "removed the user $user"
		fi
	else
		say "kept /etc/flowhound, /var/lib/flowhound and /var/log/flowhound (--purge removes them)"
	fi
}

[ "$(id -u)" -eq 0 ] || [ -n "$destdir" ] || [ "$dry" = yes ] || fail "run this as root, or with --dry-run or --destdir"
begin
if [ "$mode" = uninstall ]; then
	: >"$work/undo"
	uninstall
	exit 0
fi
signature
binaries
if on_host && [ "$(manager)" = systemd ]; then
	note "[ ! -e '$work/restarted' ] || systemctl restart flowhound" # as the old one, which is back by then
fi
account
folders
put "$built/flowhound" "$bin" 0755 root:root
for o in $outputs; do put "$built/flowhound-output-$o" "$plugins/flowhound-output-$o" 0755 root:root; done
extras
configuration
service
paths
start
wire install
[ -n "$destdir" ] || [ "$dry" = yes ] || say "done: put feeds into /etc/flowhound/flowhound.yaml, point your routers at UDP port 2055 of this host, then check with: flowhound doctor"
