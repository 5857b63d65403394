#!/usr/bin/env python3
"""Asks iptables-legacy what it makes of rules, and writes pairs.txt anew; ip6tables-legacy for tables with a 6 before them.

    record.py < old.txt > new.txt         for pairs.txt and pairs6.txt
    record.py listed < pairs.txt > listed.txt    lists the rules that stand there as saved; pairs6.txt and listed6.txt
    record.py real                    asks about the files in real/ and writes what is saved beside them

Reads text in the form of pairs.txt. Answers that stand there are thrown away and asked for again; `~` (the tool takes the
rule, Towpath refuses it) stays when the tool still takes it. Needs root; each question is asked in a network namespace of
its own, which is gone afterwards.
"""

import subprocess
import sys
from pathlib import Path

SETS = """
ipset create here hash:ip FAMILY && ipset create there hash:ip,port FAMILY && ipset create where hash:net FAMILY && \
    ipset create lists list:set
"""


def ask(table, lines, six):
    """The rules that the tool saves, or None when it refuses the text."""
    tool = "ip6tables-legacy" if six else "iptables-legacy"
    text = f"*{table}\n:foo - [0:0]\n" + lines.replace(" ; ", "\n") + "\nCOMMIT\n"
    sets = SETS.replace("FAMILY", "family inet6" if six else "")
    script = f"{sets}\n{tool}-restore 2>/dev/null <<'RULES' && {tool}-save -t {table}\n{text}RULES\n"
    answer = subprocess.run(["unshare", "-n", "sh", "-c", script], capture_output=True, text=True)
    if answer.returncode != 0:
        return None
    return [line for line in answer.stdout.splitlines() if line.startswith("-A")]


def record_real():
    """Writes NAME.saved for each NAME.v4; a NAME.ipset is restored first."""
    for rules in sorted((Path(__file__).parent / "real").glob("*.v4")):
        sets = rules.with_suffix(".ipset")
        script = f"ipset restore < {sets}\n" if sets.exists() else ""
        script += f"iptables-legacy-restore -c < {rules} || exit 1\n"
        tables = [line.lstrip("* ") for line in rules.read_text().splitlines() if line.startswith("*")]
        for table in ("raw", "mangle", "nat", "filter"):
            script += f"iptables-legacy-save -c -t {table}\n" if table in tables else ""
        answer = subprocess.run(["unshare", "-n", "sh", "-c", script], capture_output=True, text=True, check=True)
        lines = [line for line in answer.stdout.splitlines() if not line.startswith("#")]
        rules.with_suffix(".saved").write_text("\n".join(lines) + "\n")
        print(rules.name)


# What the tool lists of these it does not save.
FORGOTTEN = [
    "filter < -A INPUT -p tcp -m tcp ! --sport : --dport 80 -j ACCEPT",
    "filter < -A INPUT -p udp -m udp --sport 53 ! --dport 0:65535 -j ACCEPT",
    "filter < -A INPUT -p icmp -m icmp --icmp-type 255/255 -j ACCEPT",
    "filter < -A INPUT -p icmp -m icmp ! --icmp-type 255/3 -j ACCEPT",
    "filter < -A INPUT -m hashlimit --hashlimit-upto 5/sec --hashlimit-name a --hashlimit-rate-interval 60",
]


def list_all():
    """Writes each saved rule with its line in the tool's listing."""
    pairs, table, tool = {}, "", ""
    for line in sys.stdin.read().splitlines():
        if line.startswith("> "):
            pairs[f"{table} < {line[2:]}"] = None
        elif " < " in line and not line.startswith("#"):
            table = line.split(" < ", 1)[0]
            tool = "ip6tables" if line.startswith("6") else "iptables"
    pairs |= dict.fromkeys(FORGOTTEN if tool == "iptables" else [])
    script = SETS.replace("FAMILY", "family inet6" if tool == "ip6tables" else "") + "\n"
    for pair in pairs:
        table, rule = pair.removeprefix("6").split(" < ", 1)
        # Emptied before: what a rule remembers by name is not taken over.
        script += f"{tool}-legacy -t {table} -F\n"
        script += f"{tool}-legacy-restore <<'RULES'\n*{table}\n:foo - [0:0]\n{rule}\nCOMMIT\nRULES\n"
        # A few are not taken alone: they lead to other chains, or the tool saves what it does not take back.
        script += f"[ $? = 0 ] && {tool}-legacy -t {table} -L {rule.split(' ')[1]} -n -v | sed -n 3p || echo\n"
    command = ["unshare", "-n", "sh"]
    answer = subprocess.run(command, input=script, capture_output=True, text=True, check=True)
    lines = answer.stdout.splitlines()
    assert len(lines) == len(pairs), answer.stderr
    print(f"# What {tool} 1.8.9 (legacy, Linux 6.18) lists for rules: `{tool}-legacy -t TABLE -L -n -v`, the rule's line.")
    print(f"#\n#   TABLE < a line that {tool}-legacy-save prints\n#   = its line in the listing\n#")
    print("# `cargo test -p tests --test rules` reads this file, which `record.py listed` writes.\n")
    for pair, line in zip(pairs, lines):
        if line:
            print(f"{pair}\n= {line}")


def main():
    if sys.argv[1:] == ["real"]:
        return record_real()
    if sys.argv[1:] == ["listed"]:
        return list_all()
    source = sys.stdin.read().splitlines()
    out, question, refused_here = [], None, False
    asked = []
    for line in source:
        if line.startswith("#") or not line:
            asked.append(("text", line, False))
        elif " < " in line and not line.startswith(">"):
            asked.append(("question", line, False))
        elif line == "~":
            asked[-1] = (asked[-1][0], asked[-1][1], True)
    for kind, line, refused_here in asked:
        out.append(line)
        if kind == "text":
            continue
        table, lines = line.split(" < ", 1)
        six = table.startswith("6")
        answer = ask(table.removeprefix("6"), lines, six)
        if answer is None:
            out.append("!")
        elif refused_here:
            out.append("~")
        else:
            # A text that leaves no rules is answered by a bare `>`.
            out.extend([f"> {rule}" for rule in answer] or [">"])
    print("\n".join(out))


main()
