"""The programs that are recorded and that record: which are needed, how they start and stop."""
import shutil
import signal
import subprocess
import sys
import time

# program: the Debian package that has it
NEEDED = {
    "ip": "iproute2", "ethtool": "ethtool", "unshare": "util-linux", "mount": "mount",
    "iptables-legacy-restore": "iptables", "tcpdump": "tcpdump", "dumpcap": "wireshark-common",
    "reordercap": "wireshark-common", "tshark": "tshark", "curl": "curl", "lftp": "lftp", "vsftpd": "vsftpd",
    "dnsmasq": "dnsmasq-base", "dig": "bind9-dnsutils", "ping": "iputils-ping", "traceroute": "traceroute",
    "socat": "socat", "nc": "netcat-openbsd", "tftp": "tftp-hpa", "in.tftpd": "tftpd-hpa", "openssl": "openssl",
    "saned": "sane-utils", "scanimage": "sane-utils",
}
PATIENCE_SECONDS = 10


def require(programs=None):
    """Ends with one line that names what is missing and the packages that bring it."""
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    missing = [p for p in programs or NEEDED if not shutil.which(p) and not shutil.which(p, path=path)]
    if missing:
        packages = " ".join(sorted({NEEDED[p] for p in missing}))
        sys.exit(f"record: missing {', '.join(missing)}; apt-get install --no-install-recommends {packages}")


def private_run():
    """Gives this mount namespace an empty /run: for named network namespaces, lock files, served files."""
    run("mount", "-t", "tmpfs", "none", "/run")


def run(*command, check=True, stdin=None):
    """Runs a command to its end and returns what it printed; a failure ends the recording."""
    done = subprocess.run([str(c) for c in command], input=stdin, capture_output=True, text=True,
                          errors="replace", timeout=120)
    if check and done.returncode != 0:
        sys.exit(f"record: {' '.join(map(str, command))} failed ({done.returncode}): {done.stderr.strip()}")
    return done.stdout + done.stderr


def start(*command):
    """Starts a program that goes on running; what it prints can be read line by line."""
    return subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def stop(process, by=signal.SIGTERM):
    """Asks a program to end and waits for it."""
    if process.poll() is None:
        process.send_signal(by)
    try:
        process.wait(PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def until(condition, what):
    """Waits until a condition holds."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > end:
            sys.exit(f"record: waited {PATIENCE_SECONDS} s for {what}")
        time.sleep(0.02)
