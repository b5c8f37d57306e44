"""Builds packets of ordinary conversations, to be fed to flow exporters."""
import random

from scapy.all import (ICMP, IP, TCP, UDP, Ether, ICMPv6EchoReply,
                       ICMPv6EchoRequest, IPv6)

MSS = 1400


class Traffic:
    """A list of packets with times. Every method adds one conversation and
    returns the time of its last packet."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.packets = []

    def sorted(self):
        return sorted(self.packets, key=lambda p: p.time)

    def add(self, at, src, dst, layer):
        ip = IPv6(src=src, dst=dst) if ":" in src else IP(src=src, dst=dst)
        packet = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / ip / layer
        packet.time = at
        self.packets.append(packet)

    def tcp(self, at, client, server, port, up, down, sport=None, seconds=0.4):
        """A whole TCP session: up bytes from the client, then down bytes back."""
        sport = sport or self.random.randint(32768, 60999)

        def segments(count):
            return [MSS] * (count // MSS) + ([count % MSS] if count % MSS else [])

        steps = [(True, "S", 0), (False, "SA", 0), (True, "A", 0)]
        steps += [(True, "PA", n) for n in segments(up)] + [(False, "PA", n) for n in segments(down)]
        steps += [(True, "FA", 0), (False, "FA", 0), (True, "A", 0)]
        for i, (from_client, flags, size) in enumerate(steps):
            src, dst, sp, dp = (client, server, sport, port) if from_client else (server, client, port, sport)
            self.add(at + seconds * i / len(steps), src, dst, TCP(sport=sp, dport=dp, flags=flags) / bytes(size))
        return at + seconds

    def syn(self, at, src, dst, port, sport=None):
        """One SYN that nobody answers."""
        self.add(at, src, dst, TCP(sport=sport or self.random.randint(32768, 60999), dport=port, flags="S"))
        return at

    def udp(self, at, client, server, port, up, down, sport=None, rounds=1):
        """Request and answer, rounds times, from one port."""
        sport = sport or self.random.randint(32768, 60999)
        for i in range(rounds):
            self.add(at + i * 0.1, client, server, UDP(sport=sport, dport=port) / bytes(up))
            if down:
                self.add(at + i * 0.1 + 0.02, server, client, UDP(sport=port, dport=sport) / bytes(down))
        return at + rounds * 0.1

    def ping(self, at, src, dst, count=3):
        """Echo requests and their replies."""
        request, reply = (ICMPv6EchoRequest, ICMPv6EchoReply) if ":" in src else (
            lambda **kw: ICMP(type=8, **kw), lambda **kw: ICMP(type=0, **kw))
        for i in range(count):
            self.add(at + i, src, dst, request(id=7, seq=i) / bytes(56))
            self.add(at + i + 0.03, dst, src, reply(id=7, seq=i) / bytes(56))
        return at + count
