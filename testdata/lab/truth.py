#!/usr/bin/env python3
"""Writes NAME.json, what is true of NAME.pcap. The sources, none of them relaywatch:

  - the scenario's own arguments (who is who, what it should show),
  - the stand-ins' journals (what the victim was asked and did, which certificate was issued),
  - tshark (NTLM messages and their flows) and a plain search of the capture's bytes.

usage: truth.py PATH-WITHOUT-SUFFIX malicious=yes|no [KEY=VALUE...] [expect=LABEL...]
"""

import collections
import datetime
import json
import os
import subprocess
import sys
import uuid

from impacket import ntlm

PATH = sys.argv[1]
RUN = os.environ["RUN"]
# 593 is not a port on which tshark expects bare DCE/RPC
TSHARK = ["tshark", "-n", "-r", PATH + ".pcap", "-d", "tcp.port==593,dcerpc"]
# What a listener that is no relay hands to everybody: never a pair
STATIC_CHALLENGES = {"4141414141414141", "a" * 16}


def main():
    given, lists = {}, {"expect": [], "looks_like": [], "allow": [], "also": []}
    for argument in sys.argv[2:]:
        key, _, value = argument.partition("=")
        lists[key].append(value) if key in lists else given.__setitem__(key, value)
    expect = lists["expect"]
    malicious = given["malicious"] == "yes"
    coercions = [
        coercion(entry) for entry in journal("victim") if entry["event"] == "coercion"
    ]
    messages = ntlm_messages()
    pairs, repeated = challenge_pairs(messages, given.get("listener"), malicious)
    capture = read(PATH + ".pcap")
    truth = {
        "scenario": os.path.basename(PATH),
        "file": os.path.basename(PATH) + ".pcap",
        "malicious": malicious,
        "attacker": given.get("attacker") or None,
        "victim": given.get("victim") or None,
        "listener": given.get("listener") or None,
        "target": given.get("target") or None,
        "family": given.get("family"),
        "base": True,
        "expect": expect,
        "looks_like": lists["looks_like"],
        "allow": lists["allow"],
        "visible_rpc": visible(capture, coercions, lambda event: uuid.UUID(event["uuid"]).bytes_le),
        "visible_path": visible(capture, coercions, lambda event: utf16(event["unc"] + "\0")),
        "coercion_events": coercions,
        "relay_pairs": pairs,
        "repeated_challenges": repeated,
        "relay_outcome": relay_outcome(),
        "certificates": [
            {"time": entry["time"], "account": entry["account"]}
            for entry in journal("adcs")
            if entry["event"] == "issued"
        ],
        "ntlm_messages": dict(
            collections.Counter(f"type {message['kind']}" for message in messages)
        ),
        "packets": int(run(["capinfos", "-c", "-M", "-T", "-r", PATH + ".pcap"]).split()[-1]),
        "tools": dict(tool.split(" ", 1) for tool in given["tools"].split(", ")) | versions(),
        "recorded": datetime.date.today().isoformat(),
        "notes": given["notes"],
        "must_not_appear": secrets(messages),
    }
    with open(PATH + ".json", "w", encoding="utf-8") as file:
        json.dump(truth, file, indent=1)
        file.write("\n")
    print(
        f"   {truth['packets']} packets, {len(coercions)} coercions, {len(pairs)} relay pairs, "
        f"visible rpc {truth['visible_rpc']} path {truth['visible_path']}, {truth['ntlm_messages']}"
    )


def journal(name):
    """A stand-in's journal since the capture began"""
    started = float(read(f"{RUN}/started"))
    with open(f"{RUN}/{name}.jsonl", encoding="utf-8") as file:
        return [entry for line in file if (entry := json.loads(line))["time"] >= started]


def coercion(entry):
    """time is when the callback was over; rpc_auth_level as on the wire, 1 is none"""
    order = ("time", "method", "uuid", "opnum", "unc", "caller")
    order += ("transport", "pipe", "port", "rpc_auth_level", "outcome")
    return {key: entry[key] for key in order}


def ntlm_messages():
    fields = ["frame.time_epoch", "ip.src", "tcp.srcport", "ip.dst", "tcp.dstport"]
    fields += ["ntlmssp.messagetype", "ntlmssp.ntlmserverchallenge"]
    fields += ["ntlmssp.auth.domain", "ntlmssp.auth.username"]
    fields += ["ntlmssp.ntlmv2_response.ntproofstr"]
    arguments = ["-Y", "ntlmssp.messagetype", "-T", "fields", "-E", "separator=|"]
    arguments += ["-E", "occurrence=l"]
    for field in fields:
        arguments += ["-e", field]
    messages = []
    for line in run(TSHARK + arguments).splitlines():
        time, source, sport, destination, dport, kind, challenge, domain, user, proof = line.split("|")
        messages.append(
            {
                "time": float(time),
                "sender": f"{source}:{sport}",
                "receiver": f"{destination}:{dport}",
                "kind": int(kind, 16),
                "challenge": challenge.replace(":", ""),
                "user": f"{domain}\\{user}" if user not in ("", "NULL") else None,
                "proof": proof.replace(":", ""),
            }
        )
    return messages


def challenge_pairs(messages, listener, malicious):
    """Challenges seen on more than one flow: (relays, the others)"""
    flows = collections.defaultdict(dict)  # challenge -> {(client, server)}, in order of time
    for message in messages:
        if message["kind"] == 2:
            flows[message["challenge"]][message["receiver"], message["sender"]] = None
    users = {
        (message["sender"], message["receiver"]): message["user"]
        for message in messages
        if message["kind"] == 3
    }
    pairs, repeated = [], []
    for challenge, seen in flows.items():
        if len(seen) < 2:
            continue
        legs = [{"client": client, "server": server} for client, server in seen]
        victim = [leg for leg in legs if leg["server"].split(":")[0] == listener]
        target = [leg for leg in legs if leg["client"].split(":")[0] == listener]
        if malicious and victim and target and challenge not in STATIC_CHALLENGES:
            pairs.append(
                {
                    "server_challenge": challenge,
                    "victim_flow": victim[0],
                    "target_flow": target[0],
                    "user": users.get((victim[0]["client"], victim[0]["server"])),
                }
            )
        else:
            repeated.append({"server_challenge": challenge, "flows": legs})
    return pairs, repeated


def visible(capture, coercions, needle):
    """Whether the bytes are in the capture as they are, in other words not encrypted"""
    if not coercions:
        return None
    return all(needle(event) in capture for event in coercions)


def relay_outcome():
    """What the relay tool itself said about each attempt"""
    words = ("SUCCEED", "FAILED", "GOT CERTIFICATE")
    said = []
    for line in read(f"{RUN}/relay.log").decode("utf-8", "replace").splitlines():
        if any(word in line for word in words):
            said.append(line.split("] ", 1)[-1].strip()[:160])
    return said


def secrets(messages):
    """What no output of ours may contain: passwords, NT hashes and NTLMv2 proofs of the lab"""
    passwords = [entry.split(":", 1)[1] for entry in os.environ["ACCOUNTS"].split()]
    hashes = [ntlm.compute_nthash(password).hex() for password in passwords]
    proofs = [message["proof"] for message in messages if message["proof"]]
    return passwords + hashes + list(dict.fromkeys(proofs))


def versions():
    return {
        "samba": run(["smbd", "--version"]).split()[-1],
        "tshark": run(["tshark", "--version"]).split()[2].rstrip("."),
    }


def utf16(text):
    return text.encode("utf-16-le")


def read(path):
    with open(path, "rb") as file:
        return file.read()


def run(command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    main()
