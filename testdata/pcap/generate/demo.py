#!/usr/bin/python3
"""Makes the demo's capture: half an hour of an office and a server network.

    sudo ./demo.py ../../../cmd/internal/demo/assets/capture.pcap.gz

Five exporters see a part each. Three are softflowd on the capture's clock; two
listen live, at real speed, so the capture ends when the script is run. The
conversations that the demo's lists know are marked with the list's file name.
"""
import sys
import threading
import time

from exporters import fprobe, pmacctd, softflowd, write_capture
from traffic import Traffic

WEB = ["198.51.100.%d" % i for i in range(10, 60)]
WEB6 = ["2001:db8:f00d::%x" % i for i in range(0x10, 0x30)]
RESOLVER, RESOLVER6 = "203.0.113.53", "2001:db8:f00d::53"
MAIL, MAIL_SERVER, SSH_SERVER = "203.0.113.25", "10.2.0.25", "10.2.0.22"
MINUTE = 60
# One idle timeout for all, so that softflowd exports in the order of time.
IDLE = [option for name in ("tcp", "tcp.fin", "tcp.rst", "udp", "icmp", "general") for option in ("-t", f"{name}=60")]


def ordinary_office(t, start, minutes, sessions, net, net6):
    """Web over both families with the DNS query before it, mail and ssh."""
    for _ in range(sessions):
        at = start + t.random.uniform(5, minutes * MINUTE)
        host = t.random.randint(10, 250)
        client, client6 = f"{net}.{host}", f"{net6}::{host:x}"
        kind = t.random.random()
        if kind < 0.25:
            t.udp(at - 0.1, client6, RESOLVER6, 53, 42, 130)
            t.tcp(at, client6, t.random.choice(WEB6), 443, 500, t.random.randint(800, 9000))
        elif kind < 0.85:
            t.udp(at - 0.1, client, RESOLVER, 53, 42, 130)
            t.tcp(at, client, t.random.choice(WEB), t.random.choice([80, 443, 443, 443]), 500, t.random.randint(800, 9000))
        elif kind < 0.95:
            t.tcp(at, client, MAIL, 993, 900, t.random.randint(500, 4000))
        else:
            t.tcp(at, client, SSH_SERVER, 22, 2500, 4000, seconds=8)


def office_west(start, minutes):
    t = Traffic(1)
    ordinary_office(t, start, minutes, 260, "10.1.4", "2001:db8:1:4")
    for minute in range(minutes):  # c2.txt: a beacon every minute, over TLS
        t.tcp(start + minute * MINUTE + 7 + t.random.random(), "10.1.4.23", "198.51.100.200", 443, 420, 910)
    for i in range(6):             # pulses.json: command and control over IPv6
        t.tcp(start + 4 * MINUTE + i * 220, "2001:db8:1:4::17", "2001:db8:bad::c2", 8443, 700, 2100)
    t.ping(start + 9 * MINUTE, "10.1.4.88", "203.0.113.240")  # watchlist.txt
    t.ping(start + 3 * MINUTE, "10.1.4.40", RESOLVER)
    t.ping(start + 5 * MINUTE, "2001:db8:1:4::40", RESOLVER6)
    return t.sorted()


def office_east(start, minutes):
    t = Traffic(2)
    ordinary_office(t, start, minutes, 220, "10.1.8", "2001:db8:1:8")
    # pulses.json: a download of 12 MB
    t.tcp(start + 11 * MINUTE, "10.1.8.81", "203.0.113.200", 80, 310, 12_000_000, seconds=25)
    for i in range(3):             # botnet.txt: peer to peer over UDP
        t.udp(start + (3 + 8 * i) * MINUTE, "10.1.8.40", "203.0.113.%d" % (209 + i), 16464, 120, 340, sport=16470, rounds=5)
    # phishing.csv, tor-exits.txt, policy.txt
    t.tcp(start + 14 * MINUTE, "10.1.8.12", "198.51.100.210", 443, 1900, 24_000)
    t.tcp(start + 16 * MINUTE, "10.1.8.9", "198.51.100.220", 9001, 6000, 48_000, seconds=40)
    t.udp(start + 19 * MINUTE, "10.1.8.66", "198.51.100.242", 6881, 90, 1200, rounds=8)
    # c2.txt: the firewall lets nothing through to this one
    for i in range(4):
        t.syn(start + 20 * MINUTE + i * 3, "10.1.8.77", "198.51.100.201", 4444, sport=50123)
    return t.sorted()


def servers(start, minutes):
    """What comes from outside, seen at the server network's router (v5: IPv4 only)."""
    t = Traffic(3)
    for _ in range(160):
        at, client = start + t.random.uniform(5, minutes * MINUTE), t.random.choice(WEB)
        if t.random.random() < 0.8:
            t.tcp(at, client, "10.2.0.80", 443, 500, t.random.randint(1000, 12_000))
        else:
            t.tcp(at, client, MAIL_SERVER, 25, t.random.randint(2000, 20_000), 400)
    # scanners.txt: a sweep of every address for telnet, unanswered
    for host in range(1, 255):
        t.syn(start + 6 * MINUTE + host * 0.5, "203.0.113.220", f"10.2.0.{host}", 23, sport=40000)
    # bruteforce.txt: log-ins tried with data both ways
    for i in range(45):
        t.tcp(start + 12 * MINUTE + i * 4, "203.0.113.230", SSH_SERVER, 22, 1400, 1900, seconds=3)
    # spam.txt: one message delivered
    t.tcp(start + 21 * MINUTE, "203.0.113.236", MAIL_SERVER, 25, 15_000, 600)
    return t.sorted()


def servers6(start):
    """The server network over IPv6, half a minute, for an exporter that listens."""
    t = Traffic(4)
    for i in range(40):
        at = start + i * 0.5
        if i % 4:
            t.tcp(at, t.random.choice(WEB6), "2001:db8:2::80", 443, 500, t.random.randint(1000, 6000))
        else:
            t.udp(at, "2001:db8:2::80", RESOLVER6, 53, 42, 130)
    for host in range(1, 60):      # scanners.txt: a sweep over IPv6
        t.syn(start + 3 + host * 0.2, "2001:db8:bad:5ca::1", f"2001:db8:2::{host:x}", 22, sport=40001)
    return t.sorted()


def branch(start):
    """A small branch office, half a minute, for an exporter that listens.

    fprobe sends full datagrams only and drops the last few flows when it ends, so
    what matters comes first.
    """
    t = Traffic(5)
    ordinary_office(t, start, 0.4, 60, "10.1.12", "2001:db8:1:c")
    for i in range(3):             # c2.txt: the same controller, from a second host
        t.tcp(start + 1 + 2 * i, "10.1.12.31", "198.51.100.200", 443, 420, 910)
    return [p for p in t.sorted() if p.haslayer("IP")]


def main():
    minutes = 27
    now = int(time.time())
    start = now - minutes * MINUTE
    datagrams = {}

    def listen(address, exporter, *args):
        datagrams[address] = exporter(*args)

    listeners = [
        threading.Thread(target=listen, args=("192.0.2.4", pmacctd, servers6(now), 10)),
        threading.Thread(target=listen, args=("192.0.2.5", fprobe, branch(now))),
    ]
    for listener in listeners:
        listener.start()
    datagrams["192.0.2.1"], _ = softflowd(office_west(start, minutes), 9, "-m", "64", *IDLE)
    datagrams["192.0.2.2"], _ = softflowd(office_east(start, minutes), 10, "-m", "64", "-A", "milli", *IDLE)
    datagrams["192.0.2.3"], _ = softflowd(servers(start, minutes), 5, "-m", "48", *IDLE)
    for listener in listeners:
        listener.join()
    for address, got in sorted(datagrams.items()):
        print(address, len(got), "datagrams", sum(len(d) for _, d in got), "bytes")
        if not got:
            sys.exit(f"the exporter {address} sent nothing")
    write_capture(sys.argv[1], datagrams)


main()
