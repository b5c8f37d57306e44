#!/usr/bin/env python3
"""Writes the captures of the cases below beside itself: what exporters send that no
program at hand does, laid out after what their users published. Run it, then
go test -run Golden -update . and read what that wrote."""
import os, socket, struct

SECONDS, UPTIME = 1780833600, 3_600_000
HERE = os.path.dirname(os.path.abspath(__file__))
FIVE = [(8, 4), (12, 4), (7, 2), (11, 2), (4, 1)]


def ip(a):
    return socket.inet_aton(a)


def five(n, dst="198.51.100.7"):
    return ip("192.0.2.%d" % (n + 33)) + ip(dst) + struct.pack(">HHB", 40000 + n, 443, 6)


def aset(number, content):
    content += bytes(-len(content) % 4)
    return struct.pack(">HH", number, 4 + len(content)) + content


def specs(fields):
    return b"".join(struct.pack(">HH", f[0], f[1]) if len(f) == 2 else struct.pack(">HHI", f[0] | 0x8000, f[1], f[2]) for f in fields)


def template(number, fields):
    return struct.pack(">HH", number, len(fields)) + specs(fields)


def v9(sequence, sets, domain=0):
    return struct.pack(">HHIIII", 9, len(sets), UPTIME, SECONDS, sequence, domain) + b"".join(sets)


def ipfix(sequence, sets, domain=0):
    b = b"".join(sets)
    return struct.pack(">HHIII", 10, 16 + len(b), SECONDS, sequence, domain) + b


def v9options(number, scopes, fields):
    return aset(1, struct.pack(">HHH", number, 4 * len(scopes), 4 * len(fields)) + specs(scopes + fields))


def ipfixoptions(number, scopes, fields):
    return aset(3, struct.pack(">HHH", number, len(scopes + fields), len(scopes)) + specs(scopes + fields))


def varied(b):
    return bytes([len(b)]) + b


def capture(name, datagrams):
    os.makedirs(os.path.join(HERE, name), exist_ok=True)
    with open(os.path.join(HERE, name, "capture.pcap"), "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101))
        for i, d in enumerate(datagrams):
            udp = struct.pack(">HHHH", 40000, 2055, 8 + len(d), 0) + d
            head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + ip("192.0.2.1") + ip("192.0.2.10")
            total = sum(struct.unpack(">10H", head))
            total = (total & 0xFFFF) + (total >> 16)
            head = head[:10] + struct.pack(">H", ~total & 0xFFFF) + head[12:]
            f.write(struct.pack("<IIII", SECONDS + i, 0, len(head) + len(udp), len(head) + len(udp)) + head + udp)


def catalyst():
    """A table of samplers under the source id of another process, flows that do not name theirs."""
    flow = FIVE + [(1, 4), (2, 4)]
    yield v9(0, [v9options(259, [(1, 4)], [(48, 4), (49, 1), (50, 2)]), aset(259, struct.pack(">IIBH", 0, 1, 2, 100))], 6)
    yield v9(0, [aset(0, template(260, flow)), aset(260, five(0) + struct.pack(">II", 1000, 10))], 256)


def interfaces():
    """A sampling rate for each interface (RFC 3954 section 6.1)."""
    flow = FIVE + [(1, 4), (2, 4), (10, 4)]
    yield v9(0, [v9options(259, [(2, 4)], [(34, 4), (35, 1)]), aset(259, struct.pack(">IIB", 1, 100, 1) + struct.pack(">IIB", 5, 2000, 1))])
    yield v9(1, [aset(0, template(260, flow)), aset(260, b"".join(five(n) + struct.pack(">III", 1000, 10, n) for n in (1, 5, 7)))])


def selectors():
    """PSAMP: one selector by probability, one by hash, one of flows."""
    flow = FIVE + [(1, 8), (2, 8), (302, 8)]
    yield ipfix(0, [
        ipfixoptions(256, [(302, 8)], [(304, 2), (311, 8)]), aset(256, struct.pack(">QHd", 1, 4, 0.001)),
        ipfixoptions(257, [(302, 8)], [(304, 2), (329, 8), (330, 8), (331, 8), (332, 8)]), aset(257, struct.pack(">QHQQQQ", 2, 6, 0, 65535, 0, 1023)),
        ipfixoptions(258, [(302, 8)], [(390, 2), (396, 4), (397, 4)]), aset(258, struct.pack(">QHII", 3, 1, 1, 49))])
    yield ipfix(3, [aset(2, template(260, flow)), aset(260, b"".join(five(n) + struct.pack(">QQQ", 1000, 10, n) for n in (1, 2, 3)))])


def meraki():
    """Elements 23 and 24 count the answer."""
    flow = FIVE + [(1, 4), (2, 4), (23, 4), (24, 4)]
    counts = [(530, 6, 638, 10), (2000, 30, 90000, 60)] * 5 + [(90000, 60, 2000, 30), (60, 1, 0, 0)]
    yield v9(0, [aset(0, template(260, flow)), aset(260, b"".join(five(n) + struct.pack(">IIII", *c) for n, c in enumerate(counts)))])


def yaf():
    """TCP flags of both directions in a list of records of several templates."""
    flow = FIVE + [(85, 8), (86, 8), (85, 8, 29305), (86, 8, 29305), (293, 0xFFFF)]
    flags = [(14, 1, 6871), (15, 1, 6871), (14 | 0x4000, 1, 6871), (15 | 0x4000, 1, 6871)]
    parts = b"\x03" + struct.pack(">HH", 301, 12) + ip("203.0.113.9") + struct.pack(">I", 60) + struct.pack(">HH", 300, 8) + bytes([2, 0x1B, 0x12, 0x1B])
    yield ipfix(0, [aset(2, template(260, flow) + template(300, flags) + template(301, [(8, 4), (199, 4, 6871)]))])
    yield ipfix(0, [aset(260, b"".join(five(n) + struct.pack(">QQQQ", 1000, 10, 2000, 20) + varied(parts) for n in range(2)))])


def lists():
    """A security event whose attackers and targets are lists (RFC 6313 section 8.5), and flows in a list."""
    yield ipfix(0, [aset(2, template(260, [(4, 1), (1, 4), (293, 0xFFFF)]) + template(261, [(150, 4), (292, 0xFFFF)])
                         + template(300, [(8, 4)]) + template(301, [(12, 4), (11, 2)]) + template(302, FIVE + [(1, 4)]))])
    attackers = struct.pack(">HH", 300, 12) + ip("192.0.2.33") + ip("192.0.2.34")
    targets = struct.pack(">HH", 301, 16) + ip("198.51.100.7") + struct.pack(">H", 443) + ip("203.0.113.9") + struct.pack(">H", 22)
    flows = b"\x03" + struct.pack(">H", 302) + five(1) + struct.pack(">I", 500) + five(2) + struct.pack(">I", 700)
    yield ipfix(0, [aset(260, struct.pack(">BI", 6, 1000) + varied(b"\x03" + attackers + targets)), aset(261, struct.pack(">I", SECONDS) + varied(flows))])


def counters():
    """Counters and addresses under other names."""
    number = 260
    for n, (octets, packets) in enumerate([(401, 402), (391, 392), (20, 19), (352, 430), (353, 431)]):
        yield ipfix(n, [aset(2, template(number + n, FIVE + [(octets, 8), (packets, 8)])), aset(number + n, five(n) + struct.pack(">QQ", 1000, 10))])


def prefixes():
    """Addresses as networks with their masks, and of a repeated counter the first."""
    yield ipfix(0, [aset(2, template(270, [(44, 4), (45, 4), (9, 1), (13, 1), (1, 4), (1, 4)])), aset(270, ip("192.0.2.33") + ip("198.51.100.7") + bytes([32, 24]) + struct.pack(">II", 1000, 0))])


def processes():
    """Two pmacct on one firewall: one address and source id, each with numbers of its own."""
    flow = FIVE + [(1, 4), (2, 4)]
    yield v9(1000, [aset(0, template(260, flow))])
    for n in range(60):
        yield v9(1001 + n // 2 if n % 2 else 9000 + n // 2, [aset(260, five(n) + struct.pack(">II", 1000, 10))])


for case in (catalyst, interfaces, selectors, meraki, yaf, lists, counters, prefixes, processes):
    capture("odd-" + case.__name__, list(case()))
