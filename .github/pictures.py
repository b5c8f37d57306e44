#!/usr/bin/env python3
"""Makes README's pictures of the terminal: python3 .github/pictures.py

Runs the demo, and an agent that is tested and asked for its status, with colour, and
draws what they print as SVG into .github.
"""
import html
import json
import os
import re
import signal
import socket
import struct
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
COLORS = {"31": "#f47067", "32": "#57ab5a", "33": "#daaa3f", "36": "#6cb6ff", "2": "#768390", "1": "#ffffff"}
WIDTH, HEIGHT = 8.4, 19  # of a character, in pixels


def spans(line):
    """The pieces of a line, each with its style."""
    color, bold, at = "#adbac7", False, 0
    for m in re.finditer(r"\x1b\[([0-9;]*)m", line):
        yield line[at : m.start()], color, bold
        at = m.end()
        color, bold = "#adbac7", False
        for code in m.group(1).split(";"):
            bold = bold or code == "1"
            color = COLORS.get(code, color)
    yield line[at:], color, bold


def draw(path, title, text):
    lines = text.rstrip("\n").split("\n")
    columns = max(len(re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in lines)
    width, height = columns * WIDTH + 32, len(lines) * HEIGHT + 60
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}" role="img">',
        f"<title>{html.escape(title)}</title>",
        '<rect width="100%" height="100%" rx="8" fill="#22272e"/>',
        *(f'<circle cx="{20 + 18 * i}" cy="18" r="5" fill="{c}"/>' for i, c in enumerate(("#f47067", "#daaa3f", "#57ab5a"))),
        '<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, DejaVu Sans Mono, monospace" font-size="14">',
    ]
    for n, line in enumerate(lines):
        x, y = 16.0, 54 + n * HEIGHT
        for piece, color, bold in spans(line):
            if piece.strip():
                weight = ' font-weight="bold"' if bold else ""
                out.append(f'<text x="{x:.1f}" y="{y}" fill="{color}"{weight} textLength="{len(piece) * WIDTH:.1f}">{html.escape(piece).replace(" ", chr(160))}</text>')
            x += len(piece) * WIDTH
    out += ["</g>", "</svg>", ""]
    with open(path, "w", encoding="utf-8") as f:
        f.write("\n".join(out))
    print("wrote", os.path.relpath(path, ROOT))


def say(command, env, *, args):
    out = subprocess.run(args, env=env, capture_output=True, text=True, check=True).stdout
    return f"\x1b[1m$ {command}\x1b[0m\n{out}"


def send_flows(where):
    """Ten seconds of a router that sees a host talk to the listed address."""
    host, port = where.removeprefix("udp://").rsplit(":", 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as router:
        for n in range(20):
            flow = struct.pack("!4s4s4sHHIIIIHHBBBBHHBBH", socket.inet_aton("10.1.2.3"), socket.inet_aton("198.51.100.7"), bytes(4), 1, 2, 10, 5000,
                               99000, 99900, 50000 + n, 443, 0, 0x1B, 6, 0, 0, 0, 24, 24, 0)
            router.sendto(struct.pack("!HHIIIIBBH", 5, 1, 100000, int(time.time()), 0, n, 0, 0, 0) + flow, (host, int(port)))
            time.sleep(0.5)


def main():
    with tempfile.TemporaryDirectory() as tmp:
        flowhound = os.path.join(tmp, "flowhound")
        subprocess.run(["go", "build", "-o", flowhound, "./cmd/flowhound"], cwd=ROOT, check=True)
        env = dict(os.environ, COLUMNS="110", TZ="UTC")
        demo = say("flowhound demo", env, args=[flowhound, "demo", "--color", "always"])
        table = demo[demo.index("SEVERITY") :].split("\n")
        keep = [line for line in table if line.strip()]
        draw(os.path.join(ROOT, ".github/hits.svg"), "flowhound demo: who talked to what, the worst first",
             "\x1b[1m$ flowhound demo\x1b[0m\n...\n" + "\n".join(keep))

        config = os.path.join(tmp, "flowhound.yaml")
        with open(os.path.join(tmp, "blacklist.txt"), "w", encoding="utf-8") as f:
            f.write("198.51.100.7\n")
        with open(config, "w", encoding="utf-8") as f:
            f.write('listen: ["udp://127.0.0.1:0"]\ndata_dir: data\nrun_dir: run\nlog: {path: alerts.log}\nweb: {listen: ""}\n'
                    "feeds: [{name: ours, type: list, path: blacklist.txt, category: c2}]\n")
        agent = subprocess.Popen([flowhound, "run", "-c", config], stderr=subprocess.DEVNULL)
        try:
            end = time.time() + 60
            while not os.path.exists(os.path.join(tmp, "run/control.sock")) and time.time() < end:
                time.sleep(0.1)
            send_flows(json.loads(subprocess.run([flowhound, "status", "-c", config, "--json"], capture_output=True, text=True, check=True).stdout)["listening"][0])
            here = ["-c", config, "--color", "always"]
            text = say("sudo flowhound test", env, args=[flowhound, "test", *here, "--home", tmp + "/none"])
            text += "\n" + say("sudo flowhound status", env, args=[flowhound, "status", *here])
        finally:
            agent.send_signal(signal.SIGTERM)
            agent.wait()
        draw(os.path.join(ROOT, ".github/status.svg"), "flowhound test and flowhound status",
             text.replace(tmp + "/alerts.log", "/var/log/flowhound/alerts.log").replace("(devel)", "1.0"))


if __name__ == "__main__":
    main()
