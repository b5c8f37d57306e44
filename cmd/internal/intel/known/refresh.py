#!/usr/bin/env python3
"""Writes shared.txt and scanners.txt anew from MISP's warninglists (CC0).

    git clone --depth 1 https://github.com/MISP/misp-warninglists
    ./refresh.py misp-warninglists

Which lists stand for what is written down here. Lists of clouds, VPNs and of all
public resolvers are not among them: too many controllers live there. never.txt is kept
by hand, because each of its addresses must be verified.
"""
import ipaddress
import json
import pathlib
import re
import sys

SHARED = {"cloudflare": "cloudflare", "fastly": "fastly", "bunny-net": "bunny"}
# Of the scanners, every list of this form, and these.
SCANNERS = re.compile(r"^(.*?)(-research)?(-nt)?-scann(ing|er)$")
MORE = {"shadowserver": "shadowserver", "palo-alto-networks-cortex-xpanse": "xpanse", "umich-cse-connection-attempts": "umich"}
# These are no research projects, or say nothing of who scans.
NOT = {"check-host-net", "research-scanner-nt-scanning", "bufferover-nt-scanning"}
NAMES = {"circl-security": "circl", "circl-ssh": "circl", "internetcleanup": "internetcleanup", "coalition-signals-intelligence": "coalition"}
# No research project has more than this of the internet.
WIDEST = {4: 16, 6: 29}


def networks(path):
    for text in json.loads(path.read_text())["list"]:
        try:
            network = ipaddress.ip_network(text.strip(), strict=False)
        except ValueError:
            continue
        if network.is_global and network.prefixlen >= WIDEST[network.version]:
            yield network


def write(name, says, lists):
    lines = [f"# {line}" for line in says] + ["# Written by refresh.py; [name], then one address or network a line."]
    for owner, found in sorted(lists.items()):
        v4 = ipaddress.collapse_addresses(n for n in found if n.version == 4)
        v6 = ipaddress.collapse_addresses(n for n in found if n.version == 6)
        lines.append(f"[{owner}]")
        lines += [str(n.network_address) if n.num_addresses == 1 else str(n) for n in [*v4, *v6]]
    pathlib.Path(__file__).with_name(name).write_text("\n".join(lines) + "\n")


def main():
    shared, scanners = {}, {}
    for path in sorted(pathlib.Path(sys.argv[1]).glob("lists/*/list.json")):
        name = path.parent.name
        if name in SHARED:
            # The widest networks of a content network are its own.
            shared[SHARED[name]] = [ipaddress.ip_network(t, strict=False) for t in json.loads(path.read_text())["list"]]
            continue
        match = SCANNERS.match(name)
        owner = MORE.get(name) or match and NAMES.get(match[1], match[1])
        if owner and name not in NOT:
            scanners.setdefault(owner, []).extend(networks(path))
    if len(shared) < len(SHARED) or len(scanners) < 20:
        sys.exit("that is no clone of misp-warninglists, or its lists have other names now")
    write("shared.txt", ["Shared edge: content networks whose addresses many sites share."], shared)
    write("scanners.txt", ["Who scans: research projects that scan the whole internet and say so."], scanners)


main()
