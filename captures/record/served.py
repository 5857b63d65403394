"""The files that servers serve and the servers themselves."""
from pathlib import Path

ROOT = Path("/run/srv")


def text(size):
    """Text of a size, the same every time: numbered lines of 40 bytes."""
    lines = (f"line {n:04} of what the server serves{'.' * 4}\n"[:39].ljust(39, ".") for n in range(size // 40 + 1))
    return "\n".join(line.strip("\n").ljust(39, ".") for line in lines)[:size]


def files():
    """Puts the files that are transferred into ROOT."""
    (ROOT / "upload").mkdir(parents=True, exist_ok=True)
    for name, size in (("small.txt", 1000), ("page.html", 4000), ("long.txt", 30000), ("longer.txt", 50000)):
        (ROOT / name).write_text(text(size))
    (ROOT / "upload").chmod(0o777)
    return ROOT


def vsftpd(network, where, address="0.0.0.0"):
    """Starts vsftpd for anonymous users who may upload; passive ports 50000 to 50100."""
    options = {"listen": "YES", "background": "NO", "listen_address": address, "anonymous_enable": "YES",
               "write_enable": "YES", "anon_upload_enable": "YES", "anon_other_write_enable": "YES",
               "anon_umask": "022", "no_anon_password": "NO", "anon_root": ROOT, "run_as_launching_user": "YES",
               "seccomp_sandbox": "NO", "xferlog_enable": "NO", "connect_from_port_20": "YES",
               "pasv_min_port": "50000", "pasv_max_port": "50100"}
    if ":" in address:
        options |= {"listen": "NO", "listen_ipv6": "YES"}
        options["listen_address6"] = options.pop("listen_address")
    files()
    configuration = Path("/run/vsftpd.conf")
    configuration.write_text("".join(f"{k}={v}\n" for k, v in options.items()))
    return network.serve(where, 21, "vsftpd", configuration)


def http(network, where, port=80, bind="0.0.0.0", protocol="HTTP/1.1"):
    """Starts the http.server that comes with Python."""
    files()
    return network.serve(where, port, "python3", "-m", "http.server", port, "--bind", bind, "--directory", ROOT,
                         "--protocol", protocol)


def dnsmasq(network, where, address):
    """Starts dnsmasq with a few names of its own and no upstream."""
    return network.serve(where, 53, "dnsmasq", "--no-daemon", "--no-resolv", "--no-hosts", "--conf-file=/dev/null",
                         "--pid-file=", "--user=root", "--bind-interfaces", f"--listen-address={address}",
                         "--local=/example/", "--host-record=www.example,198.51.100.7,2001:db8:2::7",
                         "--cname=ftp.example,www.example", "--txt-record=www.example,a small text",
                         kind="udp")
