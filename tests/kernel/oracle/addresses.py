"""IPv6 addresses of the current network namespace."""
import time
from pathlib import Path

from captures import OracleError

RTF_LOCAL, IFA_F_TENTATIVE = 0x80000000, 0x40


def await_addresses(seconds=10):
    """Waits until each IPv6 address is one of the host's own. The kernel makes it so in a worker of its own: until that has run, which
    takes its time on a busy machine, what comes for the address is forwarded."""
    end = time.monotonic() + seconds
    while not all_are_local():
        if time.monotonic() > end:
            raise OracleError("IPv6 addresses are not taken into use")
        time.sleep(0.001)


def all_are_local():
    routes = [line.split() for line in lines("ipv6_route")]
    local = {route[0] for route in routes if route[1] == "80" and int(route[8], 16) & RTF_LOCAL}
    addresses = [line.split() for line in lines("if_inet6")]
    return all(address[0] in local and not int(address[4], 16) & IFA_F_TENTATIVE for address in addresses)


def lines(name):
    """Of a table in /proc; none where the kernel has no IPv6."""
    path = Path("/proc/self/net") / name
    return path.read_text().splitlines() if path.exists() else []
