# SPDX-License-Identifier: BSD-2-Clause
"""What the end-to-end tests share: a lab of namespaces, an agent on its edge, clients, TAP lines."""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

ROOT = os.environ.get("SLUICE_ROOT") or os.path.realpath(os.path.join(os.path.dirname(__file__), "../.."))
BUILD = os.environ.get("SLUICE_BUILD") or os.path.join(ROOT, "build")
SLUICED = os.environ.get("SLUICED") or os.path.join(BUILD, "sluiced")
SLUICECTL = os.environ.get("SLUICECTL") or os.path.join(BUILD, "sluicectl")
TMP = os.environ.get("TEST_TMPDIR") or "/tmp"
LONG = os.environ.get("SLUICE_LONG") == "1"
SANITIZED = os.environ.get("SLUICE_SANITIZED") == "1"
VIP = "198.18.100.1"


class Tap:
    """Counts and prints results; exit with tap.done()."""

    def __init__(self):
        self.n = 0
        self.failed = 0

    def ok(self, good, sentence, why=""):
        self.n += 1
        self.failed += not good
        print(f"{'ok' if good else 'not ok'} {self.n} - {sentence}", flush=True)
        if not good and why:
            print("\n".join("# " + line for line in str(why).splitlines()), flush=True)
        return good

    def done(self):
        print(f"1..{self.n}", flush=True)
        sys.exit(1 if self.failed or not self.n else 0)


def wait_until(condition, timeout_s=10.0, step_s=0.02):
    """The first true value of condition(), or its last one once the time is over."""
    end = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value or time.monotonic() > end:
            return value
        time.sleep(step_s)


class Lab:
    """scripts/lab up and down; nodes c1, c2, edge, b1, b2."""

    def __init__(self):
        self.prefix = f"t{os.getpid()}"
        self.children = []
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    def __enter__(self):
        subprocess.run([f"{ROOT}/scripts/lab", "up", self.prefix], check=True)
        return self

    def __exit__(self, *_):
        for child in self.children:
            if child.poll() is None:
                child.kill()
                child.wait()
        subprocess.run([f"{ROOT}/scripts/lab", "down", self.prefix], check=False)

    def argv(self, node, *argv):
        return ["nsenter", f"--net=/run/netns/{self.prefix}-{node}", "--", *argv]

    def run(self, node, *argv, **kw):
        kw.setdefault("capture_output", True)
        kw.setdefault("text", True)
        kw.setdefault("timeout", 60)
        return subprocess.run(self.argv(node, *argv), **kw)

    def start(self, node, *argv, **kw):
        child = subprocess.Popen(self.argv(node, *argv), **kw)
        self.children.append(child)
        return child

    def python(self, node, code, *argv, **kw):
        """A child that runs Python code in the node's network."""
        return self.start(node, "/usr/bin/python3", "-c", code, *argv, **kw)

    def web(self, node, address, port):
        """A web server on a backend that answers with its own name; waits until it listens."""
        # TCPServer's bind: that of HTTPServer asks a resolver for the name of its address, for seconds.
        code = ("import http.server,socketserver,sys\n"
                "class H(http.server.BaseHTTPRequestHandler):\n"
                " protocol_version='HTTP/1.1'\n"
                " disable_nagle_algorithm=True\n"
                " wbufsize=65536\n"
                " def do_GET(s):\n"
                "  b=sys.argv[1].encode()+b'\\n'\n"
                "  s.send_response(200);s.send_header('Content-Length',str(len(b)))\n"
                "  s.end_headers();s.wfile.write(b)\n"
                " def do_POST(s):\n"
                "  s.rfile.read(int(s.headers['Content-Length']));s.do_GET()\n"
                " def log_message(s,*a): pass\n"
                "class S(http.server.ThreadingHTTPServer):\n"
                " address_family=10 if ':' in sys.argv[2] else 2\n"
                " request_queue_size=1024\n"
                " daemon_threads=True\n"
                " server_bind=socketserver.TCPServer.server_bind\n"
                "S((sys.argv[2],int(sys.argv[3])),H).serve_forever()\n")
        child = self.python(node, code, node, address, str(port), stderr=subprocess.DEVNULL)
        if not wait_until(lambda: listens(self, node, port, address)):
            raise RuntimeError(f"the web server on {node} does not listen")
        return child


def listens(lab, node, port, address=""):
    """At that address, or at any."""
    return f"{address.join('[]') if ':' in address else address}:{port} " in lab.run(node, "ss", "-Htln").stdout


def starved_s(agent):
    """
    How long the agent's processes have waited for a CPU, and this machine for those below it (steal). Promises of
    time assume that it need not wait: by what this has grown meanwhile a test allows for the other load of its machine.
    """
    ns = 0
    for pid in agent.pids():
        with open(f"/proc/{pid}/schedstat", encoding="ascii") as f:
            ns += int(f.read().split()[1])
    with open("/proc/stat", encoding="ascii") as f:
        steal = int(f.readline().split()[8])
    return ns / 1e9 + steal / os.sysconf("SC_CLK_TCK")


def certificate(folder, *names):
    """A self-signed pair for the names; returns the paths of chain and key."""
    chain, key = os.path.join(folder, names[0] + ".crt"), os.path.join(folder, names[0] + ".key")
    alt = ",".join("DNS:" + n for n in names)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30", "-subj",
                    "/CN=" + names[0], "-addext", "subjectAltName=" + alt, "-keyout", key,
                    "-out", chain], check=True, capture_output=True)
    return chain, key


class Agent:
    """sluiced on the edge of a lab, or on another node, with folders and a bpffs directory of its own."""

    made = 0

    def __init__(self, lab, node="edge"):
        self.lab = lab
        self.node = node
        Agent.made += 1
        self.folder = os.path.join(TMP, f"agent-{os.getpid()}-{Agent.made}")
        os.makedirs(self.folder, mode=0o755, exist_ok=True)
        self.config = os.path.join(self.folder, "sluice.yaml")
        self.socket = os.path.join(self.folder, "run", "control.sock")
        self.bpffs = f"/sys/fs/bpf/t-{os.getpid()}-{Agent.made}"
        self.log_path = os.path.join(self.folder, "log")
        self.process = None

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.stop(kill=True)
        if kind is not None:
            print("# log of the agent:\n" + "".join("# " + l for l in self.log()[-60:]), flush=True)
        # In the edge's network: only there are the devices to be found.
        self.lab.run(self.node, SLUICED, "--detach", "-c", self.config)
        shutil.rmtree(self.bpffs, ignore_errors=True)

    def base(self, workers=2, drain_delay="0s", watch=False):
        """The agent part of a configuration."""
        return (f"agent:\n  workers: {workers}\n  state_dir: {self.folder}/state\n"
                f"  control_socket: {self.socket}\n  bpffs_dir: {self.bpffs}\n"
                f"  internal: 127.0.0.1:9901\n  drain_delay: {drain_delay}\n  drain_timeout: 10s\n"
                f"  watch_certificates: {str(watch).lower()}\n")

    def write(self, text):
        with open(self.config + ".new", "w", encoding="utf-8") as f:
            f.write(text)
        os.rename(self.config + ".new", self.config)

    def start(self, text=None, wait=True):
        if text is not None:
            self.write(text)
        log = open(self.log_path, "ab")
        self.process = self.lab.start(self.node, SLUICED, "-c", self.config, stdin=subprocess.DEVNULL,
                                      stdout=log, stderr=log)
        log.close()
        if wait and not wait_until(lambda: self.ready() or self.process.poll() is not None, 60):
            raise RuntimeError("the agent does not become ready")
        if wait and self.process.poll() is not None:
            raise RuntimeError(f"the agent ended with {self.process.returncode}:\n" +
                               "".join(self.log()[-20:]))
        return self

    def stop(self, kill=False):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
            self.process.wait(40)
            # Children of a killed monitor notice and leave.
            wait_until(lambda: not self.pids() and not _serves(self.socket), 10)
        return self.process.returncode if self.process else None

    def pids(self):
        """Of every process of this agent: they share its network and its name."""
        out = self.lab.run(self.node, "ip", "netns", "pids", f"{self.lab.prefix}-{self.node}").stdout.split()
        return [int(p) for p in out if _name(p) == "sluiced"]

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            return f.readlines()

    def events(self, name):
        """Log lines of that event, parsed."""
        found = []
        for line in self.log():
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if entry.get("event") == name:
                found.append(entry)
        return found

    def ctl(self, *words, check=True):
        done = subprocess.run([SLUICECTL, "-s", self.socket, *words], capture_output=True, text=True,
                              timeout=30, env={"PATH": os.environ["PATH"]})
        if check and done.returncode:
            raise RuntimeError(f"sluicectl {' '.join(words)}: {done.stderr}{done.stdout}")
        return done

    def json(self, *words):
        return json.loads(self.ctl(*words, "-o", "json").stdout)

    def ready(self):
        if not os.path.exists(self.socket):
            return False
        done = self.ctl("status", "-o", "json", check=False)
        return done.returncode == 0 and json.loads(done.stdout)["ready"]

    def metrics(self):
        """{'name{labels}': value} of /metrics."""
        text = self.lab.run(self.node, "curl", "-sS", "--max-time", "10", "http://127.0.0.1:9901/metrics").stdout
        rows = (line.rsplit(" ", 1) for line in text.splitlines() if line and line[0] != "#")
        return {name: float(value) for name, value in rows}


def _serves(path):
    """Is the socket still somebody's? One on its way between two that died is freed a while after them."""
    with socket.socket(socket.AF_UNIX) as s:
        try:
            s.connect(path)
        except OSError:
            return False
    return True


def _name(pid):
    """Of its program; of one that ends, which may hold its sockets still, what it called itself."""
    for path, read in ((f"/proc/{pid}/exe", os.readlink), (f"/proc/{pid}/comm", _text)):
        try:
            return os.path.basename(read(path)).split(" ")[0].strip()
        except OSError:
            pass
    return ""


def _text(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read()
