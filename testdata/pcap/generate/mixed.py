#!/usr/bin/python3
"""Makes the end-to-end captures: one and the same mixed traffic as softflowd
exports it in NetFlow v5, v9, IPFIX and bidirectional IPFIX, the traffic itself
for a softflowd that runs live, and a manifest of what is in them.

    ./mixed.py ..

The clock is fixed, so that the same softflowd writes the same files. The
addresses that the manifest calls planted stand in ../../feed.
"""
import gzip
import json
import sys
import tempfile

from exporters import softflowd, write_capture
from scapy.all import wrpcap
from traffic import Traffic

START = 1795428000  # 2026-11-23T10:00:00Z
FORMATS = [("v5", 5, "192.0.2.5", []), ("v9", 9, "192.0.2.9", []), ("ipfix", 10, "192.0.2.10", ["-A", "milli"]),
           ("ipfix-biflow", 10, "192.0.2.11", ["-A", "milli", "-b"])]


def ordinary(t):
    """200 conversations over two minutes that no list knows."""
    for i in range(200):
        at = START + t.random.uniform(0, 100)
        if i % 5 == 0:
            t.udp(at, "2001:db8:1::%x" % (16 + i), "2001:db8:f00d::53", 53, 42, 130)
        elif i % 5 == 1:
            t.tcp(at, "2001:db8:1::%x" % (16 + i), "2001:db8:f00d::80", 443, 400, 1900)
        elif i % 5 == 2:
            t.udp(at, "10.1.0.%d" % (16 + i), "198.51.100.53", 53, 42, 130)
        else:
            t.tcp(at, "10.1.0.%d" % (16 + i), "198.51.100.%d" % (60 + i % 8), 443, 400, 1900)
    t.ping(START + 30, "10.1.0.20", "198.51.100.53")
    t.ping(START + 31, "2001:db8:1::20", "2001:db8:f00d::53")


def planted(t):
    """Conversations with listed addresses; returns what the manifest says of them."""
    plants = []

    def plant(local, remote, category, proto, port, direction, state, conversations, answered):
        plants.append({"local": local, "remote": remote, "category": category, "proto": proto, "port": port,
                       "direction": direction, "state": state, "conversations": conversations,
                       "records": conversations * (2 if answered else 1),
                       # softflowd takes ICMP's type for a port, so it never pairs request and reply.
                       "biflow_records": conversations * (2 if proto == 1 else 1)})

    for i in range(5):
        t.tcp(START + 10 + 20 * i, "10.1.0.7", "203.0.113.7", 443, 420, 910)
    plant("10.1.0.7", "203.0.113.7", "c2", 6, 443, "outbound", "established", 5, True)
    for i in range(3):
        t.tcp(START + 12 + 30 * i, "2001:db8:1::7", "2001:db8:bad::7", 8443, 420, 910)
    plant("2001:db8:1::7", "2001:db8:bad::7", "c2", 6, 8443, "outbound", "established", 3, True)
    t.syn(START + 33, "10.1.0.8", "203.0.113.8", 4444)
    plant("10.1.0.8", "203.0.113.8", "malware", 6, 4444, "outbound", "attempt", 1, False)
    t.udp(START + 40, "10.1.0.9", "203.0.113.65", 16464, 120, 340, sport=16470)
    plant("10.1.0.9", "203.0.113.65", "botnet", 17, 16464, "outbound", "established", 1, True)
    t.tcp(START + 50, "203.0.113.130", "10.1.0.10", 22, 1400, 1900)
    plant("10.1.0.10", "203.0.113.130", "bruteforce", 6, 22, "inbound", "established", 1, True)
    for host in range(1, 33):
        t.syn(START + 60 + host * 0.3, "203.0.113.140", "10.1.0.%d" % host, 23, sport=40000)
    plant("10.1.0.0/16", "203.0.113.140", "scanner", 6, 23, "inbound", "attempt", 32, False)
    t.ping(START + 80, "10.1.0.11", "203.0.113.150")
    plant("10.1.0.11", "203.0.113.150", "policy", 1, 0, "outbound", "established", 1, True)
    return plants


def main(folder):
    t = Traffic(11)
    ordinary(t)
    plants = planted(t)
    packets = t.sorted()
    with tempfile.NamedTemporaryFile() as tmp, open(f"{folder}/traffic.pcap.gz", "wb") as out:
        wrpcap(tmp.name, packets)
        with gzip.GzipFile(filename="", mode="wb", fileobj=out, mtime=0) as z:
            z.write(open(tmp.name, "rb").read())
    captures = []
    for name, version, exporter, options in FORMATS:
        datagrams, records = softflowd(packets, version, *options)
        write_capture(f"{folder}/mixed-{name}.pcap.gz", {exporter: datagrams})
        captures.append({"file": f"mixed-{name}.pcap.gz", "version": version, "exporter": exporter, "biflow": "-b" in options,
                         "datagrams": len(datagrams), "records": records})
    manifest = {"start": START, "local": ["10.1.0.0/16", "2001:db8:1::/48"], "captures": captures, "planted": plants}
    with open(f"{folder}/manifest.json", "w") as f:
        json.dump(manifest, f, indent=1)
        f.write("\n")


main(sys.argv[1])
