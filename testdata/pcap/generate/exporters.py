"""Runs real flow exporters over a packet capture and keeps what they send.

softflowd reads a capture on the capture's own clock. fprobe and pmacctd listen
to an interface, so they get a network namespace of their own and a veth pair
that tcpreplay feeds. The payloads stay what the exporter sent, byte for byte;
only the Ethernet, IP and UDP headers that write_capture puts around them are
ours, so that each exporter has an address of its own.
"""
import contextlib
import gzip
import os
import re
import socket
import struct
import subprocess
import tempfile
import time

from scapy.all import IP, UDP, Ether, rdpcap, wrpcap
from scapy.utils import RawPcapWriter

COLLECTOR = "192.0.2.250"
PORT = 2055


def softflowd(packets, version, *options):
    """Flows of packets as datagrams [(capture time, payload)], and how many
    flow records softflowd says that it put into them.

    -a puts softflowd on the capture's clock. -m is small because, reading a
    file, softflowd looks for flows to expire only once in -m packets, and then
    exports the oldest above -m: that spreads the datagrams over the capture.
    """
    with tempfile.TemporaryDirectory() as tmp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        wrpcap(f"{tmp}/in.pcap", packets)
        # -c none: while it reads a file, softflowd may wait for ever on its control socket.
        said = subprocess.run(
            ["softflowd", "-r", "in.pcap", "-n", "127.0.0.1:%d" % s.getsockname()[1], "-v", str(version),
             "-a", "-d", "-p", "pid", "-c", "none", *options],
            cwd=tmp, check=True, timeout=60, capture_output=True, text=True)
        s.setblocking(False)
        got = []
        with contextlib.suppress(BlockingIOError):
            while True:
                got.append(s.recv(65535))
        records = int(re.search(r"Flows exported: \d+ \((\d+) records\)", said.stdout + said.stderr)[1])
        return [(export_time(d), d) for d in got], records


def fprobe(packets):
    """NetFlow v5 of packets, listened to live: the times are today's."""
    return live(packets, lambda tmp, nic: [
        "fprobe", "-i", nic, "-f", "ip", "-s", "1", "-d", "2", "-e", "10", "-l", "2", f"127.0.0.1:{PORT}"])


def pmacctd(packets, version):
    """pmacctd's nfprobe plugin, NetFlow v9 or IPFIX (10), listened to live."""
    def command(tmp, nic):
        with open(f"{tmp}/conf", "w") as f:
            f.write(f"""daemonize: false
pcap_interface: {nic}
plugins: nfprobe
aggregate: src_host, dst_host, src_port, dst_port, proto, tos, tcpflags
nfprobe_receiver: 127.0.0.1:{PORT}
nfprobe_version: {version}
nfprobe_timeouts: tcp=5:tcp.rst=2:tcp.fin=2:udp=5:icmp=5:general=5:maxlife=10:expint=1
""")
        return ["pmacctd", "-f", f"{tmp}/conf"]
    return live(packets, command)


def live(packets, command):
    """Replays packets at their own speed before an exporter in a namespace."""
    ns = "flowhound-%d-%d" % (os.getpid(), id(packets) % 10007)

    def run(*args, **kw):
        return subprocess.run(args, check=True, timeout=300, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **kw)

    def start(*args):
        return subprocess.Popen(["ip", "netns", "exec", ns, *args], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    with tempfile.TemporaryDirectory() as tmp:
        wrpcap(f"{tmp}/in.pcap", packets)
        run("ip", "netns", "add", ns)
        try:
            run("ip", "-n", ns, "link", "set", "lo", "up")
            run("ip", "-n", ns, "link", "add", "feed", "type", "veth", "peer", "name", "probe")
            for nic in ("feed", "probe"):
                # No IPv6 on the pair: the kernel's own chatter is not our traffic.
                run("ip", "netns", "exec", ns, "sysctl", "-qw", f"net.ipv6.conf.{nic}.disable_ipv6=1")
                run("ip", "-n", ns, "link", "set", nic, "up")
            dump = start("tcpdump", "--immediate-mode", "-i", "lo", "-U", "-w", f"{tmp}/out.pcap", "udp", "port", str(PORT))
            probe = start(*command(tmp, "probe"))
            time.sleep(3)
            run("ip", "netns", "exec", ns, "tcpreplay", "-q", "-i", "feed", f"{tmp}/in.pcap")
            time.sleep(15)  # longer than every timeout above: what is left expires by itself
            for p in (probe, dump):
                p.terminate()
                p.wait(timeout=10)
                time.sleep(1)  # what the probe sends while it ends has to reach tcpdump
            return [(float(p.time), bytes(p[UDP].payload)) for p in rdpcap(f"{tmp}/out.pcap") if p[UDP].dport == PORT]
        finally:
            run("ip", "netns", "del", ns)


def export_time(datagram):
    """When the exporter's header says that it sent the datagram.

    v9 and IPFIX headers hold whole seconds only, cut off: the end of that
    second is the earliest time that no flow in the datagram lies behind. Flows
    of v5 are told in milliseconds of uptime, so they may lie one behind.
    """
    version = struct.unpack(">H", datagram[:2])[0]
    if version == 5:
        secs, nsecs = struct.unpack(">II", datagram[8:16])
        return secs + nsecs / 1e9 + 0.001
    if version == 9:
        return struct.unpack(">I", datagram[8:12])[0] + 0.999
    return struct.unpack(">I", datagram[4:8])[0] + 0.999


def write_capture(path, exporters):
    """Writes {exporter address: datagrams} as one gzipped capture in time order."""
    merged = sorted((at, address, n, payload) for address, datagrams in exporters.items()
                    for n, (at, payload) in enumerate(datagrams))
    with tempfile.NamedTemporaryFile() as tmp:
        w = RawPcapWriter(tmp.name, linktype=1, nano=False)
        w.write_header(None)
        for at, address, n, payload in merged:
            packet = bytes(Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") /
                           IP(src=address, dst=COLLECTOR) / UDP(sport=49152, dport=PORT) / payload)
            w.write_packet(packet, sec=int(at), usec=int(at % 1 * 1e6))
        w.close()
        with open(tmp.name, "rb") as f, open(path, "wb") as out:
            # No name and no time in the gzip header: the same flows are the same file.
            with gzip.GzipFile(filename="", mode="wb", fileobj=out, mtime=0, compresslevel=9) as z:
                z.write(f.read())
    return merged
